"""Regressions that are not plain least squares, and the geometric median.

Sources: Hoerl and Kennard, Technometrics 12 (1970), 55-67 (ridge); Holland and Welsch, Commun. Stat. 6 (1977), 813-827
(Talwar's weights and their constant); Weiszfeld, Tohoku Math. J. 43 (1937), 355-386.
"""

from __future__ import annotations

import numpy as np
from scipy.special import fdtrc

from local_ee import budget
from local_ee.raster.accumulate import Reduced
from local_ee.raster.correlating import Columns, residuals

_TALWAR = 2.795  # residuals in standard deviations that keep 95 % efficiency
_NORMAL = 0.6745  # the median deviation of a standard normal distribution
_MOST_ROUNDS = 50
_MOST_STEPS = 500
_TINY = 1e-12


def ridge(columns: Columns, weights: np.ndarray, *, inputs: int, penalty: float) -> tuple[np.ndarray, ...] | None:
    """Coefficients [x + 1, y] with the intercept last, roots of mean squares [y], and p-values [y] of an F-test.

    Assumptions: the inputs are not scaled, and the intercept is not shrunk.
    """
    table = np.column_stack(columns)
    x, y = table[:, :inputs], table[:, inputs:]
    size = len(table)
    if size < inputs + 1:
        return None
    x_mean, y_mean = np.average(x, axis=0, weights=weights), np.average(y, axis=0, weights=weights)
    dx, dy = x - x_mean, y - y_mean
    system = dx.T @ (weights[:, None] * dx) + penalty * np.eye(inputs)
    try:
        slopes = np.linalg.solve(system, dx.T @ (weights[:, None] * dy))
    except np.linalg.LinAlgError:
        return None
    fitted = dx @ slopes
    coefficients = np.vstack([slopes, y_mean - x_mean @ slopes])
    return coefficients, residuals(dy - fitted, weights), _p_values(fitted, dy - fitted, weights, inputs)


def _p_values(fitted: np.ndarray, rest: np.ndarray, weights: np.ndarray, inputs: int) -> np.ndarray:
    """How probable as large a share of explained variance is where the inputs explain nothing."""
    freedom = len(fitted) - inputs - 1
    if freedom < 1:
        return np.ones(fitted.shape[1])
    explained, unexplained = (weights @ fitted**2) / inputs, (weights @ rest**2) / freedom
    ratio = np.divide(explained, unexplained, out=np.full(len(explained), np.inf), where=unexplained > 0)
    return np.where(np.isinf(ratio), 0.0, fdtrc(inputs, freedom, np.where(np.isinf(ratio), 1.0, ratio)))


def robust(
    columns: Columns, weights: np.ndarray, *, inputs: int, margin: float | None
) -> tuple[np.ndarray, ...] | None:
    """Coefficients [x, y] of least squares over samples whose residuals are at most the margin, and their RMS [y].

    Assumption: without a margin it is 2.795 times the median residual over 0.6745, computed in each round; the RMS
    is that of all samples.
    """
    table = np.column_stack(columns)
    x, y = table[:, :inputs], table[:, inputs:]
    if len(x) < inputs:
        return None
    keep = np.ones(len(x), bool)
    for _ in range(_MOST_ROUNDS):
        root = np.sqrt(weights * keep)[:, None]
        coefficients, _, rank, _ = np.linalg.lstsq(x * root, y * root, rcond=None)
        if rank < inputs:
            return None
        size = np.sqrt(((y - x @ coefficients) ** 2).mean(axis=1))
        limit = _TALWAR * max(float(np.median(size)) / _NORMAL, _TINY) if margin is None else margin
        inliers = size <= limit
        if np.array_equal(inliers, keep) or inliers.sum() < inputs:
            break
        keep = inliers
    return coefficients, residuals(y - x @ coefficients, weights)


def geometric_median(columns: Columns, weights: np.ndarray, *, tolerance: float) -> list[Reduced]:
    """The point [input] with the least sum of weighted distances to the samples, at each place.

    Assumption: a place is done when a step is shorter than the tolerance times the mean distance.
    """
    points = np.stack(columns)  # [input, sample, ...]
    shape = weights.shape[1:]
    points, shares = points.reshape(*points.shape[:2], -1), weights.reshape(len(weights), -1)
    total = shares.sum(axis=0)
    valid = total > 0
    safe = np.where(valid, total, 1)
    middle = (points * shares).sum(axis=1) / safe
    for _ in range(_MOST_STEPS):
        budget.check()
        lengths = np.sqrt(((points - middle[:, None]) ** 2).sum(axis=0))
        pull = shares / np.maximum(lengths, _TINY)
        after = (points * pull).sum(axis=1) / np.where(valid, pull.sum(axis=0), 1)
        step = np.sqrt(((after - middle) ** 2).sum(axis=0))
        middle = after
        if (step <= tolerance * (lengths * shares).sum(axis=0) / safe)[valid].all():
            break
    return [(each.reshape(shape), valid.reshape(shape)) for each in middle]


def grid_counts(
    columns: Columns, weights: np.ndarray, *, x_edges: np.ndarray, y_edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts [x, y] of samples in cells of two inputs, the ends of the last cells left out, and the lower edges."""
    x, y = columns
    inside = (x >= x_edges[0]) & (x < x_edges[-1]) & (y >= y_edges[0]) & (y < y_edges[-1])
    counts, _, _ = np.histogram2d(x[inside], y[inside], bins=(x_edges, y_edges))
    return counts, x_edges[:-1], y_edges[:-1]
