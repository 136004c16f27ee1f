"""The threshold of impervious from a few dozen points, and how sure it is.

Few points leave a range of equally good thresholds, of which the middle is taken. A threshold judged on the points that
chose it looks too good: F1 is given of points that did not take part, by drawing cells of ground with replacement and
judging each draw on the cells that it left out (out-of-bag, Efron and Tibshirani 1997, JASA 92, 548-560).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.bootstrap import DRAWS, SEED, Interval

LEAST_OF_CLASS, LEAST_POINTS, LEAST_CELLS = 10, 30, 5
CELL_M = 250.0  # points nearer than this are drawn together: they see the same ground
# Whole 256ths, as `isamap calibrate` on a split chooses them (accuracy/thresholds.py).
STEPS = np.arange(1, 256) / 256


@dataclass(frozen=True, eq=False)
class PointSample:
    """Points of known class: probability of impervious (0 to 1), whether they are impervious, and their cell's number.

    ValueError: too few points in all or of a class, or all of them close together.
    """

    probability_N: np.ndarray
    impervious_N: np.ndarray
    cell_N: np.ndarray

    def __post_init__(self) -> None:
        total, impervious = len(self.impervious_N), int(self.impervious_N.sum())
        if total < LEAST_POINTS or min(impervious, total - impervious) < LEAST_OF_CLASS:
            raise ValueError(
                f"{total} points, {impervious} of them impervious: a threshold needs {LEAST_POINTS} points, and at "
                f"least {LEAST_OF_CLASS} of each class; answer more of them"
            )
        if (cells := len(np.unique(self.cell_N))) < LEAST_CELLS:
            raise ValueError(
                f"the points lie in {cells} squares of {CELL_M:g} m: how sure a threshold is shows from "
                f"{LEAST_CELLS} squares on; choose points further apart"
            )


@dataclass(frozen=True)
class PointThreshold:
    """A threshold, the 95 % interval it came from, and F1 of impervious with it and with the one before.

    f1: of points that did not take part (mean over the draws); f1_before: of all points. Intervals: None where no draw
    leaves an impervious point out.
    """

    threshold: float
    interval: Interval | None
    f1: float
    f1_interval: Interval | None
    before: float
    f1_before: float
    f1_before_interval: Interval | None

    @property
    def is_better(self) -> bool:
        """Whether points that did not take part agree more than with the threshold before."""
        return self.f1 > self.f1_before


def choose_threshold(points: PointSample, before: float) -> PointThreshold:
    """The threshold with the best F1 at the points, and what resampled cells say of it."""
    times_DN, every_N = _drawn(points.cell_N), np.ones((1, len(points.cell_N)))
    f1_DT, f1_T = _f1(points, times_DN), _f1(points, every_N)[0]
    at_D = _middle_of_best(f1_DT)
    left_out_DN = (times_DN == 0).astype(np.float64)
    judged_D = np.take_along_axis(_f1(points, left_out_DN), at_D[:, None], axis=1)[:, 0]
    is_usable_D = (left_out_DN @ points.impervious_N > 0) & (times_DN @ points.impervious_N > 0)
    # The threshold before was not chosen on these points, so all of them may judge it; the new one only those left out.
    old = int(np.clip(round(before * len(STEPS)), 1, len(STEPS))) - 1
    return PointThreshold(
        threshold=float(STEPS[_middle_of_best(f1_T[None])[0]]),
        interval=bootstrap.bounds(STEPS[at_D], is_usable_D),
        f1=float(judged_D[is_usable_D].mean()) if is_usable_D.any() else float("nan"),
        f1_interval=bootstrap.bounds(judged_D, is_usable_D),
        before=before,
        f1_before=float(f1_T[old]),
        f1_before_interval=bootstrap.bounds(f1_DT[:, old], is_usable_D),
    )


def cells_of(x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
    """The number of the square of CELL_M that each point lies in; coordinates in metres."""
    corners = np.floor(np.column_stack([x_m, y_m]) / CELL_M).astype(np.int64)
    numbers: np.ndarray = np.unique(corners, axis=0, return_inverse=True)[1].ravel()
    return numbers


def _drawn(cell_N: np.ndarray) -> np.ndarray:
    """How often each point is in each of DRAWS samples of as many cells as there are, float64 (draws, points)."""
    count = int(cell_N.max()) + 1
    times_DC = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), size=DRAWS)
    return times_DC[:, cell_N].astype(np.float64)


def _f1(points: PointSample, times_DN: np.ndarray) -> np.ndarray:
    """F1 of impervious of each sample at each of STEPS, float64 (draws, thresholds); 0 where nothing is impervious."""
    called_NT = (points.probability_N[:, None] >= STEPS).astype(np.float64)
    hit_DT = (times_DN * points.impervious_N) @ called_NT
    both_DT = times_DN @ called_NT + (times_DN @ points.impervious_N)[:, None]
    return np.divide(2 * hit_DT, both_DT, out=np.zeros_like(hit_DT), where=both_DT > 0)


def _middle_of_best(f1_DT: np.ndarray) -> np.ndarray:
    """The number of the middle one of the equally best thresholds of each row."""
    # Equal counts give equal F1 but for the last digits of the sums.
    best_DT = f1_DT >= f1_DT.max(axis=1, keepdims=True) - 1e-12
    middle_D = (best_DT.sum(axis=1, keepdims=True) + 1) // 2
    return (best_DT.cumsum(axis=1) == middle_D).argmax(axis=1)
