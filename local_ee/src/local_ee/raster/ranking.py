"""Reductions that need all samples at once: percentiles, median, mode, histograms."""

from __future__ import annotations

from collections import defaultdict
from functools import cache, partial

import numba
import numpy as np

from local_ee import parallel
from local_ee.raster.accumulate import Reduced
from local_ee.raster.pixels import opaque

_FEW_SAMPLES = 1 << 15  # NumPy ranks them in some milliseconds, and no kernel need be compiled for a small region
_NETWORK_MOST = 64  # samples: of more, a network has too many exchanges
_STRIP_PIXELS = 1 << 16  # ranked by one thread at a time
_NETWORK_PIXELS = 1024  # sorted together: 64 samples of them stay in the processor's second cache


def percentiles(values: np.ndarray, weights: np.ndarray, percents: tuple[float, ...]) -> list[Reduced]:
    """The `percents` (0 to 100) of unmasked samples along axis 0, interpolated linearly; weights only mask.

    Earth Engine is exact up to maxRaw inputs and uses a histogram beyond; here it is always exact. The interpolation
    between samples is an assumption, except for the median of an even count: the mean of the middle two
    (PyramidingPolicy MEDIAN of the API reference).
    """
    shape: tuple[int, ...] = values.shape[1:]
    flat = np.ascontiguousarray(values.reshape(len(values), -1))
    keep = np.ascontiguousarray(opaque(weights.reshape(len(values), -1)))
    out, valid = np.empty((len(percents), flat.shape[1])), np.empty(flat.shape[1], bool)
    shares = np.asarray(percents, float)
    if 0 < flat.size <= _FEW_SAMPLES and _has_order(flat):
        rank = _few_percentiles
    elif 1 < len(flat) <= _NETWORK_MOST and _has_order(flat):
        rank = partial(_network_percentiles, greatest=_greatest(flat.dtype), pairs=_network(len(flat)))
    else:
        rank = _percentiles

    def strip(part: slice) -> None:
        rank(flat, keep, percents=shares, out=out, valid=valid, part=(part.start, part.stop))

    parallel.strips(strip, flat.shape[1], _STRIP_PIXELS)
    return [(row.reshape(shape), valid.reshape(shape)) for row in out]


def _few_percentiles(values, keep, percents, out, valid, part):
    """As _percentiles, by NumPy; masked samples count as the greatest value, which sorts them behind the others."""
    columns = slice(*part)
    here = keep[:, columns]
    ranked = np.sort(np.where(here, values[:, columns], _greatest(values.dtype)), axis=0)
    counts = here.sum(axis=0)
    valid[columns] = counts > 0
    for row, percent in zip(out, percents, strict=True):
        position = percent / 100 * (np.maximum(counts, 1) - 1)
        low = position.astype(np.int64)
        high = np.minimum(low + 1, np.maximum(counts, 1) - 1)
        lower, upper = (np.take_along_axis(ranked, at[None], axis=0)[0].astype(float) for at in (low, high))
        fraction = position - low
        with np.errstate(over="ignore", invalid="ignore"):  # of pixels without a sample, and of the branch not taken
            mixed = np.where(fraction == 0.5, (lower + upper) / 2, lower + (upper - lower) * fraction)
        row[columns] = np.where(counts > 0, mixed, 0)


# By pixel for long lists and for values without an order; NumPy's masked sort copies all of it.
@numba.njit(nogil=True, cache=True)
def _percentiles(values, keep, percents, out, valid, part):  # pragma: no cover (compiled)
    samples = np.empty(values.shape[0], values.dtype)
    for j in range(part[0], part[1]):
        count = 0
        for i in range(values.shape[0]):
            if keep[i, j]:
                samples[count] = values[i, j]
                count += 1
        valid[j] = count > 0
        if count == 0:
            out[:, j] = 0
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
            low, high, fraction = _places(count, percents[p])
            out[p, j] = _mixed(np.float64(samples[low]), np.float64(samples[high]), fraction)


@numba.njit(nogil=True, cache=True)
def _places(count, percent):  # pragma: no cover (compiled)
    position = percent / 100 * (count - 1)
    low = int(position)
    return low, min(low + 1, count - 1), position - low


