"""Ten-metre pixels of the truth: how much of each class, how bright, how high, and how much wall; kept in a cache."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from local_ee import idle
from local_ee.world import materials as m
from local_ee.world.compiled import Beginning, compiled
from local_ee.world.fields import near
from local_ee.world.lattice import TILE, Cut, mosaic
from local_ee.world.materials import kind_of
from local_ee.world.places import places
from local_ee.world.plane import to_lonlat, to_plane
from local_ee.world.truth import TILE_M, drawing

if TYPE_CHECKING:
    from local_ee.world.survey import Survey

CELLS = TILE_M // 10
# Layers after the class counts (0 to 100 square metres each).
BRIGHT, TONE_1, TONE_2, HEIGHT, WALL, FACING, BORN = range(m.COUNT, m.COUNT + 7)
LAYERS = m.COUNT + 7
# Of tiles of 0.4 MB: a row of 640-px requests across 60 km needs 330, twice as many where two zones meet.
KEPT_BYTES = 256 << 20
_REACH_M = 9000.0
_FIRST_TILES = 12  # that NumPy pools (compiled.Beginning): .1 s each, as long as compiling takes together
_ONE, _FOUR, _S4, _S16, _S32, _S48 = (np.uint64(number) for number in (1, 4, 4, 16, 32, 48))
# Of packed pixels (see materials.pack), 32 bits wide so that loops hold as many as can be.
_CLASS, _BYTE, _MIDDLE, _TOP = (np.uint32(number) for number in (31, 255, 8, 24))
_FIRST_HARD, _ROOF, _NO_ROOF = np.uint32(m.FIRST_IMPERVIOUS), np.int32(65536), np.int32(0)
_EVEN, _LOW_16 = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0xFFFF)


@dataclass(frozen=True)
class Cells:
    """A tile's 10-m pixels: uint8 [layer, row, column].

    Layers: square metres of each class; mean brightness byte of impervious ground; mean tone bytes of other ground;
    mean height of roofs in m; wall area in units of 8 m2; wall direction in degrees; year byte of the newest
    impervious object.
    """

    layers: np.ndarray
    first_year: int
    after_year: int


# One pass over the canvas a row of cells at a time: NumPy would make 16 masks of 1.6 million pixels. Counts are whole,
# so no order of sums matters.
@compiled
def pool(canvas, facing):
    """Layers of 10-m pixels from a 1-m canvas that has one more row and column."""
    side = facing.shape[0]
    out = np.zeros((LAYERS, side, side), np.uint8)
    kinds, sums = np.empty(10 * side, np.uint64), np.empty(10 * side, np.uint64)
    walls, newest = np.empty(10 * side, np.int32), np.empty(10 * side, np.uint8)
    for row in range(side):
        _columns(canvas, row, kinds, sums, walls, newest)
        for col in range(side):
            even = odd = total = np.uint64(0)
            edges, born = np.int64(0), np.uint8(0)
            for x in range(10 * col, 10 * col + 10):
                even += kinds[x] & _EVEN
                odd += (kinds[x] >> _S4) & _EVEN
                total += sums[x]
                edges += walls[x]
                born = max(born, newest[x])
            hard = np.int64(0)
            for material in range(m.COUNT):
                pair = odd if material % 2 else even
                count = np.uint8((pair >> np.uint64(8 * (material // 2))) & np.uint64(255))
                out[material, row, col] = count
                hard += count if material >= m.FIRST_IMPERVIOUS else 0
            soft, roofs = 100 - hard, edges >> 16
            out[BRIGHT, row, col] = _mean(total, hard, 128)
            out[TONE_1, row, col] = _mean(total >> _S16, soft, 128)
            out[TONE_2, row, col] = _mean(total >> _S32, soft, 128)
            out[HEIGHT, row, col] = _mean(total >> _S48, roofs, 0)
            out[WALL, row, col] = min((edges & 65535) // 8, 255)
            out[FACING, row, col] = facing[row, col]
            out[BORN, row, col] = born
    return out


def _pool_by_numpy(canvas: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """As `pool`: ten times as long."""
    side = len(facing)
    inner, out = canvas[: 10 * side, : 10 * side], np.zeros((LAYERS, side, side), np.uint8)
    kinds = (inner & _CLASS).astype(np.uint8)

    def summed(pixels: np.ndarray) -> np.ndarray:
        return pixels.reshape(side, 10, side, 10).sum(axis=(1, 3), dtype=np.int64)

    for material in range(m.COUNT):
        out[material] = summed(kinds == material)
    heights = ((canvas >> _MIDDLE) & _BYTE).astype(np.int16)
    first, second, above = ((inner >> shift) & _BYTE for shift in (np.uint32(16), _TOP, _MIDDLE))
    here = heights[: 10 * side, : 10 * side]
    is_hard = kinds >= m.FIRST_IMPERVIOUS
    is_roof = is_hard & (above > 0)
    hard, roofs = summed(is_hard), summed(is_roof)
    edges = abs(here - heights[: 10 * side, 1 : 10 * side + 1]) + abs(here - heights[1 : 10 * side + 1, : 10 * side])
    for layer, byte, among, count, empty in (
        (BRIGHT, first, is_hard, hard, 128),
        (TONE_1, first, ~is_hard, 100 - hard, 128),
        (TONE_2, second, ~is_hard, 100 - hard, 128),
        (HEIGHT, above, is_hard, roofs, 0),
    ):
        out[layer] = np.where(count > 0, summed(byte * among) // np.maximum(count, 1), empty)
    out[WALL] = np.minimum(summed(edges) // 8, 255)
    out[FACING] = facing
    out[BORN] = (second * is_hard).reshape(side, 10, side, 10).max(axis=(1, 3))
    return out


_pooling = Beginning(pool, _FIRST_TILES, instead=_pool_by_numpy)


@compiled
def _columns(canvas, row, kinds, sums, walls, newest):
    """What a row of 10-m pixels needs of its ten canvas rows, by canvas column.

    Several counts share a number, so that loops run over columns without a branch. kinds: how often each class occurs,
    4 bits each. sums, 16 bits each: first bytes of impervious ground; both bytes of other ground; heights of roofs.
    walls: differences in height to the right and below, and roof pixels from bit 16 on. newest: years of birth.
    """
    kinds[:] = 0
    sums[:] = 0
    walls[:] = 0
    newest[:] = 0
    for y in range(10 * row, 10 * row + 10):
        for x in range(kinds.shape[0]):
            kinds[x] += _ONE << (_FOUR * np.uint64(kind_of(canvas[y, x])))
        for x in range(kinds.shape[0]):
            pixel = canvas[y, x]
            first, second, height = _field(pixel, 16), _field(pixel, 24), _field(pixel, 8)
            if kind_of(pixel) >= m.FIRST_IMPERVIOUS:
                sums[x] += first | (height << _S48)
            else:
                sums[x] += (first << _S16) | (second << _S32)
        for x in range(kinds.shape[0]):
            pixel = canvas[y, x]
            hard = (pixel & _CLASS) >= _FIRST_HARD
            newest[x] = max(newest[x], np.uint8(pixel >> _TOP) if hard else np.uint8(0))
        here, below = canvas[y], canvas[y + 1]
        beside = here[1:]  # not here[x + 1]: numba looks at each sum for a count from the row's end
        for x in range(kinds.shape[0]):
            height = np.int32((here[x] >> _MIDDLE) & _BYTE)
            east, south = np.int32((beside[x] >> _MIDDLE) & _BYTE), np.int32((below[x] >> _MIDDLE) & _BYTE)
            roof = (here[x] & _CLASS) >= _FIRST_HARD and height > 0
            walls[x] += np.int32(abs(height - east) + abs(height - south) + (_ROOF if roof else _NO_ROOF))


@compiled
def _field(pixel, shift):
    return np.uint64((pixel >> np.uint32(shift)) & np.uint32(255))


@compiled
def _mean(total, count, empty):
    return np.int64(total & _LOW_16) // count if count else empty


def canvas_of(
    epsg: int, column: int, row: int, year: int, survey: Survey | None = None
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """The drawn world tile of a zone (columns of 1280 m east, rows of 1280 m south): see truth.draw_tile.

    survey: real ground that lies over what is drawn.
    """
    left, top = float(column * TILE_M), float(-row * TILE_M)
    x, y = to_plane(*to_lonlat(left + TILE_M / 2, top - TILE_M / 2, epsg))
    table = places()
    drawn = drawing(1)(epsg, left, top, year, *near(table, x, y, _REACH_M), table.land)
    if survey is not None:
        survey.lay(drawn[0], drawn[1], epsg, left, top)
    return drawn


class CellCache:
    """Tiles' 10-m pixels by year, drawn when first asked for and kept up to a number of bytes; any thread may ask."""

    def __init__(self, bound_bytes: int = KEPT_BYTES, survey: Survey | None = None) -> None:
        self._bound, self._survey = bound_bytes, survey
        self.kept_bytes = 0
        self._tiles: OrderedDict[tuple[int, int, int], list[Cells]] = OrderedDict()
        self._busy: dict[tuple[int, int, int], threading.Lock] = {}
        self._guard = threading.Lock()
        idle.forgets(self)

    def cells(self, epsg: int, column: int, row: int, year: int) -> Cells:
        """The tile's pixels in a year; years in which it looks the same share one drawing."""
        key = (epsg, column, row)
        tile_cells = self._find(key, year)
        if tile_cells is not None:
            return tile_cells
        with self._guard:
            # A lock a tile: threads that want one tile wait for its only drawing, and others draw theirs meanwhile.
            turn = self._busy.setdefault(key, threading.Lock())
        with turn:
            tile_cells = self._find(key, year)
            if tile_cells is None:
                canvas, facing, first, after = canvas_of(epsg, column, row, year, self._survey)
                tile_cells = Cells(_pooling(1)(canvas, facing), first, after)
                self._keep(key, tile_cells)
        return tile_cells

    def window(self, cut: Cut, year: int, layers: slice = slice(None)) -> np.ndarray:
        """Layers [layer, row, column] of any 10-m pixels."""
        return mosaic(cut, lambda col, row: self.cells(cut.epsg, col, row, year).layers[layers])

    def alone(self, tile: tuple[int, int], cut: Cut, year: int, layers: slice = slice(None)) -> np.ndarray:
        """As `window`, of a cut around one tile (column, row): beyond its edges the tile itself comes again.

        So that a coarse view's tile needs no neighbours.
        """
        own = self.cells(cut.epsg, *tile, year).layers[layers]
        rows, cols = np.arange(cut.row, cut.row + cut.height) % TILE, np.arange(cut.col, cut.col + cut.width) % TILE
        return np.ascontiguousarray(own[:, rows[:, None], cols])

    def _find(self, key: tuple[int, int, int], year: int) -> Cells | None:
        with self._guard:
            for cells in self._tiles.get(key, ()):
                if cells.first_year <= year < cells.after_year:
                    self._tiles.move_to_end(key)
                    return cells
        return None

    def _keep(self, key: tuple[int, int, int], cells: Cells) -> None:
        with self._guard:
            self._busy.pop(key, None)
            self._tiles.setdefault(key, []).append(cells)
            self._tiles.move_to_end(key)
            self.kept_bytes += cells.layers.nbytes
            while self.kept_bytes > self._bound:
                self.kept_bytes -= sum(each.layers.nbytes for each in self._tiles.popitem(last=False)[1])

    def forget(self) -> None:
        """Lets go of everything."""
        with self._guard:
            self._tiles.clear()
            self.kept_bytes = 0
