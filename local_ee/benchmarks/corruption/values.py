"""Small wrong answers that look right: a number one hundredth too large, a list shifted, a shape moved by 100 m."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import numpy as np
import shapely
from affine import Affine

from local_ee.algorithms.joins import Join
from local_ee.evaluation.arrays import Array
from local_ee.evaluation.error_matrix import ErrorMatrix
from local_ee.evaluation.features import Collection, Date, DateRange, ErrorMargin, Feature, with_index
from local_ee.evaluation.filters import Filter
from local_ee.evaluation.graph import Function
from local_ee.evaluation.values import Image
from local_ee.learning.classifier import Classifier
from local_ee.learning.clusterer import Clusterer
from local_ee.raster.accumulate import Accumulator, Reduced, Samples
from local_ee.raster.geometry import Geometry
from local_ee.raster.kernel import Kernel
from local_ee.raster.pixel_type import PixelType
from local_ee.raster.pixels import Pixels
from local_ee.raster.projection import Projection
from local_ee.raster.reducing import Reducer

FACTOR = 1.01
MOVE = 0.001  # of a coordinate's size, at least of 1
DAY_MS = 86_400_000


@singledispatch
def corrupted(value: Any) -> Any:
    """Another value of the same type, a little wrong; null becomes 0. TypeError for a type that is not known."""
    if value is None:
        return 0
    if callable(value):
        return value
    raise TypeError(f"no wrong value for a {type(value).__name__}")


@corrupted.register
def _boolean(value: bool) -> bool:
    return not value


@corrupted.register
def _whole(value: int) -> int:
    return value + 1


@corrupted.register
def _float(value: float) -> float:
    return value * FACTOR if value and math.isfinite(value) else 1.0


@corrupted.register
def _text(value: str) -> str:
    return f"{value}x"


@corrupted.register
def _list(value: list) -> list:
    """Shifted by one; with its first element wrong where that changes nothing."""
    shifted = value[1:] + value[:1]
    plain = all(isinstance(item, str | int | float) for item in value)
    if len(value) > 1 and not (plain and shifted == value):
        return shifted
    return [corrupted(value[0]), *value[1:]] if value else [0]


@corrupted.register
def _dictionary(value: dict) -> dict:
    return _first_wrong(value)


def _first_wrong(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The first value in alphabetical order is wrong."""
    if not entries:
        return {"wrong": 1}
    key = min(entries, key=str)
    return {**entries, key: corrupted(entries[key])}


@corrupted.register
def _array(value: Array) -> Array:
    return value.like(_numbers(value.values))


def _numbers(values: np.ndarray) -> np.ndarray:
    """Whole numbers one larger (the largest one smaller), others by a hundredth; arrays in pixels alike."""
    if values.dtype == object:
        out = np.empty(values.shape, object)
        for index, item in np.ndenumerate(values):
            out[index] = _numbers(item) if isinstance(item, np.ndarray) else corrupted(item)
        return out
    if values.dtype.kind == "b":
        return ~values
    if values.dtype.kind in "iu":
        most = np.iinfo(values.dtype).max
        return np.where(values == most, values - 1, values + (values < most)).astype(values.dtype)
    return np.where(values == 0, 1, values * FACTOR).astype(values.dtype)


@corrupted.register
def _image(value: Image) -> Image:
    """All pixels wrong; of an image without bands the properties."""
    if not value.bands:
        return value.with_properties(_first_wrong(value.properties))

    def reading(geobox: Any, positions: tuple[int, ...]) -> Pixels:
        pixels = value.read_at(geobox, positions)
        return Pixels(tuple(map(_numbers, pixels.values)), pixels.masks)

    return replace(value, reading=reading)


@corrupted.register
def _feature(value: Feature) -> Feature:
    """A property wrong; of a feature without one the geometry."""
    own = {key: entry for key, entry in value.properties.items() if key != "system:index"}
    if own or value.geometry is None:
        return value.with_properties({**value.properties, **_first_wrong(own)})
    return replace(value, geometry=_geometry(value.geometry))


@corrupted.register
def _collection(value: Collection) -> Collection:
    """The first element is missing; an only one is wrong itself."""

    def find() -> Sequence[Any]:
        elements = value.elements
        if len(elements) > 1:
            return elements[1:]
        return [corrupted(element) for element in elements] or [with_index(Feature(None, {}), "0")]

    return replace(value, find=find)


@corrupted.register
def _geometry(value: Geometry) -> Geometry:
    if value.unbounded or value.shape.is_empty:
        return Geometry(shapely.Point(0, 0))
    return replace(value, shape=shapely.transform(value.shape, _moved))


def _moved(coordinates: np.ndarray) -> np.ndarray:
    return coordinates + MOVE * max(1.0, float(np.abs(coordinates).max()))


@corrupted.register
def _date(value: Date) -> Date:
    return Date(value.millis + DAY_MS)


@corrupted.register
def _date_range(value: DateRange) -> DateRange:
    return DateRange(value.start, value.end + DAY_MS)


@corrupted.register
def _error_margin(value: ErrorMargin) -> ErrorMargin:
    return replace(value, value=(value.value or 0) + 1)


@corrupted.register
def _error_matrix(value: ErrorMatrix) -> ErrorMatrix:
    counts = value.counts.copy()
    counts[0, -1] += 1
    return replace(value, counts=counts)


@corrupted.register
def _kernel(value: Kernel) -> Kernel:
    return replace(value.changed(lambda weights: replace(weights, values=_numbers(weights.values))), metric=None)


@corrupted.register
def _projection(value: Projection) -> Projection:
    return Projection(value.crs, value.transform * Affine.scale(FACTOR))


@corrupted.register
def _pixel_type(value: PixelType) -> PixelType:
    if value.maximum is not None:
        return replace(value, maximum=value.maximum - 1)
    return replace(value, precision="double" if value.precision == "float" else "float")


@dataclass
class _Wrong:
    """A reduction whose results are wrong."""

    reduction: Accumulator

    def add(self, inputs: Sequence[Samples]) -> None:
        self.reduction.add(inputs)

    def result(self) -> list[Reduced]:
        return [(_numbers(np.asarray(values)), valid) for values, valid in self.reduction.result()]


@corrupted.register
def _reducer(value: Reducer) -> Reducer:
    return replace(value, start=lambda: _Wrong(value.start()))


class _Other(Filter):
    """Lets pass what a filter does not."""

    def __init__(self, filter: Filter) -> None:
        self._filter = filter

    def joins(self, left: Any, right: Any) -> bool:
        return not self._filter.joins(left, right)


@corrupted.register
def _filter(value: Filter) -> Filter:
    return _Other(value)


@corrupted.register
def _join(value: Join) -> Join:
    """The last match is missing."""
    return replace(value, combine=lambda element, matches, condition: value.combine(element, matches[:-1], condition))


@corrupted.register
def _classifier(value: Classifier) -> Classifier:
    def fit(training: Any, mode: str) -> Any:
        model = value.fit(training, mode)
        return replace(model, outputs={name: _output(output) for name, output in model.outputs.items()})

    return replace(value, fit=fit)


def _output(output: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda table: _numbers(np.asarray(output(table)))


@corrupted.register
def _clusterer(value: Clusterer) -> Clusterer:
    """The centres are moved by half of the range of their inputs."""

    def fit(table: np.ndarray) -> Any:
        centres = value.fit(table)
        return replace(centres, points=np.roll(centres.points, 1, axis=0) + 0.5)

    return replace(value, fit=fit)


@corrupted.register
def _function(value: Function) -> Function:
    return replace(value, call=lambda arguments: corrupted(value.call(arguments)))
