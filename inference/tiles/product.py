"""What a finished map is, one product a zone: indexes of its tiles and, where that is not too large, a COG of them
all on the grid of the place.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from isamap.gee_export.base import zones
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.rasters import open_bytes, open_raster
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.storage import FolderStorage
from isamap.inference.map_files import cog
from isamap.inference.map_files.legend import ShareLegend
from isamap.inference.map_files.map_file import SETTINGS_TAG, files_of, holds_shares
from isamap.inference.map_files.share_layer import UNIT, settle_shares
from isamap.inference.mapping import job
from isamap.inference.tiles.index import Zone, ZoneGrid, class_index, probability_index, tile_index
from isamap.inference.tiles.jobs import MapJob
from isamap.inference.tiles.receipt import Receipt
from isamap.inference.tiles.store import TileStore
from isamap.inference.tiles.tile import AnyTile
from isamap.inference.tiles.tile_file import TileHead, classes_of, head_of, probabilities_of

LARGEST_PX = 4_000_000_000  # of a COG of all tiles: 8 GB of rows on the disk while it is made
VERSION = 1
LEFT_OUT = ("scenes", SETTINGS_TAG, "AREA_OR_POINT")  # tags that differ from tile to tile


T = TypeVar("T", bound=AnyTile, covariant=True)  # the kind of the tiles


@dataclass(frozen=True)
class ZoneMap(Generic[T]):
    """One map's tiles in one zone, with the receipt of each by id."""

    job: MapJob
    epsg: int
    tiles: Sequence[T]
    receipts: Mapping[str, Receipt]

    @property
    def name(self) -> str:
        """Of its files: the map's name and the zone, such as wuhan_202006_50n."""
        return f"{self.job.name}_{zones.zone_name(self.epsg)}"

    @cached_property
    def filled(self) -> tuple[T, ...]:
        """The tiles that have files."""
        return tuple(tile for tile in self.tiles if self.receipts[tile.id].files)

    def scale(self, shape: tuple[int, int]) -> int:
        """Pixels of the map for one of its input, told from a tile's shape."""
        return shape[0] // self.tiles[0].window.step_px

    def grid(self, scale: int) -> ZoneGrid:
        """The pixels of the place in this zone, and where each tile lies on them (it may reach over the edges)."""
        boxes = np.array([region.bounds_m for region in self.job.area if region.epsg == self.epsg])
        left, bottom = boxes[:, :2].min(axis=0)
        right, top = boxes[:, 2:].max(axis=0)
        pixel_m = self.tiles[0].window.pixel_m / scale
        shape = round((top - bottom) / pixel_m), round((right - left) / pixel_m)
        first = self.tiles[0].window.geobox
        affine = first.affine.translation(left, top) * first.affine.scale(pixel_m, -pixel_m)
        corner_m = left, top
        places = {self.receipts[tile.id].name: _place(tile, corner_m, pixel_m) for tile in self.tiles}
        return ZoneGrid(GeoBox(shape, affine, first.crs), places)


def _place(tile: AnyTile, corner_m: tuple[float, float], pixel_m: float) -> Window:
    west, _, east, north = tile.window.bounds_m
    side = round((east - west) / pixel_m)
    return Window(round((corner_m[1] - north) / pixel_m), round((west - corner_m[0]) / pixel_m), side, side)


def finish(zone: ZoneMap[AnyTile], store: TileStore) -> tuple[str, ...]:
    """Writes the zone's indexes and, where it is not too large, its COG; the names of its files in the store.

    What is there already stays. Nothing is written where no tile has a pixel.
    """
    if not zone.filled:
        return ()
    head = head_of(zone.receipts[zone.filled[0].id], store)
    tags = {key: text for key, text in head.tags.items() if key not in LEFT_OUT}
    head = replace(head, tags=tags | {"region": zone.job.place_name, "tiles": str(len(zone.filled))})
    grid = zone.grid(zone.scale(head.shape))
    names = write_indexes(zone, grid, head, store)
    height, width = grid.geobox.shape
    return (*names, *_write_cog(zone, grid, head, store)) if height * width <= LARGEST_PX else names


