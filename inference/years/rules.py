"""Simple rules for classes of several years, which the chain is judged by. Each gives uint8 (years, N), 255 unknown.

The papers of this project name no rule of consistency by year (JointSeg maps 2017 to 2023 and does not say how years
were made to agree). `irreversible` is the rule of lists of urban land: ground that is built stays so (Li et al. 2015,
doi:10.1016/j.rse.2015.06.007, filter and then reason so).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gee_export.base.scheme import UNKNOWN


def independent(built_TN: np.ndarray) -> np.ndarray:
    """Each year's class as its own map says."""
    return built_TN


def running_majority(built_TN: np.ndarray) -> np.ndarray:
    """The class of most known maps among each year, the one before and the one after; of equals the year's own.

    A year that is not known takes the majority of its neighbours, and stays unknown where they are equal.
    """
    votes_TN = np.where(built_TN == UNKNOWN, 0, 2 * built_TN.astype(np.int16) - 1)
    around_TN = votes_TN.copy()
    around_TN[1:] += votes_TN[:-1]
    around_TN[:-1] += votes_TN[1:]
    return np.where(around_TN > 0, 1, np.where(around_TN < 0, 0, built_TN)).astype(np.uint8)


def irreversible(built_TN: np.ndarray) -> np.ndarray:
    """The history without a way back that differs from the fewest known maps; of equals the latest first year.

    Pixels that no map knows stay unknown.
    """
    known_TN = built_TN != UNKNOWN
    as_pervious_TN, as_impervious_TN = (known_TN & (built_TN == other) for other in (1, 0))
    differing = [
        as_pervious_TN[:first].sum(axis=0) + as_impervious_TN[first:].sum(axis=0)
        for first in range(len(built_TN), -1, -1)  # the latest first, so that it wins among equals
    ]
    first_N = len(built_TN) - np.argmin(np.stack(differing), axis=0)
    history_TN = (np.arange(len(built_TN))[:, None] >= first_N).astype(np.uint8)
    return np.where(known_TN.any(axis=0), history_TN, np.uint8(UNKNOWN))


RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "independent years": independent,
    "running majority of three": running_majority,
    "irreversible": irreversible,
}
