"""Running reductions: samples come in one stack after another, and only what the result needs is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numba
import numpy as np

from local_ee import budget, parallel
from local_ee.errors import EngineError

# Samples of one input: values and weights of one shape [sample, ...]; weights are bool, or 0 to 1 (0: masked).
Samples = tuple[np.ndarray, np.ndarray]
Reduced = tuple[np.ndarray, np.ndarray]  # values and validity of one output


_STRIP_PIXELS = 1 << 20  # added by one thread at a time: fewer take less time than waking another
_KEPT_BYTES = 9  # of a sample kept: its value and weight
_ORDERLESS = (np.minimum, np.maximum)  # exact in whatever order, so that samples of one place are taken at once


class Accumulator(Protocol):
    """A reduction under way."""

    def add(self, inputs: Sequence[Samples]) -> None:
        """Takes a stack of samples of every input of the reducer."""
        ...

    def result(self) -> list[Reduced]:
        """The outputs, in the reducer's order."""
        ...


class Sums:
    """Weighted sums of powers: the ground of sum, mean, variance and stdDev."""

    def __init__(self, power: int, finish: Callable[..., Reduced]) -> None:
        self._power = power
        self._finish = finish
        self._totals: list[np.ndarray] | None = None

    def add(self, inputs: Sequence[Samples]) -> None:
        values, weights = inputs[0]
        counts = values.ndim == 3 and weights.dtype == bool  # narrow, as most time is spent on reading and writing sums
        if self._totals is None:
            shape = values.shape[1:]
            self._totals = [np.zeros(shape, np.int32 if counts else np.float64)]
            self._totals += [np.zeros(shape) for _ in range(self._power)]
        elif not counts:
            self._totals[0] = self._totals[0].astype(np.float64, copy=False)
        if values.ndim == 3:
            for layer, weight in zip(values, weights, strict=True):
                self._add_layer(self._totals, layer, weight)
            return
        weights = np.asarray(weights, np.float64)
        values = np.where(weights > 0, values, 0).astype(np.float64)
        for power, total in enumerate(self._totals):
            total += (weights * values**power).sum(axis=0)

    def _add_layer(self, totals: list[np.ndarray], values: np.ndarray, weights: np.ndarray) -> None:
        values, weights = np.ascontiguousarray(values), np.ascontiguousarray(weights)
        add = _add_first if self._power == 1 else _add_second
        rows = max(1, _STRIP_PIXELS // max(values.shape[1], 1))

        def strip(part: slice) -> None:
            add(*(total[part] for total in totals), values[part], weights[part])

        parallel.strips(strip, len(values), rows)

    def result(self) -> list[Reduced]:
        return [self._finish(*(self._totals or [np.zeros(())] * (self._power + 1)))]


# Weight and sum in one pass, without arrays between; in float64 and in the order of the images, so that strips and
# threads do not change a bit. A masked value is skipped, not multiplied: it may be no number.
@numba.njit(nogil=True, cache=True)
def _add_first(weight, total, values, weights):  # pragma: no cover (compiled)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            share = np.float64(weights[i, j])
            weight[i, j] += weights[i, j]
            total[i, j] += share * np.float64(values[i, j]) if share != 0.0 else 0.0


@numba.njit(nogil=True, cache=True)
def _add_second(weight, total, square, values, weights):  # pragma: no cover (compiled)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            share, value = np.float64(weights[i, j]), np.float64(values[i, j])
            weight[i, j] += weights[i, j]
            total[i, j] += share * value if share != 0.0 else 0.0
            square[i, j] += share * value * value if share != 0.0 else 0.0


def mean_of(weight: np.ndarray, total: np.ndarray) -> Reduced:
    """The weighted mean."""
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0), weight > 0


def sum_of(weight: np.ndarray, total: np.ndarray) -> Reduced:
    """The weighted sum; of nothing it is masked."""
    return total, weight > 0


def variance_of(weight: np.ndarray, total: np.ndarray, square: np.ndarray) -> Reduced:
    """The weighted variance of a population (sampleVariance is another reducer)."""
    mean, valid = mean_of(weight, total)
    second, _ = mean_of(weight, square)
    return np.maximum(second - mean * mean, 0), valid


