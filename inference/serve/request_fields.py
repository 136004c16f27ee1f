"""The fields of a request's inputs, read by their types: ValueError names the field, the value and what is expected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from isamap.gee_export.base.periods import Period, begun
from isamap.gee_export.base.suggest import suggest
from isamap.inference.serve.settings import NAME

TITLE_LETTERS = 80


def optional(title: str, kind: str, **schema: Any) -> dict[str, Any]:
    """An input of a process's description that may be left out."""
    return {"title": title, "schema": {"type": kind, **schema}, "minOccurs": 0}


def check_names(inputs: Any, names: Collection[str]) -> Mapping[str, Any]:
    """The inputs, none of an unknown name."""
    if not isinstance(inputs, Mapping):
        raise ValueError("inputs: expected an object of inputs by name")
    for name in inputs:
        if name not in names:
            raise ValueError(
                f"input {_shown(name)} is unknown: {suggest(name, names, most=3, cutoff=0.4) or ', '.join(names)}"
            )
    return {name: value for name, value in inputs.items() if value is not None}


def name(inputs: Mapping[str, Any], field: str) -> str:
    """The name of something that the service has."""
    value = _needed(inputs, field)
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"{field} {_shown(value)}: expected a name of letters, digits, dots, _ and -, up to 100")
    return value


def word(inputs: Mapping[str, Any], field: str) -> str:
    """A name that the service will give, "" where there is none: up to 60 characters, as of `name`."""
    value = inputs.get(field, "")
    if value == "":
        return ""
    if not isinstance(value, str) or not NAME.fullmatch(value) or len(value) > 60:
        raise ValueError(f"{field} {_shown(value)}: expected a name of letters, digits, dots, _ and -, up to 60")
    return value


def title(inputs: Mapping[str, Any], field: str = "name") -> str:
    """Words for people, "" where there are none; no control characters."""
    value = inputs.get(field, "")
    if not isinstance(value, str) or len(value) > TITLE_LETTERS or not value.isprintable():
        raise ValueError(f"{field} {_shown(value)}: expected up to {TITLE_LETTERS} printable characters")
    return value.strip()


def period(inputs: Mapping[str, Any]) -> str:
    """A month, season, year or two days that have begun, as it was written."""
    value = _needed(inputs, "period")
    if not isinstance(value, str) or len(value) > 30:
        raise ValueError(f"period {_shown(value)}: expected 2020-06, 2020-JJA, 2020 or 2020-05-01..2020-08-30")
    begun(Period.parse(value))
    return value


def choice(inputs: Mapping[str, Any], field: str, choices: Collection[str], default: str) -> str:
    """One of several words."""
    value = inputs.get(field, default)
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{field} {_shown(value)}: expected one of {', '.join(choices)}")
    return value


def whole(inputs: Mapping[str, Any], field: str, limits: tuple[int, int], default: int) -> int:
    """A whole number within limits."""
    value = inputs.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int) or not limits[0] <= value <= limits[1]:
        raise ValueError(f"{field} {_shown(value)}: expected a whole number of {limits[0]:,} to {limits[1]:,}")
    return value


def _needed(inputs: Mapping[str, Any], field: str) -> Any:
    if field not in inputs:
        raise ValueError(f"input {field!r} is missing")
    return inputs[field]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
