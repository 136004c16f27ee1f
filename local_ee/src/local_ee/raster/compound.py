"""Reductions built from others: copies side by side, one for each group of records, and tuples of several inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.raster.accumulate import Accumulator, Reduced, Samples

_TUPLE_BYTES = 64  # of a tuple kept, and as much again for each of its items
_VALID = np.ones((), bool)


def plain(value: Any, valid: Any) -> Any:
    """A reduced value as a plain one: null where nothing was reduced."""
    if not np.all(valid):
        return None
    if isinstance(value, np.ndarray) and value.dtype == object:  # of values that are arrays
        return value[(0,) * value.ndim] if value.size == 1 else value
    return value.item() if isinstance(value, np.ndarray | np.generic) and np.size(value) == 1 else value


class Repeated:
    """Copies of a reduction, each of its own inputs; every output is the list of the copies' outputs."""

    def __init__(self, copies: Sequence[Accumulator], inputs: int) -> None:
        self._copies, self._inputs = copies, inputs

    def add(self, inputs: Sequence[Samples]) -> None:
        for index, accumulator in enumerate(self._copies):
            accumulator.add(inputs[index * self._inputs : (index + 1) * self._inputs])

    def result(self) -> list[Reduced]:
        results = [accumulator.result() for accumulator in self._copies]
        return [_whole([plain(*output) for output in outputs]) for outputs in zip(*results, strict=True)]


class Grouped:
    """A reduction for each value of one input; the result is a list of dictionaries, ordered by that value."""

    def __init__(self, start: Callable[[], Accumulator], outputs: Sequence[str], *, field: int, name: str) -> None:
        self._start, self._outputs = start, outputs
        self._field, self._name = field, name
        self._groups: dict[Any, Accumulator] = {}

    def add(self, inputs: Sequence[Samples]) -> None:
        keys, keep = np.ravel(inputs[self._field][0]), np.ravel(inputs[self._field][1]) > 0
        remaining = [
            (np.ravel(values), np.ravel(weights))
            for index, (values, weights) in enumerate(inputs)
            if index != self._field
        ]
        for key in set(keys[keep].tolist()):
            if key not in self._groups:
                self._groups[key] = self._start()
                budget.check_value(len(self._groups) * budget.ELEMENT_BYTES)
            members = keep & (keys == key)
            self._groups[key].add([(values[members], weights[members]) for values, weights in remaining])

    def result(self) -> list[Reduced]:
        return [_whole([self._record(key) for key in sorted(self._groups, key=_order)])]

    def _record(self, key: Any) -> dict[str, Any]:
        label = int(key) if isinstance(key, float) and key.is_integer() else key
        values = (plain(*output) for output in self._groups[key].result())
        return {self._name: label} | dict(zip(self._outputs, values, strict=True))


class Tuples:
    """The samples of several inputs as tuples, in order; a tuple without one of its required items is left out."""

    def __init__(self, size: int, optional: int) -> None:
        self._required = size - optional
        self._tuples: list[list[Any]] = []

    def add(self, inputs: Sequence[Samples]) -> None:
        columns = [
            [value if weight > 0 else None for value, weight in zip(np.ravel(v).tolist(), np.ravel(w), strict=True)]
            for v, w in inputs
        ]
        rows = (list(row) for row in zip(*columns, strict=True))
        self._tuples += [row for row in rows if all(item is not None for item in row[: self._required])]
        budget.allocate(len(self._tuples) * _TUPLE_BYTES * (1 + len(inputs)))

    def result(self) -> list[Reduced]:
        return [_whole(self._tuples)]


def _whole(value: Any) -> Reduced:
    """A value that is no array."""
    return value, _VALID


def _order(key: Any) -> tuple[bool, Any]:
    return isinstance(key, str), key
