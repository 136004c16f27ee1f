"""Tables in CSV: a column of WKT or GeoJSON, or two of longitude and latitude, and a property per other column.

Rules (https://developers.google.com/earth-engine/guides/table_upload): a column with any text is of texts, an empty
cell is a missing value.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

MOST_CELL = 64 << 20  # characters; a country's outline is longer than the csv module's own limit
GEOMETRY_COLUMNS = ("geometry", ".geo", "wkt", "geom", "the_geom")  # in any case
POINT_COLUMNS = (("longitude", "latitude"), ("lon", "lat"), ("lng", "lat"))
WHOLE = re.compile(r"[+-]?\d{1,15}")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class CsvColumns:
    """How a CSV is read: names of its columns with geometries (None: found by name), and its signs."""

    x: str | None = None
    y: str | None = None
    geometry: str | None = None
    delimiter: str = ","
    qualifier: str = '"'
    charset: str = "utf-8"


Row = tuple[BaseGeometry | None, dict[str, Any]]


def read_rows(content: bytes, columns: CsvColumns | None = None) -> list[Row]:
    """Each row's geometry (None where it has none) and properties; ValueError names the row or column."""
    columns = columns or CsvColumns()
    header, lines = _lines(content, columns)
    locate, used = _locator(header, columns)
    typed = {name: _typed([line[i] for line in lines]) for i, name in enumerate(header) if i not in used}
    rows: list[Row] = []
    for line_number, line in enumerate(lines):
        properties = {name: values[line_number] for name, values in typed.items() if values[line_number] is not None}
        rows.append((_located(locate, line, line_number), properties))
    return rows


def _lines(content: bytes, columns: CsvColumns) -> tuple[list[str], list[list[str]]]:
    csv.field_size_limit(max(MOST_CELL, csv.field_size_limit()))
    try:
        text = content.decode("utf-8-sig" if columns.charset.lower() in ("utf-8", "utf8") else columns.charset)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=columns.delimiter, quotechar=columns.qualifier)
        lines = [line for line in reader if line]
    except (csv.Error, LookupError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"it is no CSV in {columns.charset}: {error}") from error
    if not lines:
        raise ValueError("it has no header")
    header = lines[0]
    if len(set(header)) != len(header) or not all(header):
        raise ValueError("its columns need names, each a different one")
    for line_number, line in enumerate(lines[1:], start=1):
        if len(line) != len(header):
            raise ValueError(f"row {line_number} has {len(line)} cells under {len(header)} columns")
    return header, lines[1:]


def _locator(header: Sequence[str], columns: CsvColumns) -> tuple[Callable[[list[str]], BaseGeometry | None], set[int]]:
    """What makes a row's geometry, and the columns that are no properties then."""
    by_name = {name.lower(): index for index, name in reversed(list(enumerate(header)))}
    for name in filter(None, (columns.geometry, columns.x, columns.y)):
        if name not in header:
            raise ValueError(f"it has no column '{name}'")
    if columns.geometry or not (columns.x and columns.y):
        names = (columns.geometry.lower(),) if columns.geometry else GEOMETRY_COLUMNS
        index = next((by_name[name] for name in names if name in by_name), None)
        if index is not None:
            return (lambda line: parsed(line[index])), {index}
    pairs = ((columns.x.lower(), columns.y.lower()),) if columns.x and columns.y else POINT_COLUMNS
    pair = next((pair for pair in pairs if set(pair) <= set(by_name)), None)
    if pair is None:
        return (lambda line: None), set()
    x, y = by_name[pair[0]], by_name[pair[1]]
    return (lambda line: _point(line[x], line[y])), set()


def parsed(text: str) -> BaseGeometry | None:
    """A geometry in WKT or GeoJSON; None for an empty text, ValueError for another one."""
    if not text.strip():
        return None
    geometry = shape(json.loads(text)) if text.lstrip().startswith("{") else shapely.from_wkt(text)
    return None if geometry.is_empty else geometry


def _point(x: str, y: str) -> BaseGeometry | None:
    if not x.strip() or not y.strip():
        return None
    point = shapely.Point(float(x), float(y))
    if not (abs(point.x) <= 360 and abs(point.y) <= 90):
        raise ValueError(f"longitude {x} and latitude {y} are no place on Earth")
    return point


def _located(locate: Callable[[list[str]], BaseGeometry | None], line: list[str], number: int) -> BaseGeometry | None:
    try:
        return locate(line)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ShapelyError) as error:
        raise ValueError(f"the geometry of row {number + 1} cannot be read: {error}") from error


def _typed(cells: Sequence[str]) -> list[Any]:
    """A column's values: whole numbers, numbers or texts, whichever holds them all; None where a cell is empty."""
    full = [cell.strip() for cell in cells if cell.strip()]
    kinds: Mapping[Any, re.Pattern[str]] = {int: WHOLE, float: NUMBER}
    convert = next((cell_type for cell_type, form in kinds.items() if all(form.fullmatch(cell) for cell in full)), str)
    return [convert(cell) if cell.strip() else None for cell in cells]
