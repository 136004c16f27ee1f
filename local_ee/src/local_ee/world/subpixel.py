"""Sentinel-2 from the 1-m canvas: each overpass samples the ground at its own phase, through the instrument's MTF.

The plain world averages the canvas to 10-m cells first, so that all dates are drawn from the same numbers. Here the
ground is kept in cells of 2 m; an overpass lays its own lattice over it, each of whose samples is a Gaussian view of
the ground (local_ee/docs/world.md, "Sentinel-2 sensor": sigma of the whole response), and a cubic spline carries the
samples to the product's pixels. Several dates of one place then tell more than one. Sentinel-1 stays as it is: its
response of 20 m passes 2 % of contrast at the 10-m pixels' Nyquist frequency, so its dates hide nothing.
"""

from __future__ import annotations

import numpy as np

from local_ee.world import materials as m
from local_ee.world import spectra, sun
from local_ee.world.compiled import compiled
from local_ee.world.fine import Canvases, shadows
from local_ee.world.ground import SHADE, SNOW
from local_ee.world.lattice import TILE, Cut, TileCache, mosaic
from local_ee.world.materials import first_of, kind_of, second_of
from local_ee.world.noise import draw, seed_of, smooth_row
from local_ee.world.optical import Camera, Overpass, Sample
from local_ee.world.relief import light_and_snow, site_of

CELL_M = 2
_CELLS = TILE * 10 // CELL_M
_CAST_M = 120  # shadows are followed so far
_SIGMA_PX = {"B2": 0.52, "B3": 0.51, "B4": 0.54, "B8": 0.52, "B5": 0.44, "B6": 0.47, "B7": 0.47, "B8A": 0.55,
             "B11": 0.52, "B12": 0.55, "B1": 0.48, "B9": 0.47}  # fmt: skip
_REACH_PX = 4.5  # of the response and the spline around a pixel's middle
_GRAIN_CELLS = 4.5  # 9 m: what 10-m pixels see as texture
_S_COMMON, _S_OWN = seed_of("fine texture"), seed_of("fine texture of bands")


