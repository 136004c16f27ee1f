"""Tables of features in a folder: `FOLDER/FAO/GAUL/2015/level1.geojson` is the table FAO/GAUL/2015/level1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

ENDING = ".geojson"
MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class SourceFeature:
    """A row of a table: its geometry in EPSG:4326, and its properties."""

    geometry: BaseGeometry
    properties: Mapping[str, Any]


def read_table(path: Path) -> tuple[SourceFeature, ...]:
    """The features of a GeoJSON file (RFC 7946); ValueError names the file where it holds anything else."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
        document = json.loads(path.read_bytes())
        return tuple(_feature(row) for row in document["features"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ShapelyError) as error:
        raise ValueError(f"table {path} is no GeoJSON FeatureCollection that can be read: {error}") from error


def _feature(row: Mapping[str, Any]) -> SourceFeature:
    geometry = shape(row["geometry"])
    if geometry.is_empty or not shapely.is_valid(geometry):
        raise ValueError("a geometry is empty or crosses itself")
    return SourceFeature(geometry, dict(row.get("properties") or {}))
