"""Ingestion of tables: a CSV, shapefile or GeoPackage of a bucket becomes a table asset.

Rules: https://developers.google.com/earth-engine/guides/table_manifest and guides/table_upload.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from pyproj import CRS
from pyproj.exceptions import CRSError

from local_ee import vector_file
from local_ee.assets.asset import Asset
from local_ee.assets.manifest import check_fields, checked_name, checked_times, in_camel_case
from local_ee.assets.store import AssetStore, flat
from local_ee.assets.table_exports import publish
from local_ee.assets.tasks import Progress
from local_ee.assets.times import now
from local_ee.catalog.csv_table import CsvColumns, read_rows
from local_ee.catalog.table import MOST_BYTES, SourceFeature, checked_feature, features_of, of_layer
from local_ee.errors import EngineError
from local_ee.storage.objects import ObjectStore, StorageError

FIELDS = {"name", "id", "sources", "properties", "uriPrefix", "startTime", "endTime"}
SOURCE_FIELDS = {
    "uris",
    "charset",
    "maxErrorMeters",
    "maxVertices",
    "crs",
    "geodesic",
    "primaryGeometryColumn",
    "xColumn",
    "yColumn",
    "csvDelimiter",
    "csvQualifier",
}
ENDINGS = (".csv", ".shp", ".zip", ".gpkg", ".geojson")


@dataclass(frozen=True)
class TableSource:
    """One file of a table; crs and geodesic are None where the file decides."""

    uri: str
    columns: CsvColumns
    crs: str | None = None
    geodesic: bool | None = None


@dataclass(frozen=True)
class TableManifest:
    """A checked manifest."""

    name: str
    sources: tuple[TableSource, ...]
    properties: Mapping[str, Any]
    start: str | None
    end: str | None


def parse(document: Mapping[str, Any]) -> TableManifest:
    """The manifest of a JSON document; EngineError names the first field that is wrong."""
    document = in_camel_case(document)
    check_fields(document, FIELDS, "table manifest")
    name = checked_name(document)
    sources = document.get("sources") or []
    if not sources:
        raise EngineError("The manifest has no sources.")
    prefix = str(document.get("uriPrefix", ""))
    start, end = checked_times(document)
    properties = flat(document.get("properties") or {})
    return TableManifest(name, tuple(_source(source, prefix) for source in sources), properties, start, end)


def _source(document: Mapping[str, Any], prefix: str) -> TableSource:
    document = in_camel_case(document)
    check_fields(document, SOURCE_FIELDS, "table source")
    uris = document.get("uris") or []
    if len(uris) != 1:
        raise EngineError(f"A source has {len(uris)} uris: expected one (a shapefile's other files are found by it).")
    uri = f"{prefix}{uris[0]}"
    if not uri.startswith("gs://") or "/" not in uri[5:]:
        raise EngineError(f"Invalid source uri '{uri}': expected gs://BUCKET/OBJECT.")
    if PurePosixPath(uri).suffix.lower() not in ENDINGS:
        raise EngineError(f"Cannot tell the format of {uri}: expected a name that ends with {', '.join(ENDINGS)}.")
    if int(document.get("maxVertices") or 0):
        raise EngineError("The local engine does not cut geometries into pieces: leave maxVertices out.")
    columns = CsvColumns(
        document.get("xColumn") or None,
        document.get("yColumn") or None,
        document.get("primaryGeometryColumn") or None,
        document.get("csvDelimiter") or ",",
        document.get("csvQualifier") or '"',
        document.get("charset") or "utf-8",
    )
    return TableSource(uri, columns, document.get("crs") or None, _geodesic(document.get("geodesic")))


def _geodesic(value: Any) -> bool | None:
    """Whether edges are shortest paths; the `earthengine` command sends a text."""
    words = {"none": None, "true": True, "false": False}
    if str(value).lower() not in words:
        raise EngineError(f"Invalid geodesic {value!r} of a source: expected true or false.")
    return words[str(value).lower()]


def ingest(
    manifest: TableManifest, store: AssetStore, buckets: ObjectStore, *, overwrite: bool, progress: Progress
) -> list[str]:
    """Makes the table that the manifest describes; its id. EngineError where a file cannot be read."""
    asset = Asset(manifest.name, "TABLE", now(), manifest.properties, manifest.start, manifest.end)
    return [publish(asset, _rows(manifest, buckets, progress), store, overwrite=overwrite)]


def _rows(manifest: TableManifest, buckets: ObjectStore, progress: Progress) -> Iterator[SourceFeature]:
    for index, source in enumerate(manifest.sources):
        progress.report(index / len(manifest.sources))
        try:
            yield from read(source, buckets)
        except ValueError as error:
            raise EngineError(f"Cannot read {source.uri} as a table: {error}.") from error


def read(source: TableSource, buckets: ObjectStore) -> Sequence[SourceFeature]:
    """The features of one source, with edges as `geodesic` says, else shortest paths for degrees."""
    suffix = PurePosixPath(source.uri).suffix
    content, ending = _content(source.uri, buckets), suffix.lower()
    crs = source.crs
    if ending == ".csv":
        shapes = read_rows(content, source.columns)
        rows = _moved(shapes, crs)
    elif ending == ".geojson":
        rows = features_of(ending, content)
    else:
        layer = (
            vector_file.read_shapefile({".shp": content, **_sidecars(source.uri.removesuffix(suffix), buckets)})
            if ending == ".shp"
            else vector_file.read(ending, content)
        )
        rows, crs = of_layer(layer, crs), crs or layer.crs
    geodesic = _is_geographic(crs) if source.geodesic is None else source.geodesic
    return [replace(row, geodesic=geodesic) for row in rows]


def _moved(rows: Sequence[tuple[Any, dict[str, Any]]], crs: str | None) -> tuple[SourceFeature, ...]:
    """The rows of a CSV in degrees."""
    shapes = np.empty(len(rows), dtype=object)
    shapes[:] = [geometry for geometry, _ in rows]
    moved = vector_file.Layer(shapes, {}, crs).in_lonlat()
    return tuple(checked_feature(shape, properties) for shape, (_, properties) in zip(moved, rows, strict=True))


def _is_geographic(crs: str | None) -> bool:
    try:
        return crs is None or CRS.from_user_input(crs).is_geographic
    except CRSError as error:
        raise ValueError(f"its coordinate system {crs!r} cannot be used: {error}") from error


def _sidecars(stem: str, buckets: ObjectStore) -> dict[str, bytes]:
    """The other files of a shapefile that lie beside it."""
    parts = {}
    for ending in vector_file.SHAPEFILE_PARTS[1:]:
        for uri in (f"{stem}{ending}", f"{stem}{ending.upper()}"):
            bucket, _, name = uri.removeprefix("gs://").partition("/")
            if buckets.find(bucket, name) is not None:
                parts[ending] = _content(uri, buckets)
    return parts


def _content(uri: str, buckets: ObjectStore) -> bytes:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    try:
        _, file = buckets.open(bucket, name)
    except StorageError as error:
        raise EngineError(f"Cannot read {uri}: {error}") from error
    with file:
        content: bytes = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    return content
