"""Composite settings as words of the command line: `name=value`, names checked, values of their types."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

from gee_export.sentinel.composite import Settings
from gee_export.sentinel.sentinel1 import Radar
from gee_export.sentinel.sentinel2 import Optical

TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def names() -> tuple[str, ...]:
    """The composite settings that --set takes."""
    return tuple(get_type_hints(Optical) | get_type_hints(Radar))


def chosen(words: Sequence[str] | Mapping[str, Any], **named: Any) -> Settings:
    """Settings of `name=value` words (or of values by name) and of options with names of their own (None: not given).

    Tuples are written with commas, `none` is no value. ValueError for unknown names (with the nearest), values of
    another type, and options given in both ways.
    """
    given = {name: value for name, value in named.items() if value is not None}
    kinds = get_type_hints(Optical) | get_type_hints(Radar)
    for name, value in words.items() if isinstance(words, Mapping) else map(_pair, words):
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(kinds)}"
            raise ValueError(f"--set {name}: no composite setting has this name, {hint}")
        if name in given:
            raise ValueError(f"{name} is given twice: give it once, by its option or by --set")
        given[name] = _typed(name, value, kinds[name]) if isinstance(value, str) else value
    return Settings.of(**given)


def _pair(word: str) -> tuple[str, str]:
    name, equals, text = word.partition("=")
    if not equals or not name:
        raise ValueError(f"--set {word}: expected NAME=VALUE, such as kernel_px=5")
    return name, text


def _typed(name: str, text: str, kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        if text.lower() == "none":
            return None
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is tuple:
        return tuple(_typed(name, part, get_args(kind)[0]) for part in text.split(",") if part)
    if hasattr(kind, "read"):  # a value too long for words: the file that holds it
        return kind.read(text)
    try:
        return TRUTHS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        raise ValueError(f"--set {name}={text}: expected {words.get(kind, kind)}") from error
