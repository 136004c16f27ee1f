"""Ten-metre pixels of the truth: how much of each class, how bright, how high, and how much wall; kept in a cache."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from local_ee.world import materials as m
from local_ee.world.compiled import compiled
from local_ee.world.fields import near
from local_ee.world.lattice import Cut, mosaic
from local_ee.world.materials import kind_of
from local_ee.world.places import places
from local_ee.world.plane import lonlat_of_utm, plane_of
from local_ee.world.truth import TILE_M, draw_tile

CELLS = TILE_M // 10
# Layers after the class counts (0 to 100 square metres each).
BRIGHT, TONE_1, TONE_2, HEIGHT, WALL, FACING, BORN = range(m.COUNT, m.COUNT + 7)
LAYERS = m.COUNT + 7
_REACH_M = 9000.0
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


def canvas_of(epsg: int, column: int, row: int, year: int) -> tuple[np.ndarray, np.ndarray, int, int]:
    """The drawn world tile of a zone (columns of 1280 m east, rows of 1280 m south): see truth.draw_tile."""
    left, top = float(column * TILE_M), float(-row * TILE_M)
    x, y = plane_of(*lonlat_of_utm(left + TILE_M / 2, top - TILE_M / 2, epsg))
    table = places()
    return draw_tile(epsg, left, top, year, *near(table, x, y, _REACH_M), table.land)


class CellCache:
    """Tiles' 10-m pixels by year, drawn when first asked for and kept while there is room; any thread may ask."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._tiles: OrderedDict[tuple[int, int, int], list[Cells]] = OrderedDict()
        self._busy: dict[tuple[int, int, int], threading.Lock] = {}
        self._guard = threading.Lock()

    def cells(self, epsg: int, column: int, row: int, year: int) -> Cells:
        """The tile's pixels in a year; years in which it looks the same share one drawing."""
        key = (epsg, column, row)
        tile_cells = self._find(key, year)
        if tile_cells is not None:
            return tile_cells
        with self._guard:
            turn = self._busy.setdefault(key, threading.Lock())
        with turn:
            tile_cells = self._find(key, year)
            if tile_cells is None:
                canvas, facing, first, after = canvas_of(epsg, column, row, year)
                tile_cells = Cells(pool(canvas, facing), first, after)
                self._keep(key, tile_cells)
        return tile_cells

    def window(self, cut: Cut, year: int, layers: slice = slice(None)) -> np.ndarray:
        """Layers [layer, row, column] of any 10-m pixels."""
        return mosaic(cut, lambda col, row: self.cells(cut.epsg, col, row, year).layers[layers])

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
            while sum(map(len, self._tiles.values())) > self._capacity and len(self._tiles) > 1:
                self._tiles.popitem(last=False)
