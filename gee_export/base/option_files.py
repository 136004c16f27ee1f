"""Options in TOML files: read with refusals that name the file and the nearest option, written as equal bytes."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from isamap.gee_export.base.options import OptionField, changed_options, checked_options

VERSION = 1
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(record: Any, *, without: Collection[str] = ()) -> str:
    """TOML of the options that are not their defaults, in the record's order, after `version = 1`.

    without: options to leave out. Equal records give equal text. ValueError for values that TOML cannot hold.
    """
    return encode({name: value for name, value in changed_options(record).items() if name not in without})


def read(record: type, path: str | Path) -> dict[str, Any]:
    """The options of a TOML file by their flat names, in their types; ValueError names the file and the option."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}; give a TOML file of options") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no TOML file: it is not UTF-8 text") from error
    return decode(record, text, str(path))


def decode(record: type, text: str, where: str) -> dict[str, Any]:
    """As `read`, from the text of a file."""
    try:
        document = tomllib.loads(text)
    # A file of a thousand open brackets ends the parser by its depth.
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{where} is no TOML file: {error}") from error
    version = document.pop("version", VERSION)
    if version != VERSION or isinstance(version, bool):
        raise ValueError(f"{where} is of version {version!r}, this isamap reads version {VERSION}: install a newer one")
    try:
        return checked_options(record, document, spelled=_as_line)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def encode(values: Mapping[str, Any]) -> str:
    """TOML lines of values by name, after the version; ValueError for values that TOML cannot hold."""
    lines = [f"version = {VERSION}"]
    for name, value in values.items():
        try:
            lines.append(f"{_key(name)} = {_toml(value)}")
        except TypeError as error:
            raise ValueError(f"{name}={value!r} cannot be written to a file: {error}") from error
    return "\n".join(lines) + "\n"


def _as_line(option: OptionField, value: Any) -> str:
    """`size = "128"`: an option as its line in the file."""
    try:
        return f"{option.name} = {_toml(value)}"
    except TypeError:
        return f"{option.name} = {value}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(key))} = {_toml(member)}" for key, member in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    raise TypeError(f"a {type(value).__name__} is no text, number or list")


def _string(text: str) -> str:
    """A basic string: JSON's escapes are TOML's but for DEL, which TOML wants escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)
