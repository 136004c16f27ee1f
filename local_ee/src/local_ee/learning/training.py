"""What a classifier or a clusterer learns from: a table of inputs, and the number that each row should give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from local_ee.errors import EngineError

NO_DATA = "No valid training data were found."
ONE_CLASS = "Classifier training failed: 'Only one class.'"


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """names: of the inputs; table [sample, input]; targets [sample]: class numbers, or the values of a regression."""

    names: tuple[str, ...]
    table: np.ndarray
    targets: np.ndarray

    def __post_init__(self) -> None:
        if not self.names:
            raise EngineError("No inputs to train with: inputProperties is empty.")
        if not len(self.table):
            raise EngineError(NO_DATA)

    def pick(self, rows: np.ndarray) -> TrainingSet:
        """Some of the samples, in the order of `rows`."""
        return TrainingSet(self.names, self.table[rows], self.targets[rows])

    def joined(self, other: TrainingSet) -> TrainingSet:
        """Its samples and those of another set with the same inputs."""
        if other.names != self.names:
            raise EngineError(f"The classifier was trained with {list(self.names)}; got {list(other.names)}.")
        table = np.concatenate([self.table, other.table])
        return TrainingSet(self.names, table, np.concatenate([self.targets, other.targets]))


@dataclass(frozen=True, eq=False)
class Labels:
    """The classes of a training set, in the order in which they were seen, and each sample's place among them."""

    classes: np.ndarray
    codes: np.ndarray

    @classmethod
    def of(cls, targets: np.ndarray) -> Labels:
        """EngineError where a class is no whole number, or where there is only one."""
        if not np.array_equal(targets, np.rint(targets)):
            wrong = targets[targets != np.rint(targets)][0]
            raise EngineError(f"Class values must be whole numbers, got {wrong:g}: round them, or use REGRESSION.")
        values, first, inverse = np.unique(targets.astype(np.int64), return_index=True, return_inverse=True)
        if len(values) < 2:
            raise EngineError(ONE_CLASS)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return cls(values[order], rank[inverse])

    @property
    def counts(self) -> np.ndarray:
        """Samples of each class."""
        return np.bincount(self.codes, minlength=len(self.classes))
