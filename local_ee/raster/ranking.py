"""Reductions that need all samples at once: percentiles, median, mode, histograms."""

from __future__ import annotations

from collections import Counter

import numba
import numpy as np

from local_ee.raster.accumulate import Reduced


def percentiles(values: np.ndarray, weights: np.ndarray, percents: tuple[float, ...]) -> list[Reduced]:
    """The `percents` (0 to 100) of unmasked samples along axis 0, interpolated linearly; weights only mask.

    Earth Engine is exact up to maxRaw inputs and uses a histogram beyond; here it is always exact. The interpolation
    between samples is an assumption, except for the median of an even count: the mean of the middle two
    (PyramidingPolicy MEDIAN of the API reference).
    """
    shape: tuple[int, ...] = values.shape[1:]
    flat = np.ascontiguousarray(values.reshape(len(values), -1))
    keep = np.ascontiguousarray(weights.reshape(len(values), -1) != 0)
    out = np.zeros((len(percents), flat.shape[1]))
    _percentiles(flat, keep, np.asarray(percents, float), out)
    valid = np.asarray(keep.any(axis=0)).reshape(shape) if len(values) else np.zeros(shape, bool)
    return [(row.reshape(shape), valid) for row in out]


@numba.njit(nogil=True, cache=True)
def _percentiles(values, keep, percents, out):  # pragma: no cover (compiled)
    samples = np.empty(values.shape[0], values.dtype)
    for j in range(values.shape[1]):
        count = 0
        for i in range(values.shape[0]):
            if keep[i, j]:
                samples[count] = values[i, j]
                count += 1
        if count == 0:
            continue
        if count <= 40:  # insertion beats the general sort on short lists
            for i in range(1, count):
                value, k = samples[i], i
                while k > 0 and samples[k - 1] > value:
                    samples[k] = samples[k - 1]
                    k -= 1
                samples[k] = value
        else:
            samples[:count].sort()
        for p in range(percents.size):
            position = percents[p] / 100 * (count - 1)
            low = int(position)
            high = min(low + 1, count - 1)
            fraction = position - low
            lower, upper = np.float64(samples[low]), np.float64(samples[high])
            out[p, j] = (lower + upper) / 2 if fraction == 0.5 else lower + (upper - lower) * fraction


def modes(values: np.ndarray, weights: np.ndarray) -> list[Reduced]:
    """The most frequent value by weight along axis 0; of equals the smallest (assumption)."""
    shape: tuple[int, ...] = values.shape[1:]
    flat = np.ascontiguousarray(values.reshape(len(values), -1))
    share = np.ascontiguousarray(weights.reshape(len(values), -1).astype(np.float64))
    out = np.zeros(flat.shape[1], values.dtype)
    if len(values):
        _modes(flat, share, out)
    valid = (share > 0).any(axis=0) if len(values) else np.zeros(flat.shape[1], bool)
    return [(out.reshape(shape), valid.reshape(shape))]


@numba.njit(nogil=True, cache=True)
def _modes(values, share, out):  # pragma: no cover (compiled)
    for j in range(values.shape[1]):
        order = np.argsort(values[:, j])
        best, votes, run, last, started = values[0, j], -1.0, 0.0, values[0, j], False
        for at in range(order.size):
            i = order[at]
            if share[i, j] <= 0:
                continue
            run = run + share[i, j] if started and values[i, j] == last else share[i, j]
            last, started = values[i, j], True
            if run > votes:
                best, votes = last, run
        out[j] = best


def frequencies(values: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """How much weight each value has; whole values are written without a fraction, as Earth Engine writes keys."""
    keep = weights > 0
    if values.dtype == object:
        counted: Counter[str] = Counter()
        for value, weight in zip(values[keep].tolist(), weights[keep].tolist(), strict=True):
            counted[str(value)] += float(weight)
        return {key: counted[key] for key in sorted(counted)}
    kinds, at = np.unique(values[keep], return_inverse=True)
    totals = np.bincount(at, weights=weights[keep].astype(float), minlength=len(kinds))
    return {_key(value): float(total) for value, total in zip(kinds, totals, strict=True)}


def _key(value: np.generic) -> str:
    scalar = value.item()
    return str(int(scalar)) if float(scalar).is_integer() else repr(scalar)


def counts_of_distinct(values: np.ndarray, weights: np.ndarray) -> list[Reduced]:
    """How many different unmasked values there are along axis 0."""
    if values.dtype == object:
        return [(np.asarray(len(set(map(repr, values[weights > 0].tolist()))), np.int32), np.ones((), bool))]
    ordered = np.sort(np.where(weights > 0, values.astype(float), np.nan), axis=0)
    fresh = np.ones(ordered.shape, bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    count = (fresh & ~np.isnan(ordered)).sum(axis=0).astype(np.int32)
    return [(count, np.ones(count.shape, bool))]
