"""Promotes arguments to the types that Google's list names: numbers to images, features to geometries, and so on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from affine import Affine
from shapely.errors import ShapelyError
from shapely.geometry import shape

from local_ee.errors import EngineError
from local_ee.evaluation import features
from local_ee.evaluation.arrays import Array, to_array
from local_ee.evaluation.features import Collection, Date, DateRange, ErrorMargin, Feature, geometry_of
from local_ee.evaluation.values import Image, constant
from local_ee.raster.geometry import LONLAT, Geometry
from local_ee.raster.kernel import Kernel
from local_ee.raster.pixel_type import NAMED, PixelType
from local_ee.raster.projection import Projection, authority_code
from local_ee.raster.reducing import Reducer

LARGEST = 2**63 - 1  # whole number of 64 bits


def coerced(value: Any, target_type: str, context: str) -> Any:
    """A value as the type that Google's list names; EngineError naming the context where it cannot be one."""
    if value is None:
        return None
    convert = _CONVERSIONS.get(target_type.partition("<")[0])
    if convert is None:
        return value
    try:
        result = convert(value)
    except (TypeError, ValueError, KeyError, OverflowError, AttributeError) as error:
        raise _mismatch(value, target_type, context) from error
    if result is None:
        raise _mismatch(value, target_type, context)
    element_type = target_type.removeprefix("List<")[:-1] if target_type.startswith("List<") else "Object"
    return result if element_type == "Object" else _elements(result, element_type, context)


def _elements(values: list[Any], element_type: str, context: str) -> list[Any]:
    """Each value as the type of a list's elements, which may be lists themselves; none may be null."""
    items = [coerced(item, element_type, context) for item in values]
    if any(item is None for item in items):
        raise _mismatch(None, element_type, context)
    return items


def _mismatch(value: Any, target_type: str, context: str) -> EngineError:
    error = EngineError(f"{context}: Invalid type.\nExpected type: {target_type}.\nActual type: {type_name(value)}.")
    error.said_by = context
    return error


def type_name(value: Any) -> str:
    """What Earth Engine calls a value's type."""
    if isinstance(value, bool):
        return "Boolean"
    names = ((int, "Integer"), (float, "Float"), (str, "String"), (list, "List<Object>"), (dict, "Dictionary<Object>"))
    for python_type, name in names:
        if isinstance(value, python_type):
            return name
    if isinstance(value, Collection):
        return value.kind
    return "Null" if value is None else type(value).__name__


def to_image(value: Any) -> Image | None:
    """Numbers and lists of numbers are constants."""
    if isinstance(value, Image):
        return value
    if isinstance(value, bool | int | float | np.number | Array):
        return constant([value])
    if isinstance(value, list) and value and all(isinstance(item, int | float | Array) for item in value):
        return constant(value)
    return None


def to_collection(value: Any) -> Collection | None:
    if isinstance(value, Collection):
        return value
    if isinstance(value, Image | Feature):
        return features.collection_of([value])
    if isinstance(value, Geometry):
        return features.collection_of([Feature(value, {})])
    if isinstance(value, list):
        elements = [to_element(item) for item in value]
        return None if any(element is None for element in elements) else features.collection_of(elements)
    return None


def to_element(value: Any) -> Any:
    """Collections are elements too, with properties of their own."""
    if isinstance(value, Image | Feature | Collection):
        return value
    if isinstance(value, Geometry):
        return Feature(value, {})
    return to_image(value)


def to_feature(value: Any) -> Any:
    """Where a feature is wanted, a collection is one feature: its geometry and its properties."""
    if isinstance(value, Collection):
        return Feature(geometry_of(value), value.properties, value.id)
    return to_element(value)


def to_geometry(value: Any) -> Geometry | None:
    """Features have a geometry; dictionaries are GeoJSON."""
    if isinstance(value, Geometry):
        return value
    if isinstance(value, Feature | Image | Collection):
        return geometry_of(value)
    if isinstance(value, Mapping) and "type" in value:
        if value["type"] == "Feature":
            return to_geometry(value["geometry"])
        return _of_geojson(value)
    return None


