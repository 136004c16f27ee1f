"""Straight lines by votes (R. O. Duda, P. E. Hart, "Use of the Hough transformation to detect lines and curves in
pictures", Communications of the ACM 15, 1972): the normal's angle by degrees, its length by pixels.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from scipy import ndimage

DEGREES = 180  # directions of a line's normal, one degree apart


def lines(active: np.ndarray, threshold: float, *, smooth: bool) -> np.ndarray:
    """Where a line lies that gets at least `threshold` votes of the active pixels of a square.

    smooth: votes are the means of 3 x 3 neighbours. A pixel lies on a line whose distance rounds to the same length.
    """
    reach = math.ceil(math.hypot(*active.shape))
    votes = _votes(active, reach)
    if smooth:
        padded = np.concatenate([votes[-1:, ::-1], votes, votes[:1, ::-1]])  # the angles go round, lengths turn over
        votes = ndimage.uniform_filter(padded, 3, mode="constant")[1:-1]
    drawn: np.ndarray = _drawn(votes >= threshold, active.shape, reach)
    return drawn


# Votes by pixel and degree: as arrays they would take 180 times the image. Lengths are rounded half up.
@numba.njit(nogil=True, cache=True)
def _length(row, col, degree):  # pragma: no cover (compiled)
    angle = np.deg2rad(degree)
    return int(np.floor(col * np.cos(angle) + row * np.sin(angle) + 0.5))


@numba.njit(nogil=True, cache=True)
def _votes(active, reach):  # pragma: no cover (compiled)
    votes = np.zeros((DEGREES, 2 * reach + 1))
    for row in range(active.shape[0]):
        for col in range(active.shape[1]):
            if active[row, col]:
                for degree in range(DEGREES):
                    votes[degree, reach + _length(row, col, degree)] += 1
    return votes


@numba.njit(nogil=True, cache=True)
def _drawn(found, shape, reach):  # pragma: no cover (compiled)
    drawn = np.zeros(shape, np.bool_)
    for degree in range(DEGREES):
        if not found[degree].any():
            continue
        for row in range(shape[0]):
            for col in range(shape[1]):
                if found[degree, reach + _length(row, col, degree)]:
                    drawn[row, col] = True
    return drawn
