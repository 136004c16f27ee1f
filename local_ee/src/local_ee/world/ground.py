"""Reflectance of the ground on the 10-m lattice in a month, before any sensor: classes mixed, toned and shaded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from local_ee.world import materials as m
from local_ee.world import overview, spectra, sun
from local_ee.world.compiled import Beginning, compiled, over_arrays
from local_ee.world.fractions import BRIGHT, HEIGHT, TONE_1, TONE_2, WALL, CellCache
from local_ee.world.lattice import TILE, Cut, TileCache, mosaic, pooled
from local_ee.world.noise import (
    column_key,
    column_keys,
    derive,
    next_row,
    point_hash,
    row_state,
    seed_of,
    smooth,
    unit,
)
from local_ee.world.relief import light_and_snow, site_of

_S_TEXTURE, _S_GRAIN = seed_of("texture"), seed_of("grain")
_FIRST_BANDS = 100  # of tiles, that NumPy mixes (compiled.Beginning)
SHADE_REACH = 12  # 10-m pixels a building's shadow is followed
# Shaded / sunlit, local_ee/docs/world.md, "Materials"
SHADE = (0.55, 0.50, 0.50, 0.50, 0.45, 0.40, 0.37, 0.35, 0.35, 0.33, 0.28, 0.28)
SNOW = (8600, 8900, 8900, 8800, 8700, 8500, 8300, 8100, 7900, 6000, 1000, 800)  # fresh snow (general knowledge)
_SNOW_ON_TREES, _SNOW_ON_TOWN = 0.3, 0.5  # of what lies on open ground


def shade_of(layers: np.ndarray, margin: int, step_east: float, step_south: float, reach_per_m: float) -> np.ndarray:
    """Share of each 10-m pixel that buildings shade: [row, column] float32, from layers with a margin.

    The margin lies below and on the right: the sun of sun.AZIMUTH_DEG stands in the south-east.
    """
    height, width = layers.shape[1] - margin, layers.shape[2] - margin
    roofs = layers[m.FIRST_ROOF : m.COUNT].sum(axis=0, dtype=np.float64)
    reaches = layers[HEIGHT] * reach_per_m / 10.0
    lit = 1.0 - np.minimum(0.8, 0.0225 * layers[WALL, :height, :width] * reach_per_m)
    # along the sun's path, until the highest roof cannot reach
    for tap in range(1, min(margin - 1, int(reaches.max(initial=0.0) + 0.5)) + 1):
        down, right = round(tap * step_south), round(tap * step_east)
        there = slice(down, down + height), slice(right, right + width)
        lit *= 1.0 - 0.01 * roofs[there] * np.clip(reaches[there] - tap + 0.5, 0.0, 1.0)
    return ((1.0 - lit) * (1.0 - 0.01 * roofs[:height, :width])).astype(np.float32)


# Classes in the inner loop, as most pixels have few: empty ones are skipped. float32, the sensor's own precision,
# summed in a fixed order, so that a window has the same bits as the whole.
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


def _mix_by_numpy(layers, shade, means, first, second, grains, band, corner):
    (clutter, grain), (index, darkness), (col0, row0) = grains, band, corner
    (height, width), noise = shade.shape, over_arrays(smooth)
    rows, cols = np.arange(row0, row0 + height)[:, None], np.arange(col0, col0 + width)
    coarse = noise(_S_TEXTURE, cols / 2.6, rows / 2.6)
    own = noise(_S_TEXTURE + np.uint64(1 + index), cols / 2.6, rows / 2.6)
    h = over_arrays(point_hash)(over_arrays(column_key)(_S_GRAIN, cols), rows)
    shared = (1.2 * coarse + 2.6 * (over_arrays(unit)(h) - 0.5)).astype(np.float32)
    tone = (1.5 * own + 2.2 * (over_arrays(unit)(over_arrays(derive)(h, 1 + index)) - 0.5)).astype(np.float32)
    bright, tone1, tone2 = (layers[layer, :height, :width] for layer in (BRIGHT, TONE_1, TONE_2))
    total = np.zeros(shade.shape, np.float32)
    for material in range(m.COUNT):
        value = means[material] * layers[material, :height, :width].astype(np.float32)
        is_hard = material >= m.FIRST_IMPERVIOUS
        value *= first[material][bright] if is_hard else first[material][tone1] * second[material][tone2]
        total += value * (np.float32(1.0) + clutter[material] * shared + grain[material] * tone)
    return np.float32(0.01) * total * (np.float32(1.0) - darkness * shade)


_mixing = Beginning(mix_band, _FIRST_BANDS, instead=_mix_by_numpy)


def uneven(level: np.ndarray, layers: np.ndarray, slopes: np.ndarray, white: np.float32) -> np.ndarray:
    """Level ground's digital numbers under snow and on slopes (see relief.light_and_snow): [row, column] float32."""
    trees = layers[m.EVERGREEN : m.DECIDUOUS + 1].sum(axis=0, dtype=np.float64)
    town = layers[m.FIRST_IMPERVIOUS : m.COUNT].sum(axis=0, dtype=np.float64)
    kept = 1.0 - 0.01 * ((1.0 - _SNOW_ON_TREES) * trees + (1.0 - _SNOW_ON_TOWN) * town)
    share = (kept * slopes[1]).astype(np.float32)
    return (level + share * (white - level)) * slopes[0]


