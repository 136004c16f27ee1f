"""Assets that a user declares in the file that LOCAL_EE_ASSETS names: invented from their schema, as the catalog's are.

The file holds JSON objects by id, for private assets that a script reads (local_ee/docs/engine.md, "Any asset").
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

VARIABLE = "LOCAL_EE_ASSETS"
_MOST_BYTES = 1 << 20
_FORMS = {"IMAGE": 0, "IMAGE_COLLECTION": 1, "TABLE": 2}  # places in public_facts.FORMS
_TYPES = {"byte": "B", "int8": "b", "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "float": "f"}
_COLUMNS = {"number": "d", "text": "s", "integer": "i"}
_KEYS = {"type", "bands", "properties", "scale_m", "bounds", "start", "end", "interval"}
_BAND_KEYS = {"type", "min", "max", "classes"}
_ID = re.compile(r"[\w.-]+(/[\w.-]+)+", re.ASCII)
_NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)
_INTERVAL = re.compile(r"[1-9]\d{0,3} (day|month|year)")


def declared_lines() -> dict[str, str]:
    """The declared assets as lines of public_facts, by id; none without the variable. ValueError says what is wrong."""
    path = os.environ.get(VARIABLE)
    if not path:
        return {}
    try:
        text = Path(path).read_bytes()[: _MOST_BYTES + 1]
        document = json.loads(text) if len(text) <= _MOST_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{VARIABLE}={path}: expected a JSON file of assets by id ({error})") from error
    if not isinstance(document, dict):
        raise ValueError(f"{VARIABLE}={path}: expected a JSON object of assets by id, at most 1 MiB")
    return {asset_id: _line(asset_id, schema) for asset_id, schema in document.items()}


def _line(asset_id: str, schema: Any) -> str:
    where = f"{VARIABLE}, asset {asset_id[:100]!r}"
    if not _ID.fullmatch(asset_id):
        raise ValueError(f"{where}: expected an id such as projects/mine/assets/name")
    _check_keys(where, schema, _KEYS)
    if schema.get("type") not in _FORMS:
        raise ValueError(f"{where}: expected a type of {', '.join(_FORMS)}")
    is_table = schema["type"] == "TABLE"
    if not schema.get("properties" if is_table else "bands"):
        raise ValueError(f"{where}: expected {'properties' if is_table else 'bands'}, one at least")
    start, end = (_day(where, schema.get(name, "")) for name in ("start", "end"))
    interval = schema.get("interval", "")
    if interval and not (isinstance(interval, str) and _INTERVAL.fullmatch(interval)):
        raise ValueError(f"{where}: expected an interval such as '16 day'")
    scale_m = _number(where, "scale_m", schema.get("scale_m", 1000))
    if not 0.1 <= scale_m <= 1e6:
        raise ValueError(f"{where}: expected scale_m from 0.1 to 1000000")
    fields = [asset_id, _FORMS[schema["type"]], "", "", start, end, interval, scale_m, _bounds(where, schema)]
    fields += ["", "", ";".join(_bands(where, schema)), ";".join(_columns(where, schema))]
    return "|".join(map(str, fields))


def _check_keys(where: str, schema: Any, keys: set[str]) -> None:
    if not isinstance(schema, Mapping) or not schema.keys() <= keys:
        raise ValueError(f"{where}: expected an object of {', '.join(sorted(keys))}")


def _number(where: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{where}: expected a number for {name}")
    return float(value)


def _day(where: str, text: Any) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d") if text else ""
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: expected a date such as 2020-01-31") from error


def _bounds(where: str, schema: Mapping[str, Any]) -> str:
    sides = schema.get("bounds", [-180, -90, 180, 90])
    if not isinstance(sides, list) or len(sides) != 4:
        raise ValueError(f"{where}: expected bounds of west, south, east and north in degrees")
    west, south, east, north = (_number(where, "bounds", side) for side in sides)
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise ValueError(f"{where}: expected bounds of west, south, east and north in degrees")
    return f"{west},{south},{east},{north}"


def _bands(where: str, schema: Mapping[str, Any]) -> Iterator[str]:
    for name, band in _named(where, schema.get("bands", {})):
        _check_keys(f"{where}, band {name}", band, _BAND_KEYS)
        if band.get("type") not in _TYPES:
            raise ValueError(f"{where}, band {name}: expected a type of {', '.join(_TYPES)}")
        yield f"{name}:{_TYPES[band['type']]}:{_values(f'{where}, band {name}', band)}"


def _values(where: str, band: Mapping[str, Any]) -> str:
    """The range of a band, 0 to 1 by default, or its classes."""
    if isinstance(classes := band.get("classes"), list) and classes:
        return "=" + ",".join(str(_number(where, "classes", value)) for value in classes)
    least, most = (_number(where, name, band.get(name, default)) for name, default in (("min", 0), ("max", 1)))
    if classes is not None or least > most:
        raise ValueError(f"{where}: expected classes, or min not above max")
    return f"{least}/{most}"


def _columns(where: str, schema: Mapping[str, Any]) -> Iterator[str]:
    for name, property_type in _named(where, schema.get("properties", {})):
        if property_type not in _COLUMNS:
            raise ValueError(f"{where}, property {name}: expected one of {', '.join(_COLUMNS)}")
        yield f"{_COLUMNS[property_type]}:{name}"


def _named(where: str, members: Any) -> list[tuple[str, Any]]:
    if not isinstance(members, Mapping) or not all(map(_NAME.fullmatch, members)):
        raise ValueError(f"{where}: expected bands and properties by names of letters, digits, '.', '-' and '_'")
    return list(members.items())