def write_indexes(zone: ZoneMap[AnyTile], grid: ZoneGrid, head: TileHead, store: TileStore) -> tuple[str, ...]:
    """The files that show the zone's tiles as one raster; their names in the store. head: what all tiles say alike."""
    shown, receipts = Zone(grid, head.tags), [zone.receipts[tile.id] for tile in zone.filled]
    shares = {receipt.name: receipt.shares.name for receipt in receipts if receipt.shares}

    def classes() -> dict[str, str]:
        return {receipt.name: receipt.classes.name for receipt in receipts}

    def probabilities() -> dict[str, str]:
        return {receipt.name: receipt.probabilities.name for receipt in receipts}

    made: dict[str, Callable[[], bytes]] = {  # one at a time: of many tiles each takes tens of megabytes
        f"{zone.name}.vrt": lambda: class_index(shown, head.legend, classes()),
        f"{zone.name}_prob.vrt": lambda: probability_index(shown, probabilities()),
        f"{zone.name}.gti.gpkg": lambda: tile_index(shown, classes()),
        f"{zone.name}_prob.gti.gpkg": lambda: tile_index(shown, probabilities()),
    }
    if shares:
        made[f"{zone.name}_share.vrt"] = lambda: class_index(shown, ShareLegend(), shares, UNIT)
        made[f"{zone.name}_share.gti.gpkg"] = lambda: tile_index(shown, shares)
    for name, content in made.items():
        store.storage.write(name, content())
    return tuple(made)


def _write_cog(zone: ZoneMap[AnyTile], grid: ZoneGrid, head: TileHead, store: TileStore) -> tuple[str, ...]:
    name = f"{zone.name}.tif"
    receipts = [zone.receipts[tile.id] for tile in zone.tiles]
    # Of all tiles' bytes: a COG that is there stays only while each of its tiles is the same.
    digests = sorted(stored.sha256 for receipt in receipts for stored in receipt.files)
    facts = {"version": VERSION, "tiles": digests, "grid": [list(grid.geobox.affine)[:6], list(grid.geobox.shape)]}
    settings = job.fingerprint(facts)
    tags = dict(head.tags) | {SETTINGS_TAG: settings}
    names = tuple(path.name for path in files_of(Path(name), with_shares=holds_shares(tags)))
    former = _settings_of(store, name)
    if former == settings and all(store.storage.exists(name) for name in names):
        return names
    if former not in (None, settings):
        warnings.warn(f"{name} of other options or another checkpoint is replaced; its tiles stay", stacklevel=2)
    out = store.work / name
    with job.started(out, facts) as folder:
        rows = cog.RowsFile(folder / job.ROWS, grid.geobox.shape[1])
        rows.keep(0)
        for piece in _rows(zone, grid, store):
            rows.append(piece)
        info = cog.MapInfo(grid.geobox, head.legend, tags)
        cog.write(rows, info, out, lambda: settle_shares(rows, info, out))
    for name in reversed(names):  # the classes last: they say that the others are there
        path = store.work / name
        store.storage.write(path.name, path.read_bytes())
        path.unlink()
    return names


def _settings_of(store: TileStore, name: str) -> str | None:
    """The fingerprint in a COG that is there; None of another or a damaged file."""
    with suppress(Fault, RasterioError, ValueError):
        if isinstance(store.storage, FolderStorage):
            with open_raster(store.storage.path(name)) as file:
                return file.tags().get(SETTINGS_TAG)
        with open_bytes(store.storage.read(name), name) as file:
            return file.tags().get(SETTINGS_TAG)
    return None


def _rows(zone: ZoneMap[AnyTile], grid: ZoneGrid, store: TileStore) -> Iterator[np.ndarray]:
    """The map from the top in pieces as high as a tile, uint8 (2, rows, columns)."""
    height, width = grid.geobox.shape
    by_row: dict[int, list[AnyTile]] = {}
    for tile in zone.filled:
        by_row.setdefault(grid.places[tile.name].row, []).append(tile)
    side = grid.places[zone.tiles[0].name].height
    first = min(offset.row for offset in grid.places.values())
    for top in range(first, height, side):
        strip = Window(max(top, 0), 0, min(top + side, height) - max(top, 0), width)
        values_2HW = np.full((cog.BANDS, strip.height, width), UNKNOWN, np.uint8)
        for tile in by_row.get(top, ()):
            offset = grid.places[tile.name]
            common = offset.overlap(strip)
            if common is not None:
                receipt = zone.receipts[tile.id]
                tile_2HW = np.stack([classes_of(receipt, store), probabilities_of(receipt, store)])
                values_2HW[:, *common.within(strip)] = tile_2HW[:, *common.within(offset)]
        yield values_2HW
