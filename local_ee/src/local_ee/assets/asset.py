"""An asset of a user as its description has it: type, times, properties, and the bands or table that are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from local_ee.assets import description
from local_ee.assets.cog_source import CogSource
from local_ee.assets.stored_table import StoredTable
from local_ee.assets.times import milliseconds
from local_ee.raster.geometry import on_globe
from local_ee.raster.projection import crs_of
from local_ee.storage.checksum import crc32c_of


@dataclass(frozen=True)
class StoredBand:
    """A band of a stored image: where its file lies (in the folder of its asset) and its grid."""

    name: str
    file: str
    dtype: str
    crs: str
    transform: tuple[float, ...]
    shape: tuple[int, int]
    policy: str
    crc32c: str | None = None  # of the file; None of COG-backed bands, which have none
    source: CogSource | None = None  # of a COG-backed asset, which has no file

    @property
    def grid(self) -> GeoBox:
        return GeoBox((self.shape[0], self.shape[1]), Affine(*self.transform), crs_of(self.crs))


@dataclass(frozen=True)
class Asset:
    """What is known of an asset; times are ISO 8601 with Z."""

    id: str
    type: str
    updated: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None
    end: str | None = None
    bands: tuple[StoredBand, ...] = ()
    size_bytes: int = 0
    readers: tuple[Mapping[str, Any], ...] = ()  # IAM bindings
    table: StoredTable | None = None

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that hold its pixels or features."""
        return (*(band.file for band in self.bands if band.file), *((self.table.file,) if self.table else ()))

    @property
    def uris(self) -> tuple[str, ...]:
        """The objects that hold the pixels of a COG-backed asset."""
        return tuple(dict.fromkeys(band.source.uri for band in self.bands if band.source))

    @property
    def footprint(self) -> BaseGeometry:
        """Longitude and latitude (EPSG:4326) outline of the bands' grids."""
        grids = {tuple(band.grid.affine): band.grid for band in self.bands}
        outlines = [on_globe(grid.extent.to_crs("EPSG:4326").geom, grid) for grid in grids.values()]
        return unary_union(outlines) if outlines else box(-180, -90, 180, 90)


def stored_band(name: str, file: Path, grid: GeoBox, dtype: str, policy: str) -> StoredBand:
    """The description of a band whose file is written."""
    georeference = str(grid.crs), tuple(grid.affine)[:6], grid.shape.yx
    return StoredBand(name, file.name, dtype, *georeference, policy, crc32c_of(file))


def image_properties(asset: Asset) -> dict[str, Any]:
    """The properties that a graph sees: the asset's own and those that Earth Engine adds."""
    properties = {**asset.properties, "system:index": asset.name}
    for key, time in (("system:time_start", asset.start), ("system:time_end", asset.end)):
        if time is not None:
            properties[key] = milliseconds(time)
    if asset.type == "IMAGE":
        properties["system:asset_size"] = asset.size_bytes
        properties["pyramiding_policy"] = {band.name: band.policy for band in asset.bands}  # read by sources.py
    return properties


def described(path: Path) -> Asset | None:
    """The asset of a description, or None where there is no such file; EngineError 500 where it is damaged."""
    try:
        document = description.read(path)
        return None if document is None else _asset(document)
    except (KeyError, TypeError) as error:  # a field of another name
        raise description.damaged_description(path) from error


def _asset(document: Mapping[str, Any]) -> Asset:
    bands = tuple(_band(band) for band in document["bands"])
    table = StoredTable(**document["table"]) if document.get("table") else None
    return Asset(**{**document, "bands": bands, "readers": tuple(document["readers"]), "table": table})


def _band(document: Mapping[str, Any]) -> StoredBand:
    source = document.get("source")
    if source is not None:
        missing_values = source["missing"]
        source = CogSource(**source | {"missing": None if missing_values is None else tuple(missing_values)})
    georeference = {"transform": tuple(document["transform"]), "shape": tuple(document["shape"])}
    return StoredBand(**{**document, **georeference, "source": source})
