"""Exports of images as tiles of a web map: PATH/ZOOM/X/Y in a bucket.

Assumption: a scale becomes the first zoom level whose pixels are no larger. Google's index.html and earth.html, which
show the tiles with Google Maps and Google Earth, are not written; buckets have no access lists, so
writePublicTiles and bucketCorsUris change nothing.

Source: reference/rest/v1/projects.map/export and guides/exporting_map_tiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from local_ee import encode
from local_ee.assets.destination import DRIVE, Destination
from local_ee.assets.exports import Work
from local_ee.errors import EngineError
from local_ee.evaluation.values import Image
from local_ee.raster.pixels import Pixels, is_blank, is_valid
from local_ee.raster.web_tile import CRS, MOST_ZOOM, tile_count, tile_geobox, tiles_of, zoom_of
from local_ee.storage.objects import ObjectStore

FORMATS = ("AUTO_JPEG_PNG", "JPEG", "PNG")
MOST_TILES = 1_000_000

Tile = tuple[int, int, int]


@dataclass(frozen=True)
class TileOptions:
    """Which zoom levels are written, where and in which format."""

    destination: Destination
    first_zoom: int
    last_zoom: int
    file_format: str
    skip_empty: bool

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> TileOptions:
        """The options of a request; EngineError for what is not written here."""
        options, files = body.get("tileOptions") or {}, body.get("tileExportOptions") or {}
        destination = Destination.of(files)
        if destination.bucket == DRIVE:
            raise EngineError("Map tiles are exported to Cloud Storage only: set a bucket.")
        file_format = str(files.get("fileFormat") or FORMATS[0])
        if file_format not in FORMATS:
            raise EngineError(f"Unsupported file format '{file_format}' of map tiles: expected {', '.join(FORMATS)}.")
        first, last = int(options.get("startZoom") or 0), _last_zoom(options)
        if not 0 <= first <= last <= MOST_ZOOM:
            raise EngineError(f"Invalid zoom levels {first} to {last}: expected 0 to {MOST_ZOOM}, the lower one first.")
        return cls(destination, first, last, file_format, bool(options.get("skipEmpty")))

    def name(self, tile: Tile) -> str:
        """The object of a tile."""
        return "/".join((self.destination.prefix.rstrip("/"), *map(str, tile)))


def _last_zoom(options: Mapping[str, Any]) -> int:
    if options.get("endZoom") is not None:
        return int(options["endZoom"])
    scale = options.get("scale")
    if scale is None:
        raise EngineError("An export of map tiles needs maxZoom or scale.")
    if not float(scale) > 0:
        raise EngineError(f"The scale of map tiles must be positive, got {scale}.")
    return zoom_of(float(scale))


def to_bucket(image: Image, options: TileOptions, buckets: ObjectStore, work: Work) -> list[str]:
    """Writes every tile that the image's bounds touch, whole; the address they begin with."""
    options.destination.check(buckets)
    tiles, count = _tiles(image, options)
    for done, (tile, pixels) in enumerate(work.ahead(tiles, lambda tile: image.read(tile_geobox(*tile)))):
        work.progress.report(done / count)
        if not (options.skip_empty and all(is_blank(mask) or not np.any(mask) for mask in pixels.masks)):
            _write(pixels, options, tile, buckets)
    return [options.destination.url]


def _tiles(image: Image, options: TileOptions) -> tuple[Iterator[Tile], int]:
    """The tiles and how many they are; EngineError for an image without an end, and for too many."""
    footprint = image.footprint
    if footprint is None or footprint.unbounded:
        raise EngineError("Unable to export unbounded image.")
    bounds = footprint.in_crs(CRS).drawn.bounds
    zooms = range(options.first_zoom, options.last_zoom + 1)
    count = sum(tile_count(bounds, zoom) for zoom in zooms)
    if count > MOST_TILES:
        raise EngineError(f"{count} map tiles are too many (max: {MOST_TILES}): lower maxZoom or clip the image.")
    return (tile for zoom in zooms for tile in tiles_of(bounds, zoom)), count


def _write(pixels: Pixels, options: TileOptions, tile: Tile, buckets: ObjectStore) -> None:
    """Opaque tiles are JPEG and others PNG, unless a format is named."""
    opaque = all(is_valid(mask) or np.all(mask == 1) for mask in pixels.masks)
    driver = ("JPEG" if opaque else "PNG") if options.file_format == FORMATS[0] else options.file_format
    name, bucket = options.name(tile), options.destination.bucket
    draft = buckets.temporary(bucket, name)
    try:
        draft.write_bytes(encode.picture(driver, pixels, None))
        buckets.put(draft, bucket, name, attributes={"contentType": encode.CONTENT_TYPES[driver]})
    finally:
        draft.unlink(missing_ok=True)
