"""Clusterers as values, and the centres that they leave: Weka's k-means and its kin, with the engine's own draws.

Weka measures distances after each input is scaled to 0 to 1 by its range in the training data.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from local_ee.errors import EngineError
from local_ee.lazy import lazy_property
from local_ee.learning.training import TrainingSet

Fit = Callable[[np.ndarray], "Partition"]
METRICS = {"Euclidean": "sqeuclidean", "Manhattan": "cityblock", "Chebyshev": "chebyshev"}


class Partition(Protocol):
    """What a clusterer learns."""

    def nearest(self, table: np.ndarray) -> np.ndarray:
        """The number of each row's cluster."""
        ...


@dataclass(frozen=True, eq=False)
class Centres:
    """points [cluster, input] in scaled inputs; metric: a key of METRICS."""

    points: np.ndarray
    metric: str = "Euclidean"

    def distances(self, table: np.ndarray) -> np.ndarray:
        """From each row to each centre [row, cluster]; squared where they are Euclidean."""
        from scipy.spatial.distance import cdist

        return np.asarray(cdist(table, self.points, METRICS[self.metric]))

    def nearest(self, table: np.ndarray) -> np.ndarray:
        """The centre of each row."""
        return self.distances(table).argmin(axis=1)


@dataclass(frozen=True, eq=False)
class Clusterer:
    """fit: finds centres in a table of scaled inputs."""

    name: str
    fit: Fit = field(repr=False)
    scaled: bool = True
    training: TrainingSet | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def trained(self, training: TrainingSet) -> Clusterer:
        """With further training data."""
        return replace(self, training=self.training.joined(training) if self.training else training)

    @property
    def schema(self) -> tuple[str, ...] | None:
        return None if self.training is None else self.training.names

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its inputs; EngineError before it is trained."""
        if self.training is None:
            raise EngineError(f"{self.name} has no training data yet: call train() first.")
        return self.training.names

    @lazy_property
    def _learned(self) -> tuple[Partition, np.ndarray, np.ndarray]:
        table = self.training.table if self.training is not None else np.zeros((1, len(self.inputs)))
        low = table.min(axis=0) if self.scaled else np.zeros(table.shape[1])
        span = np.ptp(table, axis=0) if self.scaled else np.ones(table.shape[1])
        span = np.where(span > 0, span, 1)
        return self.fit((table - low) / span), low, span

    def assign(self, table: np.ndarray) -> np.ndarray:
        """The cluster of each row, from 0."""
        with self._lock:
            partition, low, span = self._learned
        return partition.nearest((table - low) / span)
