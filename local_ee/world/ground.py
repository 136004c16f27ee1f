"""Reflectance of the ground on the 10-m lattice in a month, before any sensor: classes mixed, toned and shaded."""

from __future__ import annotations

import numpy as np

from local_ee.world import materials as m
from local_ee.world import spectra, sun
from local_ee.world.compiled import compiled
from local_ee.world.fractions import BRIGHT, HEIGHT, TONE_1, TONE_2, WALL, CellCache
from local_ee.world.lattice import TILE, Cut, TileCache, mosaic
from local_ee.world.noise import column_keys, derive, next_row, point_hash, row_state, seed_of, unit
from local_ee.world.relief import light_and_snow, site_of

_S_TEXTURE, _S_GRAIN = seed_of("texture"), seed_of("grain")
SHADE_REACH = 12  # 10-m pixels a building's shadow is followed
# Shaded / sunlit, docs/reference/world.md, "Materials"
SHADE = (0.55, 0.50, 0.50, 0.50, 0.45, 0.40, 0.37, 0.35, 0.35, 0.33, 0.28, 0.28)
SNOW = (8600, 8900, 8900, 8800, 8700, 8500, 8300, 8100, 7900, 6000, 1000, 800)  # fresh snow (general knowledge)
_SNOW_ON_TREES, _SNOW_ON_TOWN = 0.3, 0.5  # of what lies on open ground


@compiled
def shade_of(layers, margin, step_east, step_south, reach_per_m):
    """Share of each 10-m pixel that buildings shade: [row, column] float32, from layers with a margin.

    The margin lies below and on the right: the sun of sun.AZIMUTH_DEG stands in the south-east.
    """
    height, width = layers.shape[1] - margin, layers.shape[2] - margin
    out = np.zeros((height, width), np.float32)
    longest = 0.0
    for row in range(layers.shape[1]):
        for col in range(layers.shape[2]):
            longest = max(longest, layers[HEIGHT, row, col] * reach_per_m / 10.0)
    taps = min(margin - 1, int(longest + 0.5))
    for row in range(height):
        for col in range(width):
            y, x = row, col
            roofs = 0.0
            for material in range(m.FIRST_ROOF, m.COUNT):
                roofs += layers[material, y, x]
            open_share = 1.0 - 0.01 * roofs
            lit = 1.0 - min(0.8, 0.0225 * layers[WALL, y, x] * reach_per_m)
            for tap in range(1, taps + 1):
                yy, xx = y + round(tap * step_south), x + round(tap * step_east)
                blocked = layers[HEIGHT, yy, xx] * reach_per_m / 10.0 - tap + 0.5
                if blocked > 0.0:
                    cover = 0.0
                    for material in range(m.FIRST_ROOF, m.COUNT):
                        cover += layers[material, yy, xx]
                    lit *= 1.0 - 0.01 * cover * min(blocked, 1.0)
            out[row, col] = (1.0 - lit) * open_share
    return out


@compiled
def mix_band(layers, shade, means, first, second, grains, band, corner):
    """Digital numbers of a band [row, column] float32.

    grains: spread of texture common to all bands and of the band's own, by class; band: its index and what shadow takes
    of it; corner: the window's column and row on the 10-m lattice.
    """
    (clutter, grain), (index, darkness), (col0, row0) = grains, band, corner
    height, width = shade.shape
    out = np.empty((height, width), np.float32)
    coarse, own = np.empty(width), np.empty(width)
    coarse_state, own_state = row_state(width), row_state(width)
    keys = column_keys(_S_GRAIN, col0, width)
    own_texture = _S_TEXTURE + np.uint64(1 + index)
    for row in range(height):
        next_row(_S_TEXTURE, col0, 1.0, 2.6, (row0 + row) / 2.6, coarse_state, coarse)
        next_row(own_texture, col0, 1.0, 2.6, (row0 + row) / 2.6, own_state, own)
        for col in range(width):
            h = point_hash(keys[col], row0 + row)
            shared = np.float32(1.2 * coarse[col] + 2.6 * (unit(h) - 0.5))
            tone = np.float32(1.5 * own[col] + 2.2 * (unit(derive(h, 1 + index)) - 0.5))
            bright, tone1, tone2 = layers[BRIGHT, row, col], layers[TONE_1, row, col], layers[TONE_2, row, col]
            total = np.float32(0.0)
            for material in range(m.COUNT):
                share = layers[material, row, col]
                if share > 0:
                    value = means[material] * np.float32(share)
                    value *= (
                        first[material, bright]
                        if material >= m.FIRST_IMPERVIOUS
                        else first[material, tone1] * second[material, tone2]
                    )
                    total += value * (np.float32(1.0) + clutter[material] * shared + grain[material] * tone)
            out[row, col] = np.float32(0.01) * total * (np.float32(1.0) - darkness * shade[row, col])
    return out


