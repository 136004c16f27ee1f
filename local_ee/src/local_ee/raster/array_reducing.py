"""Reductions of samples that are arrays, lists or dictionaries, place by place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.raster.accumulate import Accumulator, Reduced, Samples
from local_ee.raster.compound import plain

_OBJECT_BYTES = 112  # of a sample kept
# From the samples of each input at one place, all valid, and their weights; None where there is no result.
AtPlace = Callable[[list[list[Any]], np.ndarray], Sequence[Any] | None]


class Keeping:
    """All samples kept as objects; a function gives the outputs of each place."""

    def __init__(self, inputs: int, outputs: int, function: AtPlace) -> None:
        self._columns: list[list[np.ndarray]] = [[] for _ in range(inputs)]
        self._weights: list[np.ndarray] = []
        self._outputs, self._function = outputs, function
        self._bytes = 0

    def add(self, inputs: Sequence[Samples]) -> None:
        self._bytes += sum(values.size for values, _ in inputs) * _OBJECT_BYTES
        budget.allocate(self._bytes)
        self._weights.append(np.minimum.reduce([np.asarray(weight, float) for _, weight in inputs]))
        for column, (values, _) in zip(self._columns, inputs, strict=True):
            column.append(np.asarray(values).astype(object))

    def result(self) -> list[Reduced]:
        if not self._weights:
            return [(np.zeros(()), np.zeros((), bool))] * self._outputs
        weights = np.concatenate(self._weights)
        shape = weights.shape[1:]
        shares = weights.reshape(len(weights), -1)
        columns = [np.concatenate(column).reshape(shares.shape) for column in self._columns]
        values = [np.zeros(shares.shape[1], object) for _ in range(self._outputs)]
        valid = np.zeros(shares.shape[1], bool)
        for pixel in range(shares.shape[1]):
            budget.check()
            keep = shares[:, pixel] > 0
            results = self._function([list(column[keep, pixel]) for column in columns], shares[keep, pixel])
            if results is not None:
                valid[pixel] = True
                for output, result in zip(values, results, strict=True):
                    output[pixel] = result
        return [(output.reshape(shape), valid.reshape(shape)) for output in values]


def numbers_of(sample: Any) -> np.ndarray:
    """The numbers of a sample: an array's, or a number's own."""
    return np.asarray(getattr(sample, "values", sample))


def _stacked(samples: Sequence[Any]) -> np.ndarray:
    arrays = [numbers_of(sample) for sample in samples]
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise EngineError(f"Arrays to reduce must have one shape, got {' and '.join(str(list(s)) for s in shapes)}.")
    if any(array.dtype.kind not in "biuf" for array in arrays):
        raise EngineError("Arrays to reduce must be arrays of numbers.")
    return np.stack(arrays)


def covariance(columns: list[list[Any]], weights: np.ndarray, *, centred: bool) -> tuple[np.ndarray] | None:
    """The covariance [n, n] of arrays of length n; their means are taken to be 0 where they are centred already.

    Of the population: Google's tutorial on iMAD turns it into a weighted one by n over the sum of weights.
    """
    if not columns[0]:
        return None
    table = _stacked(columns[0]).astype(float)
    if table.ndim != 2:
        raise EngineError(f"Covariances are of arrays with one axis, got {table.ndim - 1}.")
    if not centred:
        table = table - np.average(table, axis=0, weights=weights)
    return (table.T @ (weights[:, None] * table) / weights.sum(),)


def each_element(start: Callable[[], Accumulator]) -> AtPlace:
    """A reduction of each position of arrays of one shape."""

    def reduce(columns: list[list[Any]], weights: np.ndarray) -> Sequence[Any] | None:
        if not columns[0]:
            return None
        stacks = [_stacked(column) for column in columns]
        running = start()
        running.add([(stack, np.broadcast_to(_column(weights, stack.ndim), stack.shape)) for stack in stacks])
        return [np.asarray(values) for values, _ in running.result()]

    return reduce


def _column(weights: np.ndarray, dimensions: int) -> np.ndarray:
    return weights.reshape((-1,) + (1,) * (dimensions - 1))


def each_item(start: Callable[[], Accumulator], axis: int | None, any_type: Callable[[int], bool]) -> AtPlace:
    """A reduction of all items of arrays, lists and dictionaries; what is none of them goes on as it is."""

    def reduce(columns: list[list[Any]], weights: np.ndarray) -> Sequence[Any] | None:
        rows = [
            zip(*(_items(sample, axis) for sample in samples), strict=True) for samples in zip(*columns, strict=True)
        ]
        items, shares = [], []
        for row, weight in zip(rows, weights.tolist(), strict=True):
            for item in row:
                items.append(item)
                shares.append(weight)
        if not items:
            return None
        running = start()
        columns_of_items = zip(*items, strict=True)
        running.add([_samples(column, shares, any_type(index)) for index, column in enumerate(columns_of_items)])
        return [plain(*output) for output in running.result()]

    return reduce


def _items(sample: Any, axis: int | None) -> list[Any]:
    if isinstance(sample, Mapping):
        return list(sample.values())
    if isinstance(sample, list | tuple):
        return list(sample)
    array = numbers_of(sample)
    if array.dtype == object or not array.ndim:
        return [sample]
    if axis is None:
        return array.ravel().tolist()
    if not 0 <= axis < array.ndim:
        raise EngineError(f"Axis {axis} is out of range of an array with {array.ndim} axes.")
    return list(np.moveaxis(array, axis, 0)) if array.ndim > 1 else array.tolist()


def _samples(items: Sequence[Any], shares: Sequence[float], any_type: bool) -> Samples:
    weights = np.array([0.0 if item is None else share for item, share in zip(items, shares, strict=True)])
    if all(item is None or isinstance(item, bool | int | float) for item in items):
        return np.array([0 if item is None else item for item in items]), weights
    if not any_type and not all(item is None or isinstance(item, np.ndarray) for item in items):
        raise EngineError("The items that a reducer of numbers takes must be numbers.")
    objects = np.empty(len(items), object)
    objects[:] = list(items)
    return objects, weights


class Weighing:
    """A weighted reduction whose weights are inputs of their own: first all values, then their weights."""

    def __init__(self, reduction: Accumulator, inputs: int) -> None:
        self._reduction, self._inputs = reduction, inputs

    def add(self, inputs: Sequence[Samples]) -> None:
        pairs = zip(inputs[: self._inputs], inputs[self._inputs :], strict=True)
        self._reduction.add(
            [
                (values, np.where((np.asarray(mask) > 0) & (np.asarray(own) > 0), np.asarray(weight, float), 0))
                for (values, mask), (weight, own) in pairs
            ]
        )

    def result(self) -> list[Reduced]:
        return self._reduction.result()
