"""Dictionaries (Dictionary.*)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from local_ee.errors import EngineError
from local_ee.evaluation.arrays import Array
from local_ee.evaluation.coerce import type_name
from local_ee.evaluation.patterns import Pattern
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, constant


@algorithm("Dictionary")
def dictionary(input: Any) -> dict:
    """A dictionary as it is, or made of a list of keys and values in turn."""
    if input is None:
        return {}
    if isinstance(input, dict):
        return input
    if hasattr(input, "properties"):
        return dict(input.properties)
    if not isinstance(input, list) or len(input) % 2:
        raise EngineError("Expected a dictionary or a list of alternating keys and values.")
    if not all(isinstance(key, str) for key in input[::2]):
        raise EngineError("The keys of a dictionary must be strings.")
    return _whole(zip(input[::2], input[1::2], strict=True))


def _whole(entries: Iterable[tuple[str, Any]]) -> dict:
    """Entries without those that are null: openet-core relies on their absence with Google."""
    return {key: value for key, value in entries if value is not None}


@algorithm("Dictionary.fromLists")
def from_lists(keys: list, values: list) -> dict:
    """Keys with their values."""
    if len(keys) != len(values):
        raise EngineError(f"Expected as many values as keys, got {len(keys)} keys and {len(values)} values.")
    return _whole(zip(keys, values, strict=True))


@algorithm("Dictionary.get")
def get(dictionary: dict, key: str, defaultValue: Any) -> Any:
    """A key's value, or the default where one is given."""
    if key in dictionary:
        return dictionary[key]
    if defaultValue is None:
        raise _missing(dictionary, key)
    return defaultValue


@algorithm("Dictionary.getNumber", "Dictionary.getString", "Dictionary.getGeometry")
def get_typed(dictionary: dict, key: str) -> Any:
    """A key's value."""
    if key not in dictionary:
        raise _missing(dictionary, key)
    return dictionary[key]


def _missing(dictionary: dict, key: str) -> EngineError:
    have = ", ".join(sorted(dictionary))
    return EngineError(f"Dictionary does not contain key: '{key}'. Available keys: [{have}].")


@algorithm("Dictionary.set")
def set_value(dictionary: dict, key: str, value: Any) -> dict:
    """With a value under a key."""
    return {**dictionary, key: value}


@algorithm("Dictionary.contains")
def contains(dictionary: dict, key: str) -> bool:
    """Whether it has a key."""
    return key in dictionary


@algorithm("Dictionary.size")
def size(dictionary: dict) -> int:
    """The number of entries."""
    return len(dictionary)


@algorithm("Dictionary.keys")
def keys(dictionary: dict) -> list[str]:
    """The keys in alphabetical order."""
    return sorted(dictionary)


@algorithm("Dictionary.values")
def values(dictionary: dict, keys: list | None) -> list:
    """The values of some keys, or of all in alphabetical order."""
    return [get_typed(dictionary, key) for key in (sorted(dictionary) if keys is None else keys)]


@algorithm("Dictionary.combine")
def combine(first: dict, second: dict, overwrite: bool) -> dict:
    """Entries of both; those of the second win if they may."""
    return {**first, **second} if overwrite else {**second, **first}


@algorithm("Dictionary.map")
def mapped(dictionary: dict, baseAlgorithm: Callable[..., Any]) -> dict:
    """The function's value of each key and value; null leaves the entry out."""
    return _whole((key, baseAlgorithm(key, value)) for key, value in dictionary.items())


def _selected(dictionary: dict, selectors: list, ignore_missing: bool) -> list[str]:
    keys: list[str] = []
    for selector in selectors:
        matches = [selector] if selector in dictionary else list(filter(Pattern(selector).fullmatch, dictionary))
        if not matches and not ignore_missing:
            raise _missing(dictionary, selector)
        keys.extend(matches)
    return keys


@algorithm("Dictionary.select")
def select(dictionary: dict, selectors: list, ignoreMissing: bool) -> dict:
    """The entries whose keys match names or regular expressions."""
    return {key: dictionary[key] for key in _selected(dictionary, selectors, ignoreMissing)}


@algorithm("Dictionary.remove")
def remove(dictionary: dict, selectors: list, ignoreMissing: bool) -> dict:
    """The entries whose keys match none of the names or regular expressions."""
    gone = set(_selected(dictionary, selectors, ignoreMissing))
    return {key: value for key, value in dictionary.items() if key not in gone}


@algorithm("Dictionary.rename")
def rename(dictionary: dict, from_: list, to: list, overwrite: bool) -> dict:
    """Entries under other keys."""
    if len(from_) != len(to):
        raise EngineError(f"Lists 'from' and 'to' must have the same length; got {len(from_)} and {len(to)}.")
    changed = dict(dictionary)
    for old, new in zip(from_, to, strict=True):
        if new in changed and not overwrite:
            raise EngineError(f"Dictionary already contains key '{new}'.")
        if old not in changed:
            raise _missing(changed, old)
        changed[new] = changed.pop(old)
    return changed


@algorithm("Dictionary.toImage")
def to_image(dictionary: dict, names: list | None) -> Image:
    """A constant band for each entry, in alphabetical order or that of the names."""
    band_names = names or sorted(dictionary)
    values = [get_typed(dictionary, name) for name in band_names]
    for name, value in zip(band_names, values, strict=True):
        if not isinstance(value, int | float | Array):
            raise EngineError(f"The value of '{name}' must be a number or an array, got {type_name(value)}.")
    return constant(values, band_names)