@numba.njit(nogil=True, cache=True)
def _mixed(lower, upper, fraction):  # pragma: no cover (compiled)
    return (lower + upper) / 2 if fraction == 0.5 else lower + (upper - lower) * fraction


@cache
def _network(count: int) -> np.ndarray:
    """Pairs of places whose exchange, one after the other, sorts any list of `count` (Batcher's odd-even merge)."""
    pairs = []
    merged = 1
    while merged < count:
        step = merged
        while step:
            for first in range(step % merged, count - step, 2 * step):
                for low in range(first, min(first + step, count - step)):
                    if low // (2 * merged) == (low + step) // (2 * merged):
                        pairs.append((low, low + step))
            step //= 2
        merged *= 2
    return np.array(pairs, np.int64)


def _has_order(values: np.ndarray) -> bool:
    """Whether any two of the values are equal, or the one is less than the other."""
    return values.dtype.kind in "iu" or (values.dtype.kind == "f" and not np.isnan(values).any())


def _greatest(dtype: np.dtype) -> np.generic:
    return dtype.type(np.inf if dtype.kind == "f" else np.iinfo(dtype).max)


@numba.njit(nogil=True, cache=True)
def _network_percentiles(values, keep, greatest, pairs, percents, out, valid, part):  # pragma: no cover (compiled)
    """As _percentiles, many pixels at a time: a network's exchanges depend on no value, so they take no branch.

    Masked samples count as the greatest value, which sorts them behind the others.
    """
    total = values.shape[0]
    block = np.empty((total, _NETWORK_PIXELS), values.dtype)
    counts = np.empty(_NETWORK_PIXELS, np.int64)
    lows, highs = np.empty((percents.size, total + 1), np.int64), np.empty((percents.size, total + 1), np.int64)
    fractions = np.empty((percents.size, total + 1))
    for p in range(percents.size):
        for count in range(1, total + 1):
            lows[p, count], highs[p, count], fractions[p, count] = _places(count, percents[p])
    for start in range(part[0], part[1], _NETWORK_PIXELS):
        width = min(_NETWORK_PIXELS, part[1] - start)
        counts[:] = 0
        for i in range(total):
            _load(values[i, start : start + width], keep[i, start : start + width], greatest, block[i], counts)
        for j in range(width):
            valid[start + j] = counts[j] > 0
        for k in range(pairs.shape[0]):
            _exchange(block[pairs[k, 0]], block[pairs[k, 1]])
        for p in range(percents.size):
            if counts[:width].min() == total:
                low, high = block[lows[p, total], :width], block[highs[p, total], :width]
                _mix_all(low, high, fractions[p, total], out[p, start : start + width])
                continue
            for j in range(width):
                count = counts[j]
                if count == 0:
                    out[p, start + j] = 0
                    continue
                lower, upper = block[lows[p, count], j], block[highs[p, count], j]
                out[p, start + j] = _mixed(np.float64(lower), np.float64(upper), fractions[p, count])


@numba.njit(nogil=True, cache=True)
def _mix_all(low, high, fraction, out):  # pragma: no cover (compiled)
    if fraction == 0.5:
        for j in range(out.shape[0]):
            out[j] = (np.float64(low[j]) + np.float64(high[j])) / 2
    else:
        for j in range(out.shape[0]):
            out[j] = np.float64(low[j]) + (np.float64(high[j]) - np.float64(low[j])) * fraction


@numba.njit(nogil=True, cache=True)
def _load(values, keep, greatest, row, counts):  # pragma: no cover (compiled)
    for j in range(values.shape[0]):
        row[j] = values[j] if keep[j] else greatest
    for j in range(values.shape[0]):
        counts[j] += keep[j]


@numba.njit(nogil=True, cache=True)
def _exchange(low, high):  # pragma: no cover (compiled)
    for j in range(low.shape[0]):
        a, b = low[j], high[j]
        low[j], high[j] = (b if b < a else a), (a if b < a else b)


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


# By pixel: each has its own list of values, of which NumPy's bincount would want one range for all.
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
        counted: defaultdict[str, float] = defaultdict(float)
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
