"""Radar brightness of the ground on the 10-m lattice, before speckle: classes, incidence, walls and corners.

Numbers: local_ee/docs/world.md, "Radar backscatter", "Street orientation" and "Incidence angle", in dB of sigma0
at 39 degrees of incidence.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from local_ee.world import materials as m
from local_ee.world import radar
from local_ee.world.compiled import compiled
from local_ee.world.fractions import FACING, HEIGHT, TONE_1, TONE_2, WALL, CellCache
from local_ee.world.lattice import TILE, Cut, TileCache, mosaic
from local_ee.world.noise import derive, draw_normal, hash2, seed_of, unit
from local_ee.world.overview import FACTOR, sampled

# Middle of the swath's 29.1 to 46 degrees, and about where the samples' means were measured.
REFERENCE_DEG = 39.0
MARGIN = 10  # pixels beside a tile from which tall walls lean in
_S_CORNER = seed_of("radar corner")
# VV and VH of level ground in dB; water is added by each date's wind, built ground is what no wall brightens.
_VV = {
    m.EVERGREEN: -7.3, m.DECIDUOUS: -7.6, m.LAWN: -11.8, m.CROP_DOUBLE: -11.2, m.PADDY: -11.5, m.CROP_DRY: -11.0,
    m.BARE: -11.9, m.ASPHALT: -15.5, m.CONCRETE: -14.5, m.ROOF_DARK: -11.5, m.ROOF_LIGHT: -11.5, m.ROOF_CLAY: -11.0,
    m.ROOF_METAL: -11.0, m.ROOF_BLUE: -11.0,
}  # fmt: skip
_VH = {
    m.EVERGREEN: -13.2, m.DECIDUOUS: -13.5, m.LAWN: -17.2, m.CROP_DOUBLE: -16.5, m.PADDY: -17.3, m.CROP_DRY: -16.4,
    m.BARE: -18.9, m.ASPHALT: -24.0, m.CONCRETE: -22.5, m.ROOF_DARK: -19.2, m.ROOF_LIGHT: -19.2, m.ROOF_CLAY: -18.7,
    m.ROOF_METAL: -19.2, m.ROOF_BLUE: -19.2,
}  # fmt: skip
# dB a degree: ours, in the order of doi:10.3390/rs17030361 (local_ee/docs/world.md, "Incidence angle").
_SLOPE = {
    m.EVERGREEN: 0.08,
    m.DECIDUOUS: 0.08,
    m.LAWN: 0.15,
    m.CROP_DOUBLE: 0.15,
    m.PADDY: 0.15,
    m.CROP_DRY: 0.15,
    m.BARE: 0.20,
}
_BUILT_SLOPE = 0.05  # dB per degree, VV; VH takes 0.8 of each
# What season adds to VV and VH of crops in dB: flooded paddies mirror the pulse away, full stands scatter it back.
_SEASON = {
    m.PADDY: (-2.1, -2.1, -1.4, -1.4, -2.4, -4.4, -0.7, 3.1, 2.5, 0.0, -1.1, -1.7),
    m.CROP_DOUBLE: (-0.8, 0.3, 1.7, 2.1, -0.8, -1.8, 1.0, 3.2, 1.5, -1.4, -1.8, -1.1),
    m.CROP_DRY: (-1.4, -1.1, -0.3, 0.3, 0.0, 0.7, 2.1, 2.5, 1.4, -0.3, -0.8, -1.4),
    m.LAWN: (-0.8, -0.8, -0.3, 0.3, 0.6, 0.8, 0.9, 0.9, 0.6, 0.2, -0.3, -0.7),
    m.DECIDUOUS: (-0.5, -0.5, -0.2, 0.3, 0.4, 0.3, 0.2, 0.2, 0.2, 0.1, -0.2, -0.4),
    m.BARE: (0.2, 0.3, 0.5, 0.6, 0.6, 0.8, 0.6, -0.4, -0.6, -0.6, -0.2, 0.0),
}
GLINTS = 0.004  # of pixels without buildings
# Of built pixels hold a corner that returns far more: Beijing's tail (local_ee/docs/world.md, "Radar backscatter")
TAIL_SHARE = 0.020
# What a square metre of wall sends back for a square metre of ground, in any direction and more where it faces the
# track: fitted to Paris by three orbits and to Beijing (local_ee/docs/world.md, "Street orientation")
WALL_VV, FACING_VV, WALL_VH = 29.0, 11.0, 3.5
WALL_SPREAD = 0.15  # of walls' powers of ten


@lru_cache(maxsize=256)
def tables(month: int, incidence_deg: float) -> np.ndarray:
    """Linear sigma nought of each class (water 0): float32 [2, class], VV then VH."""
    out = np.zeros((2, m.COUNT))
    tilt = incidence_deg - REFERENCE_DEG
    for row, (level, share) in enumerate(((_VV, 1.0), (_VH, 0.8))):
        for material, db in level.items():
            slope = _SLOPE.get(material, _BUILT_SLOPE)
            season = _SEASON.get(material, (0.0,) * 12)[month - 1]
            out[row, material] = 10 ** ((db + season - slope * share * tilt) / 10)
    return out.astype(np.float32)


# Exponentials of a byte come from tables of 256; the rest depends on each pixel's classes, so branches skip most of it.
@compiled
def scatter(layers, levels, calm, view, col0, row0):
    """Linear sigma0 of land (VV, VH), and factors on that of open water (VV, VH): float32 [4, row, column].

    view: the track's heading in degrees, how many pixels east a metre of height leans (west: negative), and the columns
    of margin that `layers` has on each side, out of which walls lean into the picture. col0, row0: without margin.
    """
    heading_deg, lean, margin = view
    height, width = layers.shape[1], layers.shape[2] - 2 * margin
    out = np.zeros((4, height, width), np.float32)
    facing = np.empty(256)
    # How VV falls off where walls turn away from the track (local_ee/docs/world.md, "Street orientation").
    for byte in range(256):
        turn = abs(np.uint8(byte) - heading_deg) % 90.0
        turn = min(turn, 90.0 - turn)
        facing[byte] = math.exp(-((turn / 25.0) ** 2))
    for row in range(height):
        for col in range(width + 2 * margin):
            key = hash2(_S_CORNER, col0 + col - margin, row0 + row)
            soft = built = 0
            for material in range(m.EVERGREEN, m.FIRST_IMPERVIOUS):
                soft += layers[material, row, col]
            # Fields differ by roughness and moisture; now and then a pylon, a boat or a wet terrace shines.
            z = (layers[TONE_1, row, col] - 128) / 32.0 * 1.3 - (layers[TONE_2, row, col] - 128) / 32.0 * 0.4
            if unit(derive(key, 7)) < GLINTS:
                z += 6.0 + 6.0 * abs(draw_normal(key, 8))
            soft_gain = 10.0 ** (0.1 * z) if soft else 1.0
            vv = vh = 0.0
            for material in range(m.EVERGREEN, m.COUNT):
                share = layers[material, row, col]
                if share > 0:
                    gain = 1.0 if material >= m.FIRST_IMPERVIOUS else soft_gain
                    vv += share * levels[0, material] * gain
                    vh += share * levels[1, material] * gain
                    built += share if material >= m.FIRST_IMPERVIOUS else 0
            dim = 1.0 if lean == 0.0 else _radar_shade(layers, row, col, lean)
            vv, vh = 0.01 * dim * vv, 0.01 * dim * vh
            here = col - margin
            if 0 <= here < width:
                out[0, row, here] += vv
                out[1, row, here] += vh
                water = 0.01 * (np.float64(layers[m.RIVER, row, col]) + layers[m.LAKE, row, col])
                out[2, row, here], out[3, row, here] = water * calm[0], water * calm[1]
            if built > 0 and layers[WALL, row, col] > 0:
                wall = 0.08 * layers[WALL, row, col]
                strength = 0.01 * wall * 10.0 ** (WALL_SPREAD * draw_normal(key, 1))
                vv = strength * (WALL_VV + FACING_VV * facing[layers[FACING, row, col]])
                vh = strength * WALL_VH
                if unit(derive(key, 2)) < TAIL_SHARE:
                    burst = 10.0 ** (0.1 * min(5.0 + 7.0 * abs(draw_normal(key, 3)), 25.0))
                    vv += 0.8 * burst * min(wall, 1.5)
                    vh += 0.05 * burst * min(wall, 1.5)
                here += round(0.5 * lean * layers[HEIGHT, row, col])
                if 0 <= here < width:
                    out[0, row, here] += vv
                    out[1, row, here] += vh
    return out


@compiled
def _radar_shade(layers, row, col, lean):
    """Brightness left to a pixel by tall roofs between it and the sensor: their shadow is 0.8 of their lean."""
    step = 1 if lean > 0.0 else -1
    for tap in range(1, 5):
        at = col + step * tap
        if at < 0 or at >= layers.shape[2]:
            break
        if 0.8 * abs(lean) * layers[HEIGHT, row, at] > tap - 0.5:
            roofs = 0
            for material in range(m.FIRST_ROOF, m.COUNT):
                roofs += layers[material, row, at]
            if roofs > 25:
                return 0.5
    return 1.0


class Backscatter:
    """Radar brightness by tile, year, month, heading and incidence; shared by the passes of a month."""

    def __init__(self, cells: CellCache, bound_bytes: int = 80 << 20) -> None:
        self._cells = cells
        self._tiles = TileCache(bound_bytes)

    def land(self, cut: Cut, year: int, month: int, heading_deg: int, incidence_deg) -> np.ndarray:
        """VV and VH of land, factors on VV and VH of water: float32 [4, row, column] of any 10-m pixels.

        `incidence_deg(column, row)` gives a tile's angle; it is rounded to a tenth of a degree.
        """

        def tile(col: int, row: int) -> np.ndarray:
            angle = round(incidence_deg(col, row), 1)
            key = (cut.epsg, col, row, year, month, heading_deg, angle)
            return self._tiles.get(key, lambda: self._tile(*key))

        return mosaic(cut, tile)

    def overview(self, cut: Cut, year: int, month: int, heading_deg: int, incidence_deg) -> np.ndarray:
        """As `land`, of a coarse cut's pixels (see overview.py), seen through the sensor's point response."""

        def tile(col: int, row: int) -> np.ndarray:
            key = (cut.epsg, col, row, year, month, heading_deg, round(incidence_deg(col, row), 1))
            return self._tiles.get(("alone", *key), lambda: radar.sampled(self._tile(*key, alone=True), FACTOR))

        return sampled(cut, 4, tile)

    def _tile(
        self, epsg: int, col: int, row: int, year: int, month: int, heading_deg: int, angle: float, *,
        alone: bool = False,
    ) -> np.ndarray:  # fmt: skip
        around = Cut(epsg, row * TILE, col * TILE - MARGIN, TILE, TILE + 2 * MARGIN)
        layers = self._cells.alone((col, row), around, year) if alone else self._cells.window(around, year)
        # A roof is seen height / tan(incidence) nearer to the sensor: west on ascending tracks, else east.
        lean = (-0.1 if heading_deg > 45 else 0.1) / math.tan(math.radians(angle))
        tilt = angle - REFERENCE_DEG
        calm = np.array([10 ** (-0.05 * tilt), 10 ** (-0.04 * tilt)])  # water falls .5 dB per degree in VV
        return scatter(layers, tables(month, angle), calm, (float(heading_deg), lean, MARGIN), col * TILE, row * TILE)
