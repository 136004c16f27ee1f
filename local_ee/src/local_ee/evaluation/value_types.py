"""The names of the types of values (apidocs ee-algorithms-objecttype, ee-filter-hastype)."""

from __future__ import annotations

from typing import Any

from local_ee.evaluation.arrays import Array
from local_ee.evaluation.features import Collection, Date, DateRange, Feature
from local_ee.evaluation.values import Image
from local_ee.raster.geometry import Geometry


class Long(int):
    """A whole number that was cast to a pixel's type (apidocs ee-algorithms-objecttype); as an operand it is an int."""


_CLASSES: tuple[tuple[type, str], ...] = (
    (bool, "Boolean"),
    (Long, "Long"),
    (int, "Integer"),
    (float, "Float"),
    (str, "String"),
    (list, "List"),
    (dict, "Dictionary"),
    (Array, "Array"),
    (Image, "Image"),
    (Feature, "Feature"),
    (Date, "Date"),
    (DateRange, "DateRange"),
)
_PARENTS = {
    "Integer": "Number",
    "Long": "Number",
    "Float": "Number",
    "Image": "Element",
    "Feature": "Element",
    "ImageCollection": "FeatureCollection",
    "FeatureCollection": "Element",
}
_GEOMETRIES = ("Point", "MultiPoint", "LineString", "MultiLineString", "LinearRing", "Polygon", "MultiPolygon")


def name_of(value: Any) -> str:
    """The name of a value's type."""
    if value is None:
        return "Null"
    if isinstance(value, Collection):
        return value.kind
    if isinstance(value, Geometry):
        return value.type
    return next((name for value_class, name in _CLASSES if isinstance(value, value_class)), type(value).__name__)


def is_a(value: Any, type_name: str) -> bool:
    """Whether a value has a type, or one that is a kind of it."""
    own: str | None = name_of(value)
    while own is not None:
        if own == type_name:
            return True
        own = "Geometry" if own in _GEOMETRIES or own == "GeometryCollection" else _PARENTS.get(own)
    return type_name == "Object" and value is not None
