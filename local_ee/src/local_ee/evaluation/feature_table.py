"""Numbers of features as a table: which properties, and Earth Engine's words where one is missing or no number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.coerce import type_name
from local_ee.evaluation.features import Collection, Element, index_of

BAND_ORDER = "band_order"  # property of samples: the bands, in the order of the image
_NUMBER_BYTES = 8


def table_of(elements: Sequence[Element], names: Sequence[str]) -> np.ndarray:
    """float64 [element, name]."""
    budget.allocate(len(elements) * len(names) * _NUMBER_BYTES)
    table = np.empty((len(elements), len(names)))
    for row, element in enumerate(elements):
        for column, name in enumerate(names):
            table[row, column] = _number(element, name)
    return table


def _number(element: Element, name: str) -> float:
    value: Any = element.properties.get(name)
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    if value is None:
        raise EngineError(f"Property '{name}' of feature '{index_of(element)}' is missing.")
    owner = f"Property '{name}' of feature '{index_of(element)}'"
    raise EngineError(f"{owner} must be a finite number, got a value of type {type_name(value)}.")


def inputs_of(collection: Collection, names: Sequence[str] | None, label: str | None = None) -> tuple[str, ...]:
    """The properties to train with: those that are asked for, or the bands that were sampled, without the label."""
    if names is not None:
        return tuple(names)
    order = collection.properties.get(BAND_ORDER)
    if order is None:
        raise EngineError(
            f"inputProperties must be specified: the collection has no '{BAND_ORDER}' property, as samples of an image "
            "have."
        )
    return tuple(name for name in order if name != label)


def subsample(elements: Sequence[Element], share: float, seed: int) -> Sequence[Element]:
    """Elements drawn with a probability; all where it is 1."""
    if not 0 < share <= 1:
        raise EngineError(f"The subsampling factor must be within (0, 1], got {share:g}.")
    if share == 1:
        return elements
    drawn = np.random.default_rng(abs(int(seed))).random(len(elements)) < share
    return [element for element, keep in zip(elements, drawn, strict=True) if keep]
