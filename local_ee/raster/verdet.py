"""VeRDET in time: a yearly series as few straight segments, found where its slope has the least total variation.

Source: M. J. Hughes, S. D. Kaylor, D. J. Hayes, Forests 8 (2017), 166, and the author's programs tv_1d_many and
fit_piecewise_linear (https://github.com/ecologistjoe/verdet_archive).
"""

from __future__ import annotations

import numba
import numpy as np

LEAST_IMAGES = 2
_SMOOTH = 1e-6  # added to a change of slope, whose inverse is a weight
_STEP = 0.005  # the square of a year's length beside the values, for angles between segments
_ANGLE = 0.025  # 1 - cosine, beyond which two segments are two
_MOST_ROUNDS = 100  # of fitting segments, should they never settle
_NEGATIVE = 1e-5  # what a negative value counts


def slopes(series: np.ndarray, *, alpha: float, tolerance: float, rounds: int) -> np.ndarray:
    """The change from year to year of the fitted segments, 0 for the first year."""
    values = np.asarray(series, float)
    values = np.where(values < 0, _NEGATIVE, values)
    fit = _piecewise(values, _smoothed(values, alpha, tolerance, rounds))
    return np.diff(fit, prepend=fit[0])


@numba.njit(nogil=True, cache=True)
def _smoothed(values, alpha, tolerance, rounds):  # pragma: no cover (compiled)
    """A series near the values with a small sum of |changes of slope|, by least squares with weights from the last."""
    count = len(values)
    own = values - values[0]
    slope, before, fit = own.copy(), np.full(count, np.inf), own.copy()
    for _ in range(rounds):
        weights = alpha / (_SMOOTH + np.abs(slope[1:] - slope[:-1]))
        fit = _regularised(own, weights)
        slope[0] = fit[0]
        slope[1:] = fit[1:] - fit[:-1]
        if np.abs(slope - before).max() <= tolerance:
            break
        before = slope.copy()
    return values[0] + fit


@numba.njit(nogil=True, cache=True)
def _regularised(own, weights):  # pragma: no cover (compiled)
    """The least squares of own, and of the weighted changes of slope (that before the first value is the value)."""
    count = len(own)
    band = np.zeros((3, count))  # [k, i]: of i and i + k, in a symmetric matrix
    band[0] = 1.0
    for i in range(count - 1):  # the change fit[i - 1] - 2 fit[i] + fit[i + 1]
        weight = weights[i]
        band[0, i] += 4 * weight
        band[0, i + 1] += weight
        band[1, i] -= 2 * weight
        if i > 0:
            band[0, i - 1] += weight
            band[1, i - 1] -= 2 * weight
            band[2, i - 1] += weight
    fit = own.copy()
    for i in range(count):  # eliminated downwards
        for k in range(1, min(3, count - i)):
            share = band[k, i] / band[0, i]
            for m in range(k, min(3, count - i)):
                band[m - k, i + k] -= share * band[m, i]
            fit[i + k] -= share * fit[i]
    for i in range(count - 1, -1, -1):
        for k in range(1, min(3, count - i)):
            fit[i] -= band[k, i] * fit[i + k]
        fit[i] /= band[0, i]
    return fit


@numba.njit(nogil=True, cache=True)
def _vertices(fit):  # pragma: no cover (compiled)
    """Where segments meet at an angle, and both ends."""
    corners = np.zeros(len(fit), np.bool_)
    corners[0] = corners[-1] = True
    for i in range(1, len(fit) - 1):
        before, after = fit[i] - fit[i - 1], fit[i + 1] - fit[i]
        lengths = np.sqrt((_STEP + before * before) * (_STEP + after * after))
        corners[i] = 1 - (before * after + _STEP) / lengths > _ANGLE
    return np.flatnonzero(corners)


@numba.njit(nogil=True, cache=True)
def _piecewise(values, fit):  # pragma: no cover (compiled)
    """Segments between the vertices of a fit by least squares, and again between theirs until they stay."""
    for _ in range(_MOST_ROUNDS):
        corners = _vertices(fit)
        shares = np.zeros((len(values), len(corners)))
        k = 0
        for i in range(len(values)):
            while k < len(corners) - 2 and i >= corners[k + 1]:
                k += 1
            share = (i - corners[k]) / (corners[k + 1] - corners[k])
            shares[i, k], shares[i, k + 1] = 1 - share, share
        ends = np.linalg.solve(shares.T @ shares, shares.T @ values)
        before, fit = fit, shares @ ends
        if np.array_equal(_vertices(fit), corners) or np.array_equal(before, fit):
            break
    return fit
