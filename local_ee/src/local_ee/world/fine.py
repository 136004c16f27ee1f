"""The world at one metre: truth classes, and imagery of four bands at 1 m and 3 m."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from local_ee.world import materials as m
from local_ee.world import spectra, sun
from local_ee.world.compiled import compiled
from local_ee.world.fractions import canvas_of
from local_ee.world.lattice import Cut, TileCache, mosaic
from local_ee.world.materials import first_of, height_of, kind_of, second_of
from local_ee.world.noise import derive, hash2, seed_of, smooth, unit
from local_ee.world.relief import site_of

if TYPE_CHECKING:
    from local_ee.world.survey import Survey

BANDS = {"R": "B4", "G": "B3", "B": "B2", "N": "B8"}
IMAGERY_MONTH = 7  # fine imagery shows a clear day of July
_CAST_M = 120  # shadows are followed so far
_MARGIN_3M = 3


class Canvases:
    """Drawn 1-m tiles, a few kept."""

    def __init__(self, bound_bytes: int = 64 << 20, survey: Survey | None = None) -> None:
        self._tiles, self._survey = TileCache(bound_bytes), survey

    def window(self, cut: Cut, year: int) -> np.ndarray:
        """Packed pixels (see materials.pack) of any 1-m pixels: uint32 [row, column]."""

        def tile(col: int, row: int) -> np.ndarray:
            key = (cut.epsg, col, row, year)
            return self._tiles.get(key, lambda: canvas_of(*key, self._survey)[0][:-1, :-1])

        return mosaic(cut, tile)

    def classes(self, cut: Cut, year: int) -> np.ndarray:
        """Class of any 1-m pixels: uint8 [row, column]."""
        return (self.window(cut, year) & 31).astype(np.uint8)

    def imagery(self, names: tuple[str, ...], cut: Cut, year: int) -> np.ndarray:
        """Digital numbers (reflectance x 10 000) of any 1-m pixels: uint16 [band, row, column]."""
        canvas = self.window(cut.around(_CAST_M), year)
        east, south, reach = sun.direction(IMAGERY_MONTH)
        shade = shadows(canvas, _CAST_M, east, south, reach)
        return np.stack([self._band(name, canvas, shade, cut, year) for name in names])

    def imagery_3m(self, names: tuple[str, ...], cut: Cut, year: int) -> np.ndarray:
        """Digital numbers of any 3-m pixels of a four-band small satellite: uint16 [band, row, column]."""
        wide = cut.around(_MARGIN_3M)
        fine = Cut(cut.epsg, 3 * wide.row, 3 * wide.col, 3 * wide.height, 3 * wide.width, 1)
        boxes = self.imagery(names, fine, year).reshape(len(names), wide.height, 3, wide.width, 3)
        mean = boxes.mean(axis=(2, 4), dtype=np.float32)
        return np.stack([_soften(band, seed_of("3m", name, year), cut) for band, name in zip(mean, names, strict=True)])

    def _band(self, name: str, canvas: np.ndarray, shade: np.ndarray, cut: Cut, year: int) -> np.ndarray:
        index = spectra.BANDS.index(BANDS[name])
        inner = canvas[_CAST_M:-_CAST_M, _CAST_M:-_CAST_M]
        out = np.empty((cut.height, cut.width), np.uint16)
        for col, row, here, _ in cut.tiles():
            climate = site_of(cut.epsg, col, row).climate
            first, second = spectra.tone_tables(index, IMAGERY_MONTH, climate)
            means = spectra.mean_spectra(IMAGERY_MONTH, climate)[:, index].copy()
            piece, dark = np.ascontiguousarray(inner[here]), np.ascontiguousarray(shade[here])
            corner = (cut.col + here[1].start, cut.row + here[0].start)
            out[here] = paint_band(piece, dark, means, first, second, seed_of("1m", name, year), *corner)
        return out


# A pixel stops at the first thing that shades it; NumPy would shift the whole canvas for each tap.
@compiled
def shadows(canvas, margin, step_east, step_south, reach_per_m):
    """Where taller things to the sun's side shade a pixel: bool [row, column], the margin cut off."""
    height, width = canvas.shape[0] - 2 * margin, canvas.shape[1] - 2 * margin
    out = np.zeros((height, width), np.bool_)
    tallest = 0
    for row in range(canvas.shape[0]):
        for col in range(canvas.shape[1]):
            tallest = max(tallest, height_of(canvas[row, col]))
    last = min(margin - 1, int(tallest * reach_per_m) + 2)
    for row in range(height):
        for col in range(width):
            own = height_of(canvas[row + margin, col + margin])
            for tap in range(2, last, 2):
                y, x = row + margin + round(tap * step_south), col + margin + round(tap * step_east)
                if (height_of(canvas[y, x]) - own) * reach_per_m > tap:
                    out[row, col] = True
                    break
    return out


# Colour, tone and grain of a pixel in one pass over a canvas that has 100 times the pixels of a band.
@compiled
def paint_band(canvas, shade, means, first, second, seed, col0, row0):
    """Digital numbers of 1-m pixels with grain: crowns and crops are rough, roofs and water smooth."""
    height, width = canvas.shape
    out = np.empty((height, width), np.uint16)
    for row in range(height):
        for col in range(width):
            pixel = canvas[row, col]
            material = kind_of(pixel)
            value = means[material] * first[material, first_of(pixel)]
            rough = np.float32(0.07)
            if material < m.FIRST_IMPERVIOUS:
                value *= second[material, second_of(pixel)]
                rough = np.float32(
                    0.22 if material in (m.EVERGREEN, m.DECIDUOUS) else (0.03 if material <= m.LAKE else 0.12)
                )
            h = hash2(seed, col0 + col, row0 + row)
            wave = smooth(np.uint64(77), (col0 + col) / 3.1, (row0 + row) / 3.1)
            value *= np.float32(1.0) + rough * np.float32(1.2 * wave + unit(h) + unit(derive(h, 1)) - 1.0)
            if shade[row, col]:
                value *= np.float32(0.45)
            out[row, col] = np.uint16(min(max(value, np.float32(1.0)), np.float32(65000.0)))
    return out


def _soften(band: np.ndarray, seed: np.uint64, cut: Cut) -> np.ndarray:
    at = np.arange(-_MARGIN_3M, _MARGIN_3M + 1)
    taps = np.exp(-0.5 * (at / 0.7) ** 2).astype(np.float32)
    taps /= taps.sum()
    span = len(at)
    down = sum(taps[k] * band[k : band.shape[0] - span + 1 + k] for k in range(span))
    both = sum(taps[k] * down[:, k : band.shape[1] - span + 1 + k] for k in range(span))
    return _grain(both, seed, cut.col, cut.row)


# Noise is a hash of the place, so that any window has the same; in one pass, to the sensor's whole numbers.
@compiled
def _grain(values, seed, col0, row0):
    out = np.empty(values.shape, np.uint16)
    for row in range(values.shape[0]):
        for col in range(values.shape[1]):
            h = hash2(seed, col0 + col, row0 + row)
            noise = np.float32(unit(h) + unit(derive(h, 1)) - 1.0) * (
                np.float32(20.0) + np.float32(0.02) * values[row, col]
            )
            out[row, col] = np.uint16(min(max(values[row, col] + noise, np.float32(1.0)), np.float32(65000.0)))
    return out
