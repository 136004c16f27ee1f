"""The minimum mapping unit over all tiles of a zone: the classes that one map of the zone would have.

A component may reach over many tiles, so this comes after all of them are made. Components are numbered tile by tile,
joined over the seams and measured over all tiles; then each tile is written again under a name of its own. Tiles are
read one after another, and neither memory nor disk hold the zone.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.progress_bar import ProgressBar
from isamap.gee_export.base.regions import STEP_M
from isamap.inference.map_files import cog
from isamap.inference.map_files.map_file import SETTINGS_TAG, files_of, holds_shares
from isamap.inference.map_files.share_layer import settle_shares
from isamap.inference.mapping import job
from isamap.inference.mapping.map_report import report_of
from isamap.inference.mapping.request import NO_SIEVE
from isamap.inference.postprocessing import sieve
from isamap.inference.postprocessing.sieve import SievePiece, reach_px, sieved_pieces, tags_of, unit_px
from isamap.inference.tiles import tile_file
from isamap.inference.tiles.product import ZoneMap
from isamap.inference.tiles.receipt import Receipt, Usage
from isamap.inference.tiles.store import TileStore
from isamap.inference.tiles.tile import Tile
from isamap.inference.tiles.tiling import TileWindow

VERSION = 1
PASSES = 3  # over all tiles: components, their borders, their classes
Square = tuple[int, int]  # row and column of a tile's window


@dataclass(frozen=True)
class SieveTile:
    """A tile after the sieve. around: a hash of the classes of all tiles that decide its pixels, its own too."""

    source: Tile
    least_px: int
    around: str

    @cached_property
    def id(self) -> str:
        """32 hexadecimal digits that are equal for equal pixels."""
        return job.fingerprint(self.facts)

    @property
    def name(self) -> str:
        """Of its files: the place and the first digits of `id`."""
        return self.source.named(self.id)

    @property
    def window(self) -> TileWindow:
        """As of the tile before."""
        return self.source.window

    @property
    def facts(self) -> dict[str, Any]:
        """All that decides the pixels, as JSON holds it."""
        return self.source.facts | {"sieve": [VERSION, self.least_px, self.around]}


def least_px(unit: str, scale: int) -> int:
    """The unit in pixels of a map of `scale` times the input's pixels, 0 for none; ValueError as of `unit_px`."""
    return 0 if unit == NO_SIEVE else unit_px(unit, STEP_M / scale)


def sieved_zone(
    zone: ZoneMap[Tile], unit: str, store: TileStore, *, progress: bool = False
) -> ZoneMap[Tile] | ZoneMap[SieveTile]:
    """The zone with the tiles after the sieve, which are in the store then; as it is where no sieve is asked for.

    What is there by its checksums stays, so an interrupted sieve goes on with the tiles that are missing.
    """
    if unit == NO_SIEVE or not zone.filled:
        return zone
    shape = tile_file.head_of(zone.receipts[zone.filled[0].id], store).shape
    tiles = _tiles(zone, least_px(unit, zone.scale(shape)), shape[0])
    receipts = {receipt.tile: receipt.slim for receipt in store.whole(tiles)}
    missing = [tile for tile in tiles if tile.id not in receipts]
    for tile in missing:
        if reason := zone.receipts[tile.source.id].empty:
            receipts[tile.id] = store.put(tile, (), empty=reason)
    unwritten = {_square(tile): tile for tile in missing if tile.id not in receipts}
    if unwritten:
        receipts |= {receipt.tile: receipt.slim for receipt in _written(zone, unwritten, store, progress=progress)}
    return ZoneMap(zone.job, zone.epsg, tiles, receipts)


def _tiles(zone: ZoneMap[Tile], unit_px: int, side: int) -> tuple[SieveTile, ...]:
    # A tile's pixels depend on tiles as far as a component may reach: its name holds all of their hashes.
    around = _Around(zone, math.ceil(reach_px(unit_px) / side))
    return tuple(SieveTile(tile, unit_px, around.digest(_square(tile))) for tile in zone.tiles)


