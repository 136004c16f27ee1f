"""Reductions of several inputs that belong together: fits, correlations and moments of samples in tuples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.raster.accumulate import Reduced, Samples

_KEPT_BYTES = 9  # of a sample kept: its value and weight
_STEPS = 1024  # places between two checks of the budget

# From inputs [sample, ...] and their common weights, 0 where one of them is masked.
Finish = Callable[[list[np.ndarray], np.ndarray], list[Reduced]]
# From inputs [sample] of one place, all valid, and their weights; None where there is no result.
AtPlace = Callable[[list[np.ndarray], np.ndarray], Sequence[Any] | None]


class Tupling:
    """All samples kept; a tuple counts where all of its inputs are valid, with the smallest of their weights."""

    def __init__(self, inputs: int, finish: Finish) -> None:
        self._columns: list[list[np.ndarray]] = [[] for _ in range(inputs)]
        self._weights: list[np.ndarray] = []
        self._finish = finish
        self._bytes = 0

    def add(self, inputs: Sequence[Samples]) -> None:
        self._bytes += sum(values.size for values, _ in inputs) * _KEPT_BYTES
        budget.allocate(self._bytes)
        weights = [np.asarray(weight, float) for _, weight in inputs]
        self._weights.append(np.minimum.reduce(weights))
        for column, (values, _) in zip(self._columns, inputs, strict=True):
            column.append(np.asarray(values))

    def result(self) -> list[Reduced]:
        if not self._weights:
            return self._finish([np.zeros(0)] * len(self._columns), np.zeros(0))
        weights = np.concatenate(self._weights)
        columns = [np.where(weights > 0, np.concatenate(column), 0).astype(float) for column in self._columns]
        return self._finish(columns, weights)


def by_place(function: AtPlace, outputs: int, *, objects: bool = False) -> Finish:
    """A finish that calls a function at each place that has samples; objects: its outputs are no numbers."""

    def finish(columns: list[np.ndarray], weights: np.ndarray) -> list[Reduced]:
        shape = weights.shape[1:]
        places = int(np.prod(shape))
        flat = [column.reshape(len(weights), places) for column in columns]
        shares = weights.reshape(len(weights), places)
        values = [np.zeros(places, object if objects else float) for _ in range(outputs)]
        valid = np.zeros(places, bool)
        for pixel in range(places):
            if pixel % _STEPS == 0:
                budget.check()
            keep = shares[:, pixel] > 0
            results = function([column[keep, pixel] for column in flat], shares[keep, pixel])
            if results is not None:
                valid[pixel] = True
                for output, result in zip(values, results, strict=True):
                    output[pixel] = result
        return [(output.reshape(shape), valid.reshape(shape)) for output in values]

    return finish


def line(columns: list[np.ndarray], weights: np.ndarray) -> list[Reduced]:
    """Scale and offset of the weighted least-squares line y = scale * x + offset; masked where x does not vary."""
    x, y = columns
    total = weights.sum(axis=0)
    has_samples = total > 0
    safe = np.where(has_samples, total, 1)
    mean_x, mean_y = (weights * x).sum(axis=0) / safe, (weights * y).sum(axis=0) / safe
    spread = (weights * (x - mean_x) ** 2).sum(axis=0)
    valid = has_samples & (spread > 0)
    scale = (weights * (x - mean_x) * (y - mean_y)).sum(axis=0) / np.where(valid, spread, 1)
    return [(scale, valid), (mean_y - scale * mean_x, valid)]


def _central(values: np.ndarray, weights: np.ndarray, power: int) -> np.ndarray:
    total = np.where(weights.sum(axis=0) > 0, weights.sum(axis=0), 1)
    mean = (weights * values).sum(axis=0) / total
    moment: np.ndarray = (weights * (values - mean) ** power).sum(axis=0) / total
    return moment


def standard_moment(power: int, excess: float) -> Finish:
    """A finish for the moment of a power over the standard deviation's, less what a normal distribution has."""

    def finish(columns: list[np.ndarray], weights: np.ndarray) -> list[Reduced]:
        variance = _central(columns[0], weights, 2)
        valid = variance > 0
        return [(_central(columns[0], weights, power) / np.where(valid, variance, 1) ** (power / 2) - excess, valid)]

    return finish
