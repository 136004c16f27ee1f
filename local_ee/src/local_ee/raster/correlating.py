"""Statistics of the samples at one place: correlations with their tests, trends, regressions, ranges and runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import stdtr

from local_ee import budget

_NUMBER_BYTES = 8
_FINEST = 2.0**-40  # of the largest value: the least width of a bucket
Columns = list[np.ndarray]


def pearson(columns: Columns, weights: np.ndarray) -> tuple[float, float] | None:
    """The product-moment correlation and the p-value of its two-sided t-test; weights only mask."""
    x, y = columns
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    dx, dy = x - x.mean(), y - y.mean()
    r = float(np.clip((dx @ dy) / np.sqrt((dx @ dx) * (dy @ dy)), -1, 1))
    freedom = len(x) - 2
    if freedom == 0:
        return r, 1.0
    t = np.inf if abs(r) == 1 else abs(r) * np.sqrt(freedom / (1 - r * r))
    return r, float(2 * stdtr(freedom, -t))


def spearman(columns: Columns, weights: np.ndarray) -> tuple[float, float] | None:
    """The correlation of ranks, ties having their mean rank."""
    from scipy.stats import rankdata

    return pearson([rankdata(column) for column in columns], weights)


def kendall(columns: Columns, weights: np.ndarray) -> tuple[float, float] | None:
    """Tau-b and its p-value; of one input against its order."""
    from scipy.stats import kendalltau

    x, y = columns if len(columns) == 2 else (np.arange(len(columns[0])), columns[0])
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    tau, p_value = kendalltau(x, y)
    return float(tau), float(p_value)


def sens_slope(columns: Columns, weights: np.ndarray) -> tuple[float, float] | None:
    """The median of the slopes between all pairs of points, and the offset of its line through the medians.

    Source: Sen, J. Am. Stat. Assoc. 63 (1968), 1379-1389. The offset is an assumption.
    """
    x, y = columns
    budget.allocate(len(x) ** 2 * _NUMBER_BYTES * 2)
    first, second = np.triu_indices(len(x), 1)
    run = x[second] - x[first]
    if not run.any():
        return None
    slope = float(np.median((y[second] - y[first])[run != 0] / run[run != 0]))
    return slope, float(np.median(y) - slope * np.median(x))


def regression(columns: Columns, weights: np.ndarray, *, inputs: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Coefficients [x, y] of weighted least squares, and the root mean square of the residuals [y]."""
    table = np.column_stack(columns)
    x, y = table[:, :inputs], table[:, inputs:]
    if len(x) <= inputs:
        return None
    root = np.sqrt(weights)[:, None]
    coefficients, _, rank, _ = np.linalg.lstsq(x * root, y * root, rcond=None)
    if rank < inputs:
        return None
    return coefficients, residuals(y - x @ coefficients, weights)


def residuals(differences: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Roots of the weighted mean squares, by column."""
    root: np.ndarray = np.sqrt(np.average(differences**2, axis=0, weights=weights))
    return root


def interval_mean(columns: Columns, weights: np.ndarray, *, low: float, high: float) -> tuple[float] | None:
    """The weighted mean of the samples from one percentile to another."""
    values = columns[0]
    if not len(values):
        return None
    least, most = np.percentile(values, [low, high])
    inside = (values >= least) & (values <= most)
    return (float(np.average(values[inside], weights=weights[inside])),) if inside.any() else None


def runs(columns: Columns, weights: np.ndarray) -> tuple[int]:
    """How often a sample differs from the one before, and 1 for the first."""
    values = columns[0]
    return (int(np.count_nonzero(values[1:] != values[:-1])) + 1 if len(values) else 0,)


def histogram(values: np.ndarray, weights: np.ndarray, *, buckets: int, width: float) -> dict[str, Any] | None:
    """Buckets of equal width, as many as allowed: their lower bound, width, counts and means.

    Assumption: the width is the least power of two, and at least the one asked for, that needs few enough buckets.
    """
    keep = (weights > 0) & np.isfinite(values.astype(float))
    values, weights = values[keep].astype(float), np.asarray(weights[keep], float)
    if not len(values):
        return None
    step = _bucket_width(values, buckets, width)
    places = np.floor(values / step).astype(int)
    lowest = int(places.min())
    count = np.bincount(places - lowest, weights=weights)
    total = np.bincount(places - lowest, weights=weights * values)
    starts = (lowest + np.arange(len(count))) * step
    means = np.where(count > 0, total / np.where(count > 0, count, 1), starts + step / 2)
    return {
        "bucketMeans": means.tolist(),
        "bucketMin": float(starts[0]),
        "bucketWidth": step,
        "histogram": count.tolist(),
    }


def _bucket_width(values: np.ndarray, buckets: int, width: float) -> float:
    """Never finer than the values' bits; two buckets are enough for any values, so that this ends."""
    finest = max(float(np.abs(values).max()), 1.0) * _FINEST
    step = max(width if width > 0 else 2.0 ** np.floor(np.log2(max(float(np.ptp(values)) / buckets, finest))), finest)
    while int(np.floor(values.max() / step) - np.floor(values.min() / step)) + 1 > buckets:
        step *= 2
    return float(step)


def bucket_table(values: np.ndarray, weights: np.ndarray, *, options: Callable[..., Any], cumulative: bool) -> Any:
    """The lower bounds of a histogram's buckets and their counts, cumulative where asked."""
    counted = options(values, weights)
    if counted is None:
        return None
    counts = np.array(counted["histogram"])
    starts = counted["bucketMin"] + counted["bucketWidth"] * np.arange(len(counts))
    return np.column_stack([starts, counts.cumsum() if cumulative else counts])
