"""Arrays out of dictionaries, lists and properties (getArray, toArray, makeArray)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from local_ee.algorithms.arrays import cat
from local_ee.algorithms.dictionaries import get_typed
from local_ee.algorithms.dictionaries import values as values_of
from local_ee.algorithms.lists import get as item_of
from local_ee.errors import EngineError
from local_ee.evaluation.arrays import Array, to_array
from local_ee.evaluation.coerce import type_name
from local_ee.evaluation.features import Collection, Element, get_property
from local_ee.evaluation.registry import algorithm


def _array(value: Any) -> Array:
    """A value that is an array already; EngineError for others ("an error will occur", apidocs ee-list-getarray)."""
    if not isinstance(value, Array):
        raise EngineError(f"Expected type: Array. Actual type: {type_name(value)}.")
    return value


@algorithm("Dictionary.getArray")
def of_dictionary(dictionary: dict, key: str) -> Array:
    """A key's value, which must be an array."""
    return _array(get_typed(dictionary, key))


@algorithm("List.getArray")
def of_list(list: list, index: int) -> Array:
    """The array at a position; negative positions count from the end."""
    return _array(item_of(list, index))


@algorithm("Element.getArray")
def of_element(object: Element, property: str) -> Array | None:
    """A property's array, or null."""
    value = get_property(object, property)
    return None if value is None else _array(value)


@algorithm("Dictionary.toArray")
def dictionary_to_array(dictionary: dict, keys: list | None, axis: int) -> Array:
    """The values of some keys, or of all in alphabetical order, one after the other along an axis."""
    return _joined(values_of(dictionary, keys), axis)


@algorithm("Feature.toArray")
def feature_to_array(feature: Element, properties: list) -> Array:
    """The values of properties, which must be numbers, as an array of one axis."""
    numbers = [get_property(feature, name) for name in properties]
    for name, scalar in zip(properties, numbers, strict=True):
        if not isinstance(scalar, bool | int | float):
            raise EngineError(f"Property '{name}' must be a number, got {type_name(scalar)}.")
    return _joined(numbers, 0)


@algorithm("FeatureCollection.makeArray")
def make_array(collection: Collection, properties: list, name: str) -> Collection:
    """The features with an array of properties; those where one is missing or no number are left out."""

    def find() -> list[Element]:
        made = []
        for element in collection.elements:
            numbers = [get_property(element, each) for each in properties]
            if all(isinstance(scalar, bool | int | float) for scalar in numbers):
                made.append(element.with_properties({**element.properties, name: _joined(numbers, 0)}))
        return made

    return collection.of(find)


def _joined(items: Sequence[Any], axis: int) -> Array:
    """Numbers and arrays along an axis."""
    if not items:
        raise EngineError("There are no values to make an array of.")
    arrays = [to_array(item) for item in items]
    for item, array in zip(items, arrays, strict=True):
        if array is None:
            raise EngineError(f"The values of an array must be numbers or arrays, got {type_name(item)}.")
    return cat(arrays, axis)