def stddev_of(weight: np.ndarray, total: np.ndarray, square: np.ndarray) -> Reduced:
    """The square root of the variance."""
    variance, valid = variance_of(weight, total, square)
    return np.sqrt(variance), valid


def sample_variance_of(weight: np.ndarray, total: np.ndarray, square: np.ndarray) -> Reduced:
    """The variance with the divisor n - 1; masked for fewer than two samples."""
    variance, _ = variance_of(weight, total, square)
    enough = weight > 1
    return np.divide(variance * weight, weight - 1, out=np.zeros_like(total), where=enough), enough


def sample_stddev_of(weight: np.ndarray, total: np.ndarray, square: np.ndarray) -> Reduced:
    variance, valid = sample_variance_of(weight, total, square)
    return np.sqrt(variance), valid


class Folding:
    """One value kept per place, replaced or combined as samples come (min, max, product, first, last, logic)."""

    def __init__(self, combine: Callable[[np.ndarray, np.ndarray], np.ndarray], *, prepare: Any = None) -> None:
        self._combine = combine
        self._prepare = prepare or (lambda values: values)
        self._kept: Reduced | None = None

    def add(self, inputs: Sequence[Samples]) -> None:
        values, weights = inputs[0]
        prepared = self._prepare(values)
        one_place = values.ndim == 1 and prepared.dtype != object and np.any(weights > 0)
        if one_place and isinstance(self._combine, np.ufunc) and self._combine in _ORDERLESS:
            prepared, weights = self._combine.reduce(prepared[weights > 0])[None], np.ones(1, bool)
        for index, weight in enumerate(weights):
            layer = prepared[index, ...]  # an array also where it is one object
            valid = np.asarray(weight) > 0
            if self._kept is None:
                self._kept = np.where(valid, layer, 0).astype(layer.dtype), valid.copy()
                continue
            kept, kept_valid = self._kept
            both = valid & kept_valid
            kept = np.where(both, self._combined(kept, layer), np.where(valid, layer, kept))
            self._kept = kept, kept_valid | valid

    def _combined(self, kept: np.ndarray, layer: np.ndarray) -> np.ndarray:
        try:
            return self._combine(kept, layer)
        except TypeError as error:  # of objects, which only lists and properties hold
            raise EngineError("Values of these types cannot be compared with each other.") from error

    def result(self) -> list[Reduced]:
        if self._kept is None:
            return [(np.zeros(()), np.zeros((), bool))]
        return [self._kept]


class Counting:
    """How many samples are not masked, whatever their weight."""

    def __init__(self) -> None:
        self._count: Any = 0

    def add(self, inputs: Sequence[Samples]) -> None:
        weights = np.asarray(inputs[0][1])
        if len(weights) == 1:  # an image at a time: no sum along an axis of one
            self._count = self._count + (weights[0] != 0).astype(np.int32)
        else:
            self._count = self._count + np.count_nonzero(weights, axis=0).astype(np.int32)

    def result(self) -> list[Reduced]:
        count = np.asarray(self._count, np.int32)
        return [(count, np.ones(count.shape, bool))]


class Collecting:
    """All samples kept, for reductions that need them together (median, mode, percentiles, histograms)."""

    def __init__(self, finish: Callable[[np.ndarray, np.ndarray], list[Reduced]]) -> None:
        self._finish = finish
        self._values: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []
        self._bytes = 0

    def add(self, inputs: Sequence[Samples]) -> None:
        self._bytes += inputs[0][0].size * _KEPT_BYTES
        budget.allocate(self._bytes)
        self._values.append(inputs[0][0])
        self._weights.append(inputs[0][1])

    def result(self) -> list[Reduced]:
        if not self._values:
            return self._finish(np.zeros((0,)), np.zeros((0,), bool))
        return self._finish(np.concatenate(self._values), np.concatenate(self._weights))


class Together:
    """Several reductions of the same inputs, or each of its own."""

    def __init__(self, parts: Sequence[tuple[Accumulator, slice]]) -> None:
        self._parts = parts

    def add(self, inputs: Sequence[Samples]) -> None:
        for accumulator, mine in self._parts:
            accumulator.add(inputs[mine])

    def result(self) -> list[Reduced]:
        return [output for accumulator, _ in self._parts for output in accumulator.result()]
