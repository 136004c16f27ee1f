"""Reducers of arrays and of collections of values: covariances, elements, items, weights as inputs, features."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.features import Collection, Feature
from local_ee.evaluation.registry import algorithm
from local_ee.raster.accumulate import Reduced
from local_ee.raster.array_reducing import Keeping, Weighing, covariance, each_element, each_item
from local_ee.raster.compound import Tuples
from local_ee.raster.pixel_type import DOUBLE, NAMED
from local_ee.raster.reducing import Reducer, anything


def _of_arrays(name: str, *, centred: bool) -> Reducer:
    return Reducer(
        name,
        ("covariance",),
        lambda: Keeping(1, 1, partial(covariance, centred=centred)),
        lambda input_type: (DOUBLE.of_dimensions(2),),
        streams=False,
        any_type=anything,
        arrays=True,
    )


@algorithm("Reducer.covariance")
def covariance_reducer() -> Reducer:
    """The covariance matrix of arrays with one axis (assumption: its output is named covariance)."""
    return _of_arrays("covariance", centred=False)


@algorithm("Reducer.centeredCovariance")
def centered_covariance() -> Reducer:
    """The covariance matrix of arrays whose means are 0."""
    return _of_arrays("centeredCovariance", centred=True)


@algorithm("Reducer.forEachElement")
def for_each_element(reducer: Reducer) -> Reducer:
    """The reducer at each position of arrays of one shape."""
    return replace(
        reducer.for_pixels(),
        name=f"{reducer.name}.forEachElement",
        start=lambda: Keeping(reducer.inputs, len(reducer.outputs), each_element(reducer.start)),
        typed=lambda input_type: tuple(
            each.of_dimensions(input_type.dimensions) for each in reducer.typed(input_type.element)
        ),
        streams=False,
        any_type=anything,
        arrays=True,
    )


@algorithm("Reducer.disaggregate")
def disaggregate(reducer: Reducer, axis: int | None) -> Reducer:
    """The reducer of the items of arrays, lists and dictionaries."""
    return replace(
        reducer,
        name=f"{reducer.name}.disaggregate",
        start=lambda: Keeping(reducer.inputs, len(reducer.outputs), each_item(reducer.start, axis, reducer.any_type)),
        typed=lambda input_type: reducer.typed(input_type.element),
        streams=False,
        any_type=anything,
        arrays=True,
    )


@algorithm("Reducer.splitWeights")
def split_weights(reducer: Reducer) -> Reducer:
    """The reducer with twice the inputs: first its own, then a weight for each (guides/reducers_weighting)."""
    if not reducer.weighted:
        return reducer
    count = reducer.inputs
    return replace(
        reducer,
        name=f"{reducer.name}.splitWeights",
        start=lambda: Weighing(reducer.start(), count),
        inputs=2 * count,
        weighted=False,
        any_type=lambda index: index < count and reducer.any_type(index),
    )


@algorithm("Reducer.toCollection")
def to_collection(propertyNames: list, numOptional: int) -> Reducer:
    """The inputs as features without geometry, under the output name features (assumption)."""
    names = tuple(propertyNames)
    if not names or not 0 <= numOptional <= len(names):
        raise EngineError(f"Reducer.toCollection: numOptional must be 0 to {len(names)}, the number of properties.")
    return Reducer(
        "toCollection",
        ("features",),
        lambda: _Collecting(names, numOptional),
        lambda input_type: (NAMED["int32"],),
        inputs=len(names),
        streams=False,
        pixels=False,
        weighted=False,
        any_type=anything,
    )


class _Collecting:
    """Tuples that become features."""

    def __init__(self, names: tuple[str, ...], optional: int) -> None:
        self._names = names
        self._tuples = Tuples(len(names), optional)

    def add(self, inputs: Any) -> None:
        self._tuples.add(inputs)

    def result(self) -> list[Reduced]:
        ((rows, valid),) = self._tuples.result()
        features = [
            Feature(None, {"system:index": str(i)} | _without_null(dict(zip(self._names, row, strict=True))))
            for i, row in enumerate(list(rows))
        ]
        box = np.empty((), object)
        box[()] = Collection(lambda: features)
        return [(box, valid)]


def _without_null(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value is not None}
