"""Tables of features in a folder: `FOLDER/FAO/GAUL/2015/level1.geojson` is the table FAO/GAUL/2015/level1.

A table is a GeoJSON file, a CSV (catalog/csv_table.py), a shapefile (.shp beside its .shx and .dbf, or all in a .zip)
or a GeoPackage of one layer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from local_ee import vector_file
from local_ee.catalog import csv_table

ENDINGS = (".geojson", ".csv", ".shp", ".gpkg", ".zip")
INDEX = "system:index"
FORMATS = {".geojson": "GeoJSON FeatureCollection", ".csv": "CSV table", ".shp": "shapefile", ".gpkg": "GeoPackage"}
MOST_BYTES = vector_file.MOST_BYTES


@dataclass(frozen=True)
class SourceFeature:
    """A row of a table: its geometry in EPSG:4326 (None: it has none), and its properties.

    geodesic: whether the geometry's edges are shortest paths; else they are straight in degrees.
    """

    geometry: BaseGeometry | None
    properties: Mapping[str, Any]
    geodesic: bool = False


def read_table(path: Path) -> tuple[SourceFeature, ...]:
    """The features of a file; ValueError names the file where it holds anything else than its ending says."""
    try:
        content = read_whole(path)
        if path.suffix == ".shp":
            sidecars = {end: path.with_suffix(end) for end in vector_file.SHAPEFILE_PARTS[1:]}
            parts = {end: read_whole(file) for end, file in sidecars.items() if file.is_file()}
            return of_layer(vector_file.read_shapefile({".shp": content, **parts}))
        return features_of(path.suffix, content)
    except (OSError, ValueError) as error:
        form = FORMATS.get(path.suffix, "zipped shapefile")
        raise ValueError(f"table {path} is no {form} that can be read: {error}") from error


def features_of(suffix: str, content: bytes) -> tuple[SourceFeature, ...]:
    """The features of a table of one file; ValueError, which lacks the file's name, says what is wrong with it."""
    if suffix == ".csv":
        return tuple(checked_feature(geometry, properties) for geometry, properties in csv_table.read_rows(content))
    if suffix != ".geojson":
        return of_layer(vector_file.read(suffix, content))
    try:
        return tuple(_feature(row) for row in json.loads(content)["features"])
    except (KeyError, TypeError, AttributeError, RecursionError, ShapelyError) as error:
        raise ValueError(str(error)) from error


def of_layer(layer: vector_file.Layer, crs: str | None = None) -> tuple[SourceFeature, ...]:
    """The rows of a vector file, from `crs` where it is named; a value that is missing is no property."""
    shapes = layer.in_lonlat(crs)
    columns = {name: [_plain(value) for value in values] for name, values in layer.columns.items()}
    return tuple(
        checked_feature(geometry, {name: values[i] for name, values in columns.items() if values[i] is not None})
        for i, geometry in enumerate(shapes)
    )


def read_whole(path: Path) -> bytes:
    """The bytes of a file of a table; ValueError where it is too large."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    return path.read_bytes()


def _feature(row: Mapping[str, Any]) -> SourceFeature:
    geometry = None if row.get("geometry") is None else shape(row["geometry"])
    return checked_feature(geometry, dict(row.get("properties") or {}))


def checked_feature(geometry: BaseGeometry | None, properties: Mapping[str, Any]) -> SourceFeature:
    """A row whose geometry can be computed with; ValueError for another one."""
    if geometry is not None and (geometry.is_empty or not shapely.is_valid(geometry)):
        raise ValueError("a geometry is empty or crosses itself")
    return SourceFeature(geometry, properties)


def _plain(value: Any) -> Any:
    """An attribute as a property: a number or a text; None where it is missing."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value != value:
        return None
    return int(value) if isinstance(value, bool) else value if isinstance(value, int | float | str) else None
