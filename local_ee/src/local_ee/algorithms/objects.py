"""Any values: their types, whether two are equal, and what they look like (IsEqual, ObjectType, Describe)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from local_ee.evaluation import graph
from local_ee.evaluation.arrays import Array
from local_ee.evaluation.coerce import to_geometry
from local_ee.evaluation.features import ErrorMargin, get_property
from local_ee.evaluation.filters import Comparison, Filter, OneElement
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.value_types import is_a, name_of
from local_ee.raster.geometry import Geometry


@algorithm("ObjectType")
def object_type(value: Any) -> str:
    """The name of a value's type, such as Integer, String or List."""
    return name_of(value)


@algorithm("IsEqual")
def is_equal(left: Any, right: Any) -> bool:
    """Whether two values are the same: numbers by value, lists and dictionaries item by item, geometries by points."""
    if isinstance(left, bool | int | float) and isinstance(right, bool | int | float):
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(is_equal, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(is_equal(value, right[key]) for key, value in left.items())
    if isinstance(left, Array) and isinstance(right, Array):
        return np.array_equal(left.values, right.values)
    if isinstance(left, Geometry) and isinstance(right, Geometry):
        return left.to_json() == right.to_json()
    if name_of(left) != name_of(right):
        return False
    return left is right or bool(left == right) or graph.to_json(left) == graph.to_json(right)


@algorithm("Describe")
def describe(input: Any) -> Any:
    """A value in JSON, as getInfo gives it."""
    return graph.to_json(input)


@algorithm("Filter.hasType")
def has_type(leftField: str | None, rightValue: Any, rightField: str | None, leftValue: Any) -> Filter:
    """Passes where the left operand has the type that the right one names, or a kind of it."""
    return Comparison("hasType", is_a, leftField, rightValue, rightField, leftValue)


@algorithm("Filter.hasGeometry")
def has_geometry() -> Filter:
    """Passes elements that have a geometry."""
    return OneElement(lambda element: get_property(element, ".geo") is not None, (".geo",))


@algorithm("Filter.area")
def area(min: float, max: float, maxError: ErrorMargin | None, geometrySelector: str | None) -> Filter:
    """Passes where a geometry's area in square metres lies within a range, both ends included."""
    from local_ee.algorithms.geometries import area_m2

    field = geometrySelector or ".geo"

    def test(element: Any) -> bool:
        geometry = to_geometry(get_property(element, field))
        return geometry is not None and min <= area_m2(geometry, None) <= max

    return OneElement(test, (field,))
