"""Classifiers as values: how they learn, what they can give, and the model that training leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.lazy import lazy_property
from local_ee.learning.training import Labels, TrainingSet

CLASSIFICATION = "CLASSIFICATION"
REGRESSION = "REGRESSION"
PROBABILITY = "PROBABILITY"
MULTIPROBABILITY = "MULTIPROBABILITY"
RAW = "RAW"
RAW_REGRESSION = "RAW_REGRESSION"
MODES = (CLASSIFICATION, REGRESSION, PROBABILITY, MULTIPROBABILITY, RAW, RAW_REGRESSION)
OF_NUMBERS = (REGRESSION, RAW_REGRESSION)  # modes that learn a regression

# From a table [sample, input] to a number for each sample, or [sample, k] where the result is an array.
Output = Callable[[np.ndarray], np.ndarray]
Table = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Model:
    """What training gives: the output for each mode that it can be asked for, and its description."""

    outputs: Mapping[str, Output]
    explanation: Mapping[str, Any] = field(default_factory=dict)


Fit = Callable[[TrainingSet, str], Model]


@dataclass(frozen=True, eq=False)
class Classifier:
    """fit: learns for a mode; modes: those that guides/classification lists; options: as they were given.

    schema: the inputs of a classifier that learns nothing, in their order. bands: names of the outputs where there
    are several. arrays: the modes that give an array for each sample.
    """

    name: str
    modes: tuple[str, ...]
    fit: Fit = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    mode: str = CLASSIFICATION
    schema: tuple[str, ...] | None = None
    training: TrainingSet | None = field(default=None, repr=False)
    bands: tuple[str, ...] = ()
    arrays: tuple[str, ...] = (MULTIPROBABILITY, RAW, RAW_REGRESSION)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def in_mode(self, mode: str) -> Classifier:
        """The same classifier with another output; EngineError for one that it does not have."""
        if mode not in MODES:
            raise EngineError(f"Unknown output mode '{mode}': it must be one of {', '.join(MODES)}.")
        if mode not in self.modes:
            raise EngineError(f"{self.name} does not support the output mode {mode}: use {' or '.join(self.modes)}.")
        return replace(self, mode=mode)

    def trained(self, training: TrainingSet) -> Classifier:
        """With further training data."""
        if self.schema is not None and self.training is None:
            raise EngineError(f"{self.name} cannot be trained: it is complete as it is made.")
        joined = self.training.joined(training) if self.training else training
        return replace(self, training=joined, schema=training.names)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its inputs; EngineError before it is trained."""
        if self.schema is None:
            raise EngineError(f"{self.name} has no training data yet: call train() first.")
        return self.schema

    @lazy_property
    def _model(self) -> Model:
        names = self.inputs
        empty = self.training or TrainingSet(names, np.zeros((1, len(names))), np.zeros(1))
        return self.fit(empty, self.mode)

    @property
    def model(self) -> Model:
        """What it learned; it learns when first asked, once."""
        with self._lock:
            return self._model

    @property
    def texts(self) -> tuple[str, ...]:
        """Its trees as text; none of a classifier that has no trees."""
        return tuple(self.model.explanation.get("trees", ()))

    @property
    def is_array(self) -> bool:
        """Whether its output is an array."""
        return self.mode in self.arrays

    def output(self, table: np.ndarray) -> np.ndarray:
        """Its output in its mode for a table [sample, input]."""
        return self.model.outputs[self.mode](table)


def of_shares(labels: Labels, shares: Table) -> dict[str, Output]:
    """The outputs of a classifier that gives each class's share [sample, class] of one.

    Assumption: with two classes, PROBABILITY is that of the larger class number (maps of presence and absence by
    Google's guides rely on it); with more it is that of the class that wins, "the probability that the classification
    is correct" (apidocs ee-classifier-setoutputmode).
    """
    positive = int(np.argmax(labels.classes))

    def probability(table: np.ndarray) -> np.ndarray:
        each = shares(table)
        return each[:, positive] if len(labels.classes) == 2 else each.max(axis=1)

    return {
        CLASSIFICATION: lambda table: winners(labels, shares(table)),
        PROBABILITY: probability,
        MULTIPROBABILITY: shares,
    }


def winners(labels: Labels, shares: np.ndarray) -> np.ndarray:
    """The class with the largest share; of equal ones the smallest number."""
    order = np.argsort(labels.classes)
    return labels.classes[order][np.argmax(shares[:, order], axis=1)]
