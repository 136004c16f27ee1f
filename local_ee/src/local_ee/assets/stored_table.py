"""The features of stored tables: a file of one JSON document a line, written whole and checked when it is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from shapely.geometry import mapping, shape

from local_ee.assets import description
from local_ee.catalog.table import SourceFeature
from local_ee.durable import put_in_place
from local_ee.errors import EngineError
from local_ee.home import temporary_beside
from local_ee.storage.checksum import crc32c_of, is_whole

SUFFIX = ".jsonl"
# https://developers.google.com/earth-engine/guides/table_upload, "Table Upload Limits"
MOST_FEATURES, MOST_PROPERTIES = 100_000_000, 1024


@dataclass(frozen=True)
class StoredTable:
    """The file of a table (in the folder of its asset), its checksum and how many features it holds."""

    file: str
    features: int
    crc32c: str


def write(path: Path, rows: Iterable[SourceFeature]) -> StoredTable:
    """Writes the features under a name that nothing refers to yet, synced."""
    draft = temporary_beside(path)
    count = 0
    try:
        with draft.open("w", encoding="utf-8") as lines:
            for row in rows:
                count += 1
                lines.write(f"{json.dumps(_document(row), ensure_ascii=False, separators=(',', ':'))}\n")
        if count > MOST_FEATURES:
            raise EngineError(f"Table has {count} features: at most {MOST_FEATURES} are stored.")
        put_in_place(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return StoredTable(path.name, count, crc32c_of(path))


def read(path: Path, table: StoredTable, asset_id: str) -> tuple[SourceFeature, ...]:
    """The features; EngineError 500 where the file is not the one that was stored."""
    try:
        if is_whole(path, table.crc32c):
            return _rows(path, table.crc32c)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise description.damaged(f"Asset '{asset_id}' is damaged: its features are not those that were stored")


@lru_cache(maxsize=8)
def _rows(path: Path, crc32c: str) -> tuple[SourceFeature, ...]:
    with path.open(encoding="utf-8") as lines:
        return tuple(_row(json.loads(line)) for line in lines)


def _document(row: SourceFeature) -> dict[str, Any]:
    geometry = None if row.geometry is None else mapping(row.geometry)
    return {"geometry": geometry, "geodesic": row.geodesic, "properties": checked_properties(row.properties)}


def _row(document: Mapping[str, Any]) -> SourceFeature:
    geometry = None if document["geometry"] is None else shape(document["geometry"])
    return SourceFeature(geometry, document["properties"], document["geodesic"])


def checked_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties that a table may hold: numbers, texts and lists of them; EngineError for others and for too many."""
    if len(properties) > MOST_PROPERTIES:
        raise EngineError(f"A feature has {len(properties)} properties: at most {MOST_PROPERTIES} are stored.")
    for name, value in properties.items():
        items = value if isinstance(value, list | tuple) else [value]
        if not all(isinstance(item, int | float | str) for item in items):
            raise EngineError(
                f"Property '{name}' has an unsupported type: expected a number, a string or a list of them."
            )
    return dict(properties)
