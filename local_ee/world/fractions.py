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
from local_ee.world.materials import first_of, height_of, kind_of, second_of
from local_ee.world.places import places
from local_ee.world.plane import lonlat_of_utm, plane_of
from local_ee.world.truth import TILE_M, draw_tile

CELLS = TILE_M // 10
# Layers after the class counts (0 to 100 square metres each).
BRIGHT, TONE_1, TONE_2, HEIGHT, WALL, FACING, BORN = range(m.COUNT, m.COUNT + 7)
LAYERS = m.COUNT + 7
_REACH_M = 9000.0


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
    counts = np.zeros(m.COUNT, np.int64)
    for row in range(side):
        for col in range(side):
            counts[:] = 0
            bright = tone1 = tone2 = high = roofs = wall = born = hard = 0
            for y in range(10 * row, 10 * row + 10):
                for x in range(10 * col, 10 * col + 10):
                    pixel = canvas[y, x]
                    material, height = kind_of(pixel), height_of(pixel)
                    counts[material] += 1
                    if material >= m.FIRST_IMPERVIOUS:
                        bright += first_of(pixel)
                        born = max(born, second_of(pixel))
                        hard += 1
                        if height > 0:
                            high += height
                            roofs += 1
                    else:
                        tone1 += first_of(pixel)
                        tone2 += second_of(pixel)
                    if canvas[y, x + 1] != pixel:
                        wall += abs(height - height_of(canvas[y, x + 1]))
                    if canvas[y + 1, x] != pixel:
                        wall += abs(height - height_of(canvas[y + 1, x]))
            for material in range(m.COUNT):
                out[material, row, col] = counts[material]
            out[BRIGHT, row, col] = bright // hard if hard else 128
            soft = 100 - hard
            out[TONE_1, row, col] = tone1 // soft if soft else 128
            out[TONE_2, row, col] = tone2 // soft if soft else 128
            out[HEIGHT, row, col] = high // roofs if roofs else 0
            out[WALL, row, col] = min(wall // 8, 255)
            out[FACING, row, col] = facing[row, col]
            out[BORN, row, col] = born
    return out


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