class _Around:
    """What lies within some squares of each: by row the column and the hash of the classes of every tile."""

    def __init__(self, zone: ZoneMap[Tile], reach: int) -> None:
        self._reach = reach
        self._rows: dict[int, list[tuple[int, str]]] = {}
        for tile in zone.filled:
            row, col = _square(tile)
            self._rows.setdefault(row, []).append((col, zone.receipts[tile.id].classes.sha256))
        for tiles in self._rows.values():
            tiles.sort()

    def digest(self, square: Square) -> str:
        """A hash of the classes around a square, and of where they lie."""
        row, col = square
        rows = range(row - self._reach, row + self._reach + 1)
        near = [(near_row, self._between(near_row, col - self._reach, col + self._reach)) for near_row in rows]
        return job.fingerprint({"around": near})

    def _between(self, row: int, first: int, last: int) -> list[tuple[int, str]]:
        tiles = self._rows.get(row, [])
        return tiles[bisect_left(tiles, (first, "")) : bisect_left(tiles, (last + 1, ""))]


def _written(
    zone: ZoneMap[Tile], unwritten: Mapping[Square, SieveTile], store: TileStore, *, progress: bool
) -> Iterator[Receipt]:
    """The receipts of tiles that are not there yet, each written as soon as its classes are known."""
    tiles = sorted(zone.filled, key=_square)  # from north to south and west to east
    strips = _strips(tile_file.head_of(zone.receipts[tiles[0].id], store).shape)
    unit_px = next(iter(unwritten.values())).least_px
    with ProgressBar(total=PASSES * len(tiles), unit="tile", desc="sieve", disable=not progress) as bar:
        pieces = sieved_pieces(lambda: _pieces(zone, tiles, store, bar), unit_px)
        for tile in tiles:
            begun = Usage.now()
            class_HW = np.concatenate([piece.class_HW for piece in islice(pieces, strips)])
            # Tiles that are there are read again all the same: components cross them.
            if _square(tile) in unwritten:
                yield _write(unwritten[_square(tile)], zone.receipts[tile.id], class_HW, store, begun)


def _pieces(zone: ZoneMap[Tile], tiles: Sequence[Tile], store: TileStore, bar: ProgressBar) -> Iterator[SievePiece]:
    """Every tile in strips from the top."""
    for tile in tiles:
        row, col = _square(tile)
        all_HW = tile_file.classes_of(zone.receipts[tile.id], store)
        strips = _strips(all_HW.shape)
        # In strips, as labelling needs eight bytes a pixel and a tile of 16,384 pixels would take gigabytes.
        for index, class_HW in enumerate(np.array_split(all_HW, strips)):
            yield SievePiece(row * strips + index, col, class_HW)
        bar.update()


def _strips(shape: tuple[int, int]) -> int:
    """In how many strips of at most STRIP_PX pixels a tile is labelled."""
    return min(math.ceil(math.prod(shape) / sieve.STRIP_PX), shape[0])


def _write(tile: SieveTile, before: Receipt, class_HW: np.ndarray, store: TileStore, begun: Usage) -> Receipt:
    """Stores a tile with other classes and its own probabilities, those of the tile that has this receipt."""
    head = tile_file.head_of(before, store)
    tags = {key: text for key, text in head.tags.items() if key != "AREA_OR_POINT"}
    info = cog.MapInfo(
        _grid(tile.window, head.shape), head.legend, tags | tags_of(tile.least_px) | {SETTINGS_TAG: tile.id}
    )
    with store.draft(tile) as out, job.started(out, tile.facts) as folder:
        rows = cog.RowsFile(folder / job.ROWS, class_HW.shape[1])
        rows.keep(0)
        rows.append(np.stack([class_HW, tile_file.probabilities_of(before, store)]))
        written = cog.write(rows, info, out, partial(settle_shares, rows, info, out), level=cog.MAP_LEVEL)
        files, counts = files_of(out, with_shares=holds_shares(info.tags)), report_of(info, out, written).counts
        written_head = tile_file.written_head(out)
        return store.put(tile, files, counts=dict(counts), head=written_head, measured=begun.until_now())


def _grid(window: TileWindow, shape: tuple[int, int]) -> GeoBox:
    """The pixels of a tile's map, which may be finer than its input's."""
    geobox = window.geobox
    return GeoBox(shape, geobox.affine * Affine.scale(window.step_px / shape[0]), geobox.crs)


def _square(tile: Tile | SieveTile) -> Square:
    return tile.window.row, tile.window.col