class SubpixelGround:
    """Ground reflectance in cells of 2 m by tile, year, month and band."""

    def __init__(self, canvases: Canvases, bound_bytes: int = 192 << 20) -> None:
        self._canvases = canvases
        self._tiles = TileCache(bound_bytes)

    def band(self, cut: Cut, year: int, month: int, band: str) -> np.ndarray:
        """Digital numbers (reflectance x 10 000) of any 2-m cells: float32 [row, column]."""
        index = spectra.BANDS.index(band)
        return mosaic(cut, lambda col, row: self._band(cut.epsg, col, row, year, month, index))

    def _canvas(self, epsg: int, col: int, row: int, year: int) -> np.ndarray:
        side = TILE * 10
        return self._canvases.window(Cut(epsg, row * side, col * side, side, side, 1), year)

    def _shade(self, epsg: int, col: int, row: int, year: int, month: int) -> np.ndarray:
        def make() -> np.ndarray:
            side, r = TILE * 10, _CAST_M
            around = Cut(epsg, row * side - r, col * side - r, side + 2 * r, side + 2 * r, 1)
            return shadows(self._canvases.window(around, year), r, *sun.direction(month))

        return self._tiles.get(("shade", epsg, col, row, year, month), make)

    def _band(self, epsg: int, col: int, row: int, year: int, month: int, index: int) -> np.ndarray:
        def make() -> np.ndarray:
            climate = site_of(epsg, col, row).climate
            tables = spectra.tone_tables(index, month, climate)
            means, grain = spectra.mean_spectra(month, climate)[:, index].copy(), spectra.texture(index)
            canvas, shade = self._canvas(epsg, col, row, year), self._shade(epsg, col, row, year, month)
            grains, dark = (spectra.clutter(), grain), (index, np.float32(SHADE[index]))
            out = paint_cells(canvas, shade, means, tables, grains, dark, (col, row))
            slopes = light_and_snow(epsg, col, row, month)
            if slopes is None:
                return out
            light, snow = np.repeat(np.repeat(slopes, 10 // CELL_M, axis=1), 10 // CELL_M, axis=2)
            return ((out + 0.7 * snow * (SNOW[index] - out)) * light).astype(np.float32)

        return self._tiles.get((index, epsg, col, row, year, month), make)


# As ground.mix_band, from four canvas pixels a cell: a pixel has one class, so nothing is summed over classes.
@compiled
def paint_cells(canvas, shade, means, tables, grains, band, tile):
    """Digital numbers of 2-m cells [row, column] float32: means of the canvas's pixels, toned, shaded, textured.

    tables: as spectra.tone_tables gives; grains: as ground.mix_band; band: its index and its brightness in shadow;
    tile: its column and row.
    """
    (first, second), (clutter, grain), (index, dark) = tables, grains, band
    side = canvas.shape[0] // CELL_M
    out = np.empty((side, side), np.float32)
    common, own = np.empty(side), np.empty(side)
    weight = np.float32(1.0 / (CELL_M * CELL_M))
    for row in range(side):
        y = (tile[1] * side + row) / _GRAIN_CELLS
        smooth_row(_S_COMMON, tile[0] * side, 1.0, _GRAIN_CELLS, y, common)
        smooth_row(_S_OWN + np.uint64(index), tile[0] * side, 1.0, _GRAIN_CELLS, y, own)
        for col in range(side):
            total = np.float32(0.0)
            shared, tone = np.float32(2.2 * common[col]), np.float32(2.2 * own[col])
            for dy in range(CELL_M):
                for dx in range(CELL_M):
                    pixel = canvas[CELL_M * row + dy, CELL_M * col + dx]
                    material = kind_of(pixel)
                    value = means[material] * first[material, first_of(pixel)]
                    if material < m.FIRST_IMPERVIOUS:
                        value *= second[material, second_of(pixel)]
                    if shade[CELL_M * row + dy, CELL_M * col + dx]:
                        value *= dark
                    total += value * (np.float32(1.0) + clutter[material] * shared + grain[material] * tone)
            out[row, col] = weight * max(total, np.float32(0.0))
    return out


def response(shift_px: float, phase_px: float, sigma_px: float, cells: int) -> np.ndarray:
    """Weights of the 2-m cells around a product's pixel, `cells` to a pixel, in one direction: they add to 1.

    The overpass's own samples lie `phase_px` off the product's pixels on the ground and are Gaussian; the product's
    pixel, which shows the ground shift_px before its stated place, is cut out of them by a cubic (Catmull-Rom) spline.
    """
    reach = round(_REACH_PX * cells)
    at = (np.arange(-reach, reach + cells) + 0.5) / cells - 0.5
    t = (-shift_px - phase_px) % 1.0
    cubic = (
        -t / 2 + t * t - t**3 / 2, 1 - 2.5 * t * t + 1.5 * t**3, t / 2 + 2 * t * t - 1.5 * t**3, (t**3 - t * t) / 2
    )  # fmt: skip
    weights = np.zeros(at.size)
    for k, share in zip((-1, 0, 1, 2), cubic, strict=True):
        view = np.exp(-0.5 * ((at - (-shift_px - t + k)) / sigma_px) ** 2)
        weights += share * view / view.sum()
    return weights.astype(np.float32)


# Rows first, then columns, only at the places that are kept: a filter of the whole base would compute 25 times as many.
@compiled
def sampled(base, across, down, cells):
    """Every `cells`-th place of base filtered by `down` and `across`: float32 [row, column]."""
    reach = across.shape[0] - cells
    height, width = (base.shape[0] - reach) // cells, (base.shape[1] - reach) // cells
    out = np.empty((height, width), np.float32)
    line = np.empty(base.shape[1], np.float32)
    for row in range(height):
        line[:] = 0
        for k in range(down.shape[0]):
            for col in range(base.shape[1]):
                line[col] += down[k] * base[cells * row + k, col]
        for col in range(width):
            total = np.float32(0.0)
            for k in range(across.shape[0]):
                total += across[k] * line[cells * col + k]
            out[row, col] = total
    return out


def phase_of(overpass: Overpass) -> tuple[float, float]:
    """Where an overpass's own samples lie against the product's pixels, in pixels east and south: -.5 to .5."""
    return draw(overpass.seed, 6) - 0.5, draw(overpass.seed, 7) - 0.5


class SubpixelCamera(Camera):
    """Renders overpasses from cells of 2 m; all else as Camera."""

    fine: SubpixelGround

    def __init__(self, plain: Camera, ground: SubpixelGround) -> None:
        object.__setattr__(self, "cells", plain.cells)
        object.__setattr__(self, "ground", plain.ground)
        object.__setattr__(self, "fine", ground)

    def _sample(self, name: str, cut: Cut, overpass: Overpass) -> Sample:
        cells = cut.step_m // CELL_M
        reach = round(_REACH_PX * cells)
        wide = Cut(
            cut.epsg, cut.row * cells - reach, cut.col * cells - reach,
            cut.height * cells + 2 * reach, cut.width * cells + 2 * reach, CELL_M,
        )  # fmt: skip
        base = self.fine.band(wide, overpass.day.year, overpass.day.month, name)
        (east, south), (right, below) = overpass.shift_m, phase_of(overpass)
        sigma = _SIGMA_PX[name]
        across = response(east / cut.step_m, right, sigma, cells)
        down = response(south / cut.step_m, below, sigma, cells)
        whole = np.ones(1, np.float32)
        return sampled(base, across, down, cells), whole, whole
