"""Values of options in the types that records name: nothing is cut, rounded or guessed; ValueError says what is due."""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, Union, get_args, get_origin

import numpy as np

WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
PLURALS = {int: "whole numbers", float: "numbers", str: "texts"}


def checked(value: Any, kind: Any) -> Any:
    """The value as an object of a type; ValueError with the words that follow `expected`.

    kind: bool, int, float, str (a path is its text), a class, `tuple[T, ...]` (a T alone is one of them; any iterable
    but text gives several), `tuple[T, T]` (exactly so many), or a union, of which the first that fits is taken. Whole
    numbers are numbers; numbers with a fraction, texts and booleans are no whole numbers.
    """
    if get_origin(kind) in (Union, types.UnionType):
        return _first_fit(value, get_args(kind))
    if get_origin(kind) is tuple:
        return _several(value, get_args(kind))
    check = SIMPLE.get(kind)
    if check is not None:
        return check(value)
    owner = get_origin(kind) or kind
    if owner is Any or isinstance(value, owner):
        return value
    raise ValueError(f"a {owner.__name__}")


def is_several(value: Any) -> bool:
    """Whether a value holds several: iterable, and no text, path or mapping."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | os.PathLike | Mapping)


def plain_type(kind: Any) -> Any:
    """The type that words of a command line can have: of a union its first such member, of `tuple[T, ...]` list[T]."""
    if get_origin(kind) in (Union, types.UnionType):
        return plain_type(get_args(kind)[0])
    if get_origin(kind) is not tuple:
        return kind
    members = get_args(kind)
    return types.GenericAlias(list, (plain_type(members[0]),)) if members[-1] is Ellipsis else kind


def _first_fit(value: Any, kinds: Iterable[Any]) -> Any:
    expected = []
    for member_type in kinds:
        if member_type is type(None):
            if value is None:
                return None
            continue
        try:
            return checked(value, member_type)
        except ValueError as error:
            expected.append(str(error))
    raise ValueError(" or ".join(dict.fromkeys(expected)))


def _several(value: Any, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        members = tuple(value) if is_several(value) else (value,)
        try:
            return tuple(checked(member, kinds[0]) for member in members)
        except ValueError as error:
            raise ValueError(f"{error}, or several") from error
    members = tuple(value) if is_several(value) else ()
    words = f"{len(kinds)} {PLURALS.get(kinds[0], 'values')}"
    if len(members) != len(kinds):
        raise ValueError(words)
    try:
        return tuple(checked(member, member_type) for member, member_type in zip(members, kinds, strict=True))
    except ValueError as error:
        raise ValueError(words) from error


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise ValueError(WORDS[bool])
    return bool(value)


def _whole(value: Any) -> int:
    # Booleans are whole numbers to Python, and True would be taken for 1.
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise ValueError(WORDS[int])
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise ValueError(WORDS[float])
    return float(value)


def _text(value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise ValueError(WORDS[str])
    return str(value)


SIMPLE: dict[Any, Callable[[Any], Any]] = {bool: _boolean, int: _whole, float: _number, str: _text}
