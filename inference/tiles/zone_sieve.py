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
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from gee_export.base.progress_bar import ProgressBar
from gee_export.base.regions import STEP_M
from inference import cog, job, sieve
from inference.map_file import SETTINGS_TAG
from inference.map_report import report_of
from inference.request import NO_SIEVE
from inference.sieve import Piece, reach_px, sieved_pieces, tags_of, unit_px
from inference.tiles import tile_file
from inference.tiles.product import ZoneMap
from inference.tiles.receipt import Receipt
from inference.tiles.store import TileStore, files_of
from inference.tiles.tile import Tile
from inference.tiles.tiling import TileWindow
from inference.tiles.usage import Usage

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
    shape = tile_file.head_of(zone.filled[0], store).shape
    tiles = _tiles(zone, least_px(unit, zone.scale(shape)), shape[0])
    receipts = {tile.id: receipt for tile in tiles if (receipt := store.receipt(tile))}
    missing = [tile for tile in tiles if tile.id not in receipts]
    for tile in missing:
        if reason := zone.receipts[tile.source.id].empty:
            receipts[tile.id] = store.put(tile, (), empty=reason)
    unwritten = {_square(tile): tile for tile in missing if tile.id not in receipts}
    if unwritten:
        receipts |= {receipt.tile: receipt for receipt in _written(zone, unwritten, store, progress=progress)}
    return ZoneMap(zone.job, zone.epsg, tiles, receipts)


def _tiles(zone: ZoneMap[Tile], unit_px: int, side: int) -> tuple[SieveTile, ...]:
    """The tile after the sieve of each tile of the zone."""
    around = _Around(zone, math.ceil(reach_px(unit_px) / side))
    return tuple(SieveTile(tile, unit_px, around.digest(_square(tile))) for tile in zone.tiles)


class _Around:
    """What lies within some squares of each: by row the column and the hash of the classes of every tile."""

    def __init__(self, zone: ZoneMap[Tile], reach: int) -> None:
        self._reach = reach
        self._rows: dict[int, list[tuple[int, str]]] = {}
        for tile in zone.filled:
            row, col = _square(tile)
            stored = {each.name: each.sha256 for each in zone.receipts[tile.id].files}
            self._rows.setdefault(row, []).append((col, stored[tile_file.classes_name(tile)]))
        for tiles in self._rows.values():
            tiles.sort()

    def digest(self, square: Square) -> str:
        """A hash of the classes around a square, and of where they lie."""
        row, col = square
        rows = range(row - self._reach, row + self._reach + 1)
        near = [(other, self._between(other, col - self._reach, col + self._reach)) for other in rows]
        return job.fingerprint({"around": near})

    def _between(self, row: int, first: int, last: int) -> list[tuple[int, str]]:
        tiles = self._rows.get(row, [])
        return tiles[bisect_left(tiles, (first, "")) : bisect_left(tiles, (last + 1, ""))]


def _written(
    zone: ZoneMap[Tile], unwritten: Mapping[Square, SieveTile], store: TileStore, *, progress: bool
) -> Iterator[Receipt]:
    """The receipts of tiles that are not there yet, each written as soon as its classes are known."""
    tiles = sorted(zone.filled, key=_square)  # from north to south and west to east
    strips = _strips(tile_file.head_of(tiles[0], store).shape)
    unit_px = next(iter(unwritten.values())).least_px
    with ProgressBar(total=PASSES * len(tiles), unit="tile", desc="sieve", disable=not progress) as bar:
        pieces = sieved_pieces(lambda: _pieces(tiles, strips, store, bar), unit_px)
        for tile in tiles:
            begun = Usage.now()
            class_HW = np.concatenate([piece.class_HW for piece in islice(pieces, strips)])
            if _square(tile) in unwritten:
                yield _write(unwritten[_square(tile)], class_HW, store, begun)


def _pieces(tiles: Sequence[Tile], strips: int, store: TileStore, bar: ProgressBar) -> Iterator[Piece]:
    """Every tile in strips from the top."""
    for tile in tiles:
        row, col = _square(tile)
        for number, class_HW in enumerate(np.array_split(tile_file.classes_of(tile, store), strips)):
            yield Piece(row * strips + number, col, class_HW)
        bar.update()


def _strips(shape: tuple[int, int]) -> int:
    """In how many strips of at most STRIP_PX pixels a tile is labelled."""
    return min(math.ceil(math.prod(shape) / sieve.STRIP_PX), shape[0])


def _write(tile: SieveTile, class_HW: np.ndarray, store: TileStore, begun: Usage) -> Receipt:
    """Stores a tile with other classes and its own probabilities."""
    head = tile_file.head_of(tile.source, store)
    tags = {key: text for key, text in head.tags.items() if key != "AREA_OR_POINT"}
    info = cog.MapInfo(
        _grid(tile.window, head.shape), head.legend, tags | tags_of(tile.least_px) | {SETTINGS_TAG: tile.id}
    )
    with store.draft(tile) as out, job.started(out, tile.facts) as folder:
        rows = cog.RowsFile(folder / job.ROWS, class_HW.shape[1])
        rows.keep(0)
        rows.append(np.stack([class_HW, tile_file.shares_of(tile.source, store)]))
        counts = report_of(info, out, cog.write(rows, info, out, level=cog.MAP_LEVEL)).counts
        return store.put(tile, files_of(out), counts=dict(counts), measured=begun.until_now())


def _grid(window: TileWindow, shape: tuple[int, int]) -> GeoBox:
    """The pixels of a tile's map, which may be finer than its input's."""
    geobox = window.geobox
    return GeoBox(shape, geobox.affine * Affine.scale(window.step_px / shape[0]), geobox.crs)


def _square(tile: Tile | SieveTile) -> Square:
    return tile.window.row, tile.window.col