class GroundReflectance:
    """Ground reflectance by tile, year, month and band; shared by the scenes of a month."""

    def __init__(self, cells: CellCache, bound_bytes: int = 56 << 20) -> None:
        self._cells = cells
        self._tiles = TileCache(bound_bytes)
        self._coarse = TileCache(bound_bytes // 2)

    def band(self, cut: Cut, year: int, month: int, band: str) -> np.ndarray:
        """Digital numbers (reflectance x 10 000) of any 10-m pixels: float32 [row, column]."""
        index = spectra.BANDS.index(band)
        return mosaic(cut, lambda col, row: self._band(cut.epsg, col, row, year, month, index))

    def overview(self, cut: Cut, year: int, month: int, bands: Sequence[str]) -> np.ndarray:
        """Digital numbers of a coarse cut (see overview.py): float32 [band, row, column]."""

        def tile(col: int, row: int) -> np.ndarray:
            return np.stack(
                [self._pooled(cut.epsg, col, row, year, month, spectra.BANDS.index(band)) for band in bands]
            )

        return overview.sampled(cut, len(bands), tile)

    def _pooled(self, epsg: int, col: int, row: int, year: int, month: int, index: int) -> np.ndarray:
        """A tile's band in coarse pixels; kept apart from fine ones, of which a coarse view would fill the memory."""

        def make() -> np.ndarray:
            shade = self._tiles.get(("alone", epsg, col, row, year, month), lambda: self._lone_shade(*place))
            return pooled(self._drawn(place, index, shade), overview.FACTOR)

        place = epsg, col, row, year, month
        return self._coarse.get((index, *place), make)

    def _lone_shade(self, epsg: int, col: int, row: int, year: int, month: int) -> np.ndarray:
        """As `_shade`, with the tile's own buildings beyond its edges: its neighbours need not be drawn."""
        return _shade_in(self._cells.alone((col, row), _shading(epsg, col, row), year), month)

    def shade(self, epsg: int, col: int, row: int, year: int, month: int) -> np.ndarray:
        """Share of a tile's pixels that buildings shade."""
        return self._tiles.get(("shade", epsg, col, row, year, month), lambda: self._shade(epsg, col, row, year, month))

    def _shade(self, epsg: int, col: int, row: int, year: int, month: int) -> np.ndarray:
        return _shade_in(self._cells.window(_shading(epsg, col, row), year), month)

    def _band(self, epsg: int, col: int, row: int, year: int, month: int, index: int) -> np.ndarray:
        def make() -> np.ndarray:
            place = epsg, col, row, year, month
            return self._drawn(place, index, self.shade(*place))

        return self._tiles.get((index, epsg, col, row, year, month), make)

    def _drawn(self, place: tuple[int, int, int, int, int], index: int, shade: np.ndarray) -> np.ndarray:
        """A band of a tile (zone, column, row, year, month) under a shade."""
        epsg, col, row, year, month = place
        layers = self._cells.cells(epsg, col, row, year).layers
        climate = site_of(epsg, col, row).climate
        first, second = spectra.tone_tables(index, month, climate)
        means, grain = spectra.mean_spectra(month, climate)[:, index].copy(), spectra.texture(index)
        grains, dark = (spectra.clutter(), grain), (index, np.float32(1 - SHADE[index]))
        level = _mixing(1)(layers, shade, means, first, second, grains, dark, (col * TILE, row * TILE))
        slopes = light_and_snow(epsg, col, row, month)
        return level if slopes is None else uneven(level, layers, slopes, np.float32(SNOW[index]))


def _shading(epsg: int, col: int, row: int) -> Cut:
    """A tile's pixels and those whose buildings shade it."""
    return Cut(epsg, row * TILE, col * TILE, TILE + SHADE_REACH, TILE + SHADE_REACH)


def _shade_in(around: np.ndarray, month: int) -> np.ndarray:
    east, south, reach = sun.direction(month)
    return shade_of(around, SHADE_REACH, east, south, reach)
