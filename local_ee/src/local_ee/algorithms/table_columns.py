"""Columns and rows of collections changed as a whole: values renamed, geometries merged, images of one type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_ee.algorithms.image_casts import cast
from local_ee.errors import EngineError
from local_ee.evaluation.coerce import type_name
from local_ee.evaluation.features import (
    Collection,
    Element,
    ErrorMargin,
    Feature,
    geometry_of,
    get_property,
    union_of,
)
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image


@algorithm("Collection.remap")
def remap(collection: Collection, lookupIn: list, lookupOut: list, columnName: str) -> Collection:
    """The elements with other values of a property; those whose value is not in the first list are left out."""
    if len(lookupIn) != len(lookupOut):
        raise EngineError(f"lookupIn and lookupOut must be of equal length, got {len(lookupIn)} and {len(lookupOut)}.")
    for value in lookupIn:
        if not isinstance(value, str | int) and not (isinstance(value, float) and value.is_integer()):
            raise EngineError(f"lookupIn must hold strings and integers, got {type_name(value)}.")
    table = dict(zip(lookupIn, lookupOut, strict=True))

    def find() -> list[Element]:
        pairs = [(element, get_property(element, columnName)) for element in collection.elements]
        return [
            element.with_properties({**element.properties, columnName: table[value]})
            for element, value in pairs
            if isinstance(value, str | int | float) and value in table
        ]

    return collection.of(find)


@algorithm("Collection.union")
def union(collection: Collection, maxError: ErrorMargin | None) -> Collection:
    """One feature, union_result: all geometries as one."""

    def find() -> list[Element]:
        geometries = [geometry for element in collection.elements if (geometry := geometry_of(element)) is not None]
        return [Feature(union_of(geometries), {"system:index": "union_result"})]

    return Collection(find)


@algorithm("Collection.cache")
def cache(collection: Collection) -> Collection:
    """The collection: the engine keeps its elements once they were found."""
    return collection


@algorithm("Element.replaceProperties")
def replace_properties(destination: Element, source: Element | None) -> Element:
    """The element with the properties of another one instead of its own, or without any."""
    return destination.with_properties({} if source is None else dict(source.properties))


@algorithm("ImageCollection.cast")
def cast_images(collection: Collection, bandTypes: Mapping[str, Any], bandOrder: list) -> Collection:
    """Every image with bands of the types and in the order given; bands that one lacks are added, masked."""

    def find() -> list[Image]:
        for image in collection.images:
            unknown = sorted(set(image.band_names) - set(bandTypes))
            if unknown:
                raise EngineError(f"bandTypes must include all bands of the images; '{unknown[0]}' is missing.")
        return [cast(image, bandTypes, bandOrder) for image in collection.images]

    return collection.of(find)
