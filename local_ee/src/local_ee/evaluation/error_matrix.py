"""Confusion matrices: how many samples of each actual class (rows) were taken for each class (columns)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.errors import EngineError

_MOST_CLASSES = 5000
_COUNT_BYTES = 8


@dataclass(frozen=True, eq=False)
class ErrorMatrix:
    """counts: int64 [actual, predicted]; order: the classes of rows and columns."""

    counts: np.ndarray
    order: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or self.counts.shape[0] != self.counts.shape[1]:
            raise EngineError(f"A confusion matrix must be square, got an array of shape {list(self.counts.shape)}.")
        if len(self.order) != len(self.counts):
            raise EngineError(f"The order must have {len(self.counts)} classes, one a row; got {len(self.order)}.")
        if len(set(self.order)) != len(self.order):
            raise EngineError("The order of a confusion matrix names a class twice.")

    @classmethod
    def of(cls, actual: Sequence[Any], predicted: Sequence[Any], order: Sequence[int] | None = None) -> ErrorMatrix:
        """Counts of pairs; without an order the classes are 0 to the largest value, with one only its classes count."""
        pairs = [(_whole(a), _whole(b)) for a, b in zip(actual, predicted, strict=True)]
        if order is None:
            most = max((max(pair) for pair in pairs), default=-1)
            if pairs and min(min(pair) for pair in pairs) < 0:
                raise EngineError("Classes of an error matrix must not be negative: name them in 'order'.")
            order = range(most + 1)
        if len(order) > _MOST_CLASSES:
            raise EngineError(
                f"An error matrix may have {_MOST_CLASSES} classes, got {len(order)}: name them in 'order'."
            )
        budget.allocate(len(order) ** 2 * _COUNT_BYTES)
        counts = np.zeros((len(order), len(order)), np.int64)
        index_of = {int(value): index for index, value in enumerate(order)}
        for a, b in pairs:
            if a in index_of and b in index_of:
                counts[index_of[a], index_of[b]] += 1
        return cls(counts, tuple(index_of))

    @property
    def total(self) -> float:
        return float(self.counts.sum())

    def accuracy(self) -> float:
        """The share of the diagonal."""
        return float(np.trace(self.counts)) / self.total if self.total else 0.0

    def kappa(self) -> float:
        """Cohen's kappa; 0 where agreement by chance is certain."""
        if not self.total:
            return 0.0
        chance = float(self.counts.sum(axis=0) @ self.counts.sum(axis=1)) / self.total**2
        return (self.accuracy() - chance) / (1 - chance) if chance < 1 else 0.0

    def producers(self) -> np.ndarray:
        """The diagonal's share of each row [class]; 0 where a row is empty."""
        return _shares(np.diag(self.counts), self.counts.sum(axis=1))

    def consumers(self) -> np.ndarray:
        """The diagonal's share of each column [class]; 0 where a column is empty."""
        return _shares(np.diag(self.counts), self.counts.sum(axis=0))

    def fscore(self, beta: float) -> np.ndarray:
        """The F-score of each class; 0 where precision and recall are."""
        precision, recall, weight = self.consumers(), self.producers(), beta * beta
        return _shares((1 + weight) * precision * recall, weight * precision + recall)

    def to_json(self) -> list[list[int]]:
        """Its counts, as Earth Engine shows a confusion matrix."""
        counts: list[list[int]] = self.counts.tolist()
        return counts


def _whole(value: Any) -> int:
    if isinstance(value, bool | int | float) and float(value).is_integer():
        return int(value)
    raise EngineError(f"An error matrix counts whole numbers, got {value!r}: is the property on every feature?")


def _shares(parts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.divide(parts, totals, out=np.zeros(len(parts)), where=totals > 0)
    return shares