def _of_geojson(value: Mapping[str, Any]) -> Geometry:
    try:
        crs = value.get("crs", {}).get("properties", {}).get("name", LONLAT)
        return Geometry(shape(value), crs, value.get("geodesic", True))
    except (AttributeError, KeyError, TypeError, ValueError, ShapelyError) as error:
        raise EngineError(f"Invalid GeoJSON geometry: {error}.") from error


def to_date(value: Any) -> Date | None:
    """Milliseconds, or ISO 8601 text (UTC where it names no zone)."""
    if isinstance(value, Date):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Date(value)
    if isinstance(value, DateRange):
        return Date(value.start)
    return Date(parse_iso(value)) if isinstance(value, str) else None


_ISO = re.compile(
    r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?"
    r"(?:[T ](\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d\d:?\d\d)?"
)


def parse_iso(text: str) -> float:
    """Milliseconds of ISO text such as 2019-06, 2019-6-1 or 2019-06-01T12:00:00Z; zeros may be left out."""
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise EngineError(f'Invalid date: Invalid format: "{text}".')
    *numbers, fraction, offset = match.groups()
    year, month, day, hour, minute, second = (int(digits) if digits else None for digits in numbers)
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    zone = datetime.strptime(offset, "%z").tzinfo if offset else UTC
    try:
        moment = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, micros, zone)
    except ValueError as error:
        raise EngineError(f'Invalid date: Invalid format: "{text}".') from error
    return round(moment.timestamp() * 1000)


def to_date_range(value: Any) -> DateRange | None:
    """A date is the range of its millisecond."""
    if isinstance(value, DateRange):
        return value
    date = to_date(value)
    return None if date is None else DateRange(date.millis, date.millis + 1)


def to_pixel_type(value: Any) -> PixelType | None:
    """A type, its name, or its description in JSON."""
    if isinstance(value, PixelType):
        return value
    if isinstance(value, str):
        return NAMED.get(value)
    if isinstance(value, Mapping) and value.get("precision") in ("int", "float", "double"):
        return PixelType(value["precision"], value.get("min"), value.get("max"), value.get("dimensions", 0))
    return None


def to_projection(value: Any) -> Projection | None:
    if isinstance(value, Projection):
        return value
    if isinstance(value, str):
        return Projection(authority_code(value))
    if isinstance(value, Mapping) and "crs" in value:
        return Projection(authority_code(value["crs"]), Affine(*value.get("transform", (1, 0, 0, 0, 1, 0))))
    return None


def to_error_margin(value: Any) -> ErrorMargin | None:
    if isinstance(value, ErrorMargin):
        return value
    if isinstance(value, int | float):
        return None if value != value else ErrorMargin.of(value)  # NaN is no distance
    return ErrorMargin.of(value.get("value"), value.get("unit", "meters")) if isinstance(value, Mapping) else None


def to_integer(value: Any) -> int | None:
    """The whole part of a number; what is beyond 64 bits is the largest number of 64 bits (as Java's long)."""
    if isinstance(value, str | list | dict):
        return None
    return min(max(int(value), -LARGEST - 1), LARGEST)


def to_number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, int | float) else None


def _is(*kinds: type) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kinds) else None


def _to_list(value: Any) -> list[Any] | None:
    if isinstance(value, Collection):
        return None
    return list(value) if isinstance(value, list | tuple) else None


def _to_float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def accept(target_type: str, value_class: type, of_text: Callable[[str], Any] | None = None) -> None:
    """Lets only values of a class, or texts that make one, be arguments of a type: for what algorithms bring."""
    check = _is(value_class)
    _CONVERSIONS[target_type] = lambda value: of_text(value) if of_text and isinstance(value, str) else check(value)


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "Image": to_image,
    "ImageCollection": to_collection,
    "FeatureCollection": to_collection,
    "Element": to_element,
    "Feature": to_feature,
    "Geometry": to_geometry,
    "Date": to_date,
    "DateRange": to_date_range,
    "PixelType": to_pixel_type,
    "Kernel": _is(Kernel),
    "Reducer": _is(Reducer),
    "Algorithm": lambda value: value if callable(value) else None,
    "Projection": to_projection,
    "ErrorMargin": to_error_margin,
    "Integer": to_integer,
    "Long": to_integer,
    "Float": _to_float,
    "Number": to_number,
    "Boolean": lambda value: bool(value),
    "String": _is(str),
    "List": _to_list,
    "Dictionary": _is(dict),
    "Array": to_array,
}
