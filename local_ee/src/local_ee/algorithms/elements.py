"""Properties of images and features (Element.*), and choices (If, ErrorMargin)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from local_ee.errors import EngineError
from local_ee.evaluation.features import (
    BAND_NAMES,
    FOOTPRINT,
    Collection,
    Date,
    Element,
    ErrorMargin,
    Feature,
    get_property,
)
from local_ee.evaluation.patterns import Pattern
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image
from local_ee.raster.geometry import Geometry
from local_ee.raster.projection import WGS84, Projection

_NAME = re.compile(r"[\w:]*")


@algorithm("Element.get", "Element.getNumber", "Element.getString")
def get(object: Element, property: str) -> Any:
    """A property's value, or null."""
    return get_property(object, property)


@algorithm("Element.set")
def set_property(object: Element, key: str, value: Any) -> Element:
    """The element with another value of a property; null takes the property away."""
    if key == "system:id" and isinstance(object, Image | Collection):
        return replace(object, id=None if value is None else str(value))
    kept = {name: old for name, old in object.properties.items() if name != key}
    if isinstance(object, Feature) and key in ("geometry", "system:geometry") and isinstance(value, Geometry):
        return Feature(value, object.properties, object.id)
    if value is None:
        return object.with_properties(kept)
    return object.with_properties({**object.properties, key: _stored(value)})


def _stored(value: Any) -> Any:
    """Dates are stored as milliseconds, as system:time_start is."""
    return value.millis if isinstance(value, Date) else value


@algorithm("Element.setMulti")
def set_properties(object: Element, properties: dict) -> Element:
    """The element with other values of several properties."""
    for key, value in properties.items():
        object = set_property(object, key, value)
    return object


@algorithm("Element.copyProperties", "Image.copyProperties")
def copy_properties(
    destination: Element | None, source: Element | None, properties: list | None, exclude: list | None
) -> Element | None:
    """The destination with properties of the source: the named ones, or all that are not system properties."""
    if properties is not None and exclude is not None:
        raise EngineError("Cannot specify both 'properties' and 'exclude'.")
    if destination is None or source is None:
        return destination
    if properties is None:
        names = [name for name in source.properties if not name.startswith("system:")]
        names = [name for name in names if not _matches(name, exclude or [])]
    else:
        names = [name for name in source.properties if _matches(name, properties)]
    copied = {name: source.properties[name] for name in names}
    if properties is not None and source.id is not None and _matches("system:id", properties):
        destination = replace(destination, id=source.id)  # eemont tells a platform by it
    return destination.with_properties({**destination.properties, **copied})


def _matches(name: str, patterns: list) -> bool:
    return any(name == pattern or (not _is_name(pattern) and Pattern(pattern).fullmatch(name)) for pattern in patterns)


def _is_name(pattern: Any) -> bool:
    """Whether a pattern matches itself alone; most are names, and a search with a limit of time costs far more."""
    return isinstance(pattern, str) and _NAME.fullmatch(pattern) is not None


@algorithm("Element.propertyNames")
def property_names(element: Element) -> list[str]:
    """The names of all properties; also those that Earth Engine adds to images and to collections of its catalog: so
    geetools' tests record it.
    """
    names = list(element.properties)
    return [*names, *(name for name in _added(element) if name not in names)]


def _added(element: Element) -> Iterator[str]:
    if isinstance(element, Image):
        is_composite = element.projection == WGS84
        if not is_composite and (footprint := element.footprint) is not None and not footprint.unbounded:
            yield FOOTPRINT
        yield from ("system:bands", BAND_NAMES)
    if element.id is not None and not isinstance(element, Feature):
        yield "system:id"


@algorithm("Element.toDictionary")
def to_dictionary(element: Element, properties: list | None) -> dict[str, Any]:
    """The properties as a dictionary: the named ones, or all that are not system properties."""
    if properties is None:
        return {name: value for name, value in element.properties.items() if not name.startswith("system:")}
    return {name: get_property(element, name) for name in properties}


@algorithm("Feature.id")
def feature_id(element: Element) -> str | None:
    """The id within its collection."""
    return element.properties.get("system:index", element.id)


@algorithm("Feature.geometry", "Element.geometry")
def geometry(
    feature: Element, maxError: ErrorMargin | None, proj: Projection | None, geodesics: bool | None
) -> Geometry | None:
    """Where an element is, in a projection if one is given; only then `geodesics` says how edges run."""
    shape = get_property(feature, "system:geometry")
    if shape is None or proj is None:
        return shape
    moved = shape.in_crs(proj.crs)
    return moved if geodesics is None else replace(moved, geodesic=geodesics)


@algorithm("Feature.setGeometry")
def set_geometry(feature: Element, geometry: Geometry | None) -> Feature:
    """A feature with another geometry."""
    return Feature(geometry, feature.properties, feature.id)


@algorithm("Feature.select")
def select(input: Element, propertySelectors: list, newProperties: list | None, retainGeometry: bool) -> Feature:
    """A feature with some properties, under new names if they are given."""
    names = [name for pattern in propertySelectors for name in input.properties if _matches(name, [pattern])]
    new = newProperties or names
    if len(new) != len(names):
        raise EngineError(f"Expected {len(names)} new property names, got {len(new)}.")
    kept = {label: input.properties[name] for name, label in zip(names, new, strict=True)}
    if "system:index" in input.properties:
        kept["system:index"] = input.properties["system:index"]
    return Feature(get_property(input, "system:geometry") if retainGeometry else None, kept, input.id)


_UNITS = ("meters", "projected", "infinite")


@algorithm("ErrorMargin")
def error_margin(value: float | None, unit: str) -> ErrorMargin:
    """How far a transformed geometry may be off, in meters, or in units of the projection."""
    if unit not in _UNITS:
        raise EngineError(f"Unknown unit '{unit}'. Use one of: {', '.join(_UNITS)}.")
    return ErrorMargin.of(value, unit)


@algorithm("If")
def choose(condition: Any, trueCase: Any, falseCase: Any) -> Any:
    """One of two values; the graph evaluates only the branch that is taken."""
    return trueCase if condition else falseCase
