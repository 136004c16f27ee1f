"""Exports of tables: features as files in a bucket, or as an asset.

Source: https://developers.google.com/earth-engine/reference/rest/v1/projects.table/export.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import shapely

from local_ee.assets import stored_table
from local_ee.assets.asset import Asset
from local_ee.assets.destination import Destination
from local_ee.assets.store import AssetStore
from local_ee.assets.tasks import Progress
from local_ee.assets.times import iso_time, now
from local_ee.catalog.table import INDEX, SourceFeature
from local_ee.errors import EngineError
from local_ee.evaluation.features import FOOTPRINT, Collection, Date, Element, geometry_of
from local_ee.storage.objects import ObjectStore
from local_ee.table_formats import TableFormat, format_of, rows_of

DESTINATIONS = {
    "featureViewExportOptions": "FeatureViews",
    "bigqueryExportOptions": "BigQuery",
}


@dataclass(frozen=True)
class FileTarget:
    """Where the files of an export go, and in which format."""

    destination: Destination
    format: TableFormat


def check_destination(body: Mapping[str, Any]) -> None:
    """EngineError for a destination that is not written here, or none."""
    options = {**body, **(body.get("fileExportOptions") or {})}
    for key, name in DESTINATIONS.items():
        if options.get(key):
            raise EngineError(
                f"The local engine does not export to {name}: export to Cloud Storage (set a bucket) or to an asset."
            )
    if not (body.get("fileExportOptions") or body.get("assetExportOptions")):
        raise EngineError("A table export needs fileExportOptions or assetExportOptions.")


def file_target(options: Mapping[str, Any]) -> FileTarget:
    """The target of a fileExportOptions message; EngineError for what is not written here."""
    return FileTarget(Destination.of(options), format_of(str(options.get("fileFormat") or "CSV")))


def most_vertices(body: Mapping[str, Any]) -> int | None:
    """maxVertices of an export, None where there is no limit."""
    value = body.get("maxVertices")
    vertices = int((value.get("value") if isinstance(value, Mapping) else value) or 0)
    return vertices or None


def check_vertices(collection: Collection, most: int | None) -> None:
    """EngineError where a geometry would have to be cut into pieces, which is not done here."""
    if most is None:
        return
    for element in collection.elements:
        geometry = geometry_of(element)
        count = 0 if geometry is None else int(shapely.get_num_coordinates(geometry.shape))
        if count > most:
            raise EngineError(
                f"A geometry has {count} vertices, more than maxVertices {most}; the local engine does not cut it into "
                "pieces: simplify it or raise maxVertices."
            )


def to_bucket(
    collection: Collection,
    target: FileTarget,
    selectors: Sequence[str] | None,
    buckets: ObjectStore,
    progress: Progress,
) -> list[str]:
    """Writes the files PREFIX.csv (or of the format's endings); the address they begin with."""
    target.destination.check(buckets)
    bucket = target.destination.bucket
    files = target.format.encode(rows_of(collection), selectors)
    for index, (ending, content) in enumerate(files.items()):
        progress.report(index / len(files))
        name = f"{target.destination.prefix}{ending}"
        draft = buckets.temporary(bucket, name)
        try:
            draft.write_bytes(content)
            buckets.put(draft, bucket, name, attributes={"contentType": target.format.content_type})
        finally:
            draft.unlink(missing_ok=True)
    return [target.destination.url]


def to_asset(collection: Collection, name: str, store: AssetStore, *, overwrite: bool, progress: Progress) -> list[str]:
    """Writes a table asset; its id."""
    asset_id = store.check_target(name, "TABLE", overwrite=overwrite)
    start, end = (
        iso_time(time) if isinstance(time := collection.properties.get(key), int | float) else None
        for key in ("system:time_start", "system:time_end")
    )
    properties = {
        key: value
        for key, value in collection.properties.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool) and not key.startswith("system:")
    }
    asset = Asset(asset_id, "TABLE", now(), properties, start, end)
    return [publish(asset, _features(collection, progress), store, overwrite=overwrite)]


def publish(asset: Asset, rows: Iterator[SourceFeature], store: AssetStore, *, overwrite: bool) -> str:
    """Writes the rows and makes them the asset's, whole or not at all; its id."""
    (file,) = store.new_files(asset.id, 1, stored_table.SUFFIX)
    try:
        table = stored_table.write(file, rows)
        return store.publish(replace(asset, table=table), overwrite=overwrite).id
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _features(collection: Collection, progress: Progress) -> Iterator[SourceFeature]:
    elements = collection.elements
    for index, element in enumerate(elements):
        progress.report(index / len(elements))
        yield _source(element)


def _source(element: Element) -> SourceFeature:
    geometry = geometry_of(element)
    properties = {
        name: int(value.millis) if isinstance(value, Date) else value
        for name, value in element.properties.items()
        if value is not None and name != FOOTPRINT
    }
    if geometry is None:
        return SourceFeature(None, properties)
    if geometry.unbounded:
        raise EngineError(f"Unable to export unbounded geometry of feature '{properties.get(INDEX)}'.")
    lonlat = geometry.in_crs("EPSG:4326")
    return SourceFeature(lonlat.shape, properties, lonlat.geodesic)