@compiled
def uneven(level, layers, slopes, white):
    """Level ground's digital numbers under snow and on slopes (see relief.light_and_snow): [row, column] float32."""
    out = np.empty_like(level)
    for row in range(level.shape[0]):
        for col in range(level.shape[1]):
            trees = town = 0.0
            for material in range(m.EVERGREEN, m.COUNT):
                if material <= m.DECIDUOUS:
                    trees += layers[material, row, col]
                elif material >= m.FIRST_IMPERVIOUS:
                    town += layers[material, row, col]
            kept = 1.0 - 0.01 * ((1.0 - _SNOW_ON_TREES) * trees + (1.0 - _SNOW_ON_TOWN) * town)
            share = np.float32(kept * slopes[1, row, col])
            value = level[row, col] + share * (white - level[row, col])
            out[row, col] = value * slopes[0, row, col]
    return out


class GroundReflectance:
    """Ground reflectance by tile, year, month and band; shared by the scenes of a month."""

    def __init__(self, cells: CellCache, capacity: int) -> None:
        self._cells = cells
        self._tiles = TileCache(capacity)

    def band(self, cut: Cut, year: int, month: int, band: str) -> np.ndarray:
        """Digital numbers (reflectance x 10 000) of any 10-m pixels: float32 [row, column]."""
        index = spectra.BANDS.index(band)
        return mosaic(cut, lambda col, row: self._band(cut.epsg, col, row, year, month, index))

    def shade(self, epsg: int, col: int, row: int, year: int, month: int) -> np.ndarray:
        """Share of a tile's pixels that buildings shade."""
        return self._tiles.get(("shade", epsg, col, row, year, month), lambda: self._shade(epsg, col, row, year, month))

    def _shade(self, epsg: int, col: int, row: int, year: int, month: int) -> np.ndarray:
        r = SHADE_REACH
        around = Cut(epsg, row * TILE, col * TILE, TILE + r, TILE + r)
        east, south, reach = sun.direction(month)
        return shade_of(self._cells.window(around, year), r, east, south, reach)

    def _band(self, epsg: int, col: int, row: int, year: int, month: int, index: int) -> np.ndarray:
        def make() -> np.ndarray:
            layers = self._cells.cells(epsg, col, row, year).layers
            climate = site_of(epsg, col, row).climate
            first, second = spectra.tone_tables(index, month, climate)
            shade = self.shade(epsg, col, row, year, month)
            means, grain = spectra.mean_spectra(month, climate)[:, index].copy(), spectra.texture(index)
            grains, dark = (spectra.clutter(), grain), (index, np.float32(1 - SHADE[index]))
            level = mix_band(layers, shade, means, first, second, grains, dark, (col * TILE, row * TILE))
            slopes = light_and_snow(epsg, col, row, month)
            return level if slopes is None else uneven(level, layers, slopes, np.float32(SNOW[index]))

        return self._tiles.get((index, epsg, col, row, year, month), make)
