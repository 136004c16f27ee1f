"""Arguments of Python functions that no record of options holds: refused by name where their type is another."""

from __future__ import annotations

from typing import Any

from isamap.gee_export.base.option_values import checked


def checked_argument(name: str, value: Any, kind: Any) -> Any:
    """The value in its type (gee_export/base/option_values.py; a path is its text); ValueError names the parameter."""
    try:
        return checked(value, kind)
    except ValueError as error:
        raise ValueError(f"{name}={value!r}: expected {error}") from error
