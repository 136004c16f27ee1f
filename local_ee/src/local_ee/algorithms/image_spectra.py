"""Bands of a pixel taken together: colours (rgbToHsv, hsvToRgb) and linear mixtures (unmix).

Sources: A. R. Smith, "Color gamut transform pairs", SIGGRAPH 1978; Google's list (pseudo-inverse of the endmembers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from odc.geo.geobox import GeoBox
from scipy.optimize import nnls

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster.pixel_type import DOUBLE, PixelType
from local_ee.raster.pixels import Pixels, both, opaque

_SUM_WEIGHT = 1e3  # of the equation that says that fractions sum to one, beside those of the bands
_STEPS = 1024  # pixels between two checks of the budget


def _together(
    image: Image, names: Sequence[str], pixel_type: PixelType, compute: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Image:
    """An image computed from all bands: compute takes [band, row, column] and the pixels to compute, gives [name, ...].

    A pixel is masked where one of the bands is.
    """
    model = image.bands[0]
    bands = [Band(name, pixel_type, model.projection, model.dimensions) for name in names]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, image.everything)
        mask = pixels.masks[0]
        for band_mask in pixels.masks[1:]:
            mask = both(mask, band_mask)
        values = compute(np.stack([np.asarray(each, float) for each in pixels.values]), opaque(mask))
        return Pixels(tuple(values[i].astype(pixel_type.dtype) for i in positions), (mask,) * len(positions))

    return recomputed(image, bands, reading)


def _check_three(image: Image, name: str) -> None:
    if len(image.bands) != 3:
        raise EngineError(f"Image.{name}: The image must have 3 bands, got {len(image.bands)}.")


def _floating(image: Image) -> PixelType:
    common = image.bands[0].type
    for band in image.bands[1:]:
        common = common.union(band.type)
    return common.floating()


@algorithm("Image.rgbToHsv")
def rgb_to_hsv(image: Image) -> Image:
    """Bands hue, saturation and value, 0 to 1, of red, green and blue, 0 to 1."""
    _check_three(image, "rgbToHsv")
    return _together(image, ("hue", "saturation", "value"), _floating(image), _hsv)


def _hsv(rgb: np.ndarray, inside: np.ndarray) -> np.ndarray:
    red, green, blue = rgb
    value, least = rgb.max(axis=0), rgb.min(axis=0)
    spread = value - least
    safe = np.where(spread > 0, spread, 1)
    sector = np.select(
        [value == red, value == green], [(green - blue) / safe, 2 + (blue - red) / safe], 4 + (red - green) / safe
    )
    hue = np.where(spread > 0, sector / 6 % 1, 0)
    return np.stack([hue, np.where(value > 0, spread / np.where(value > 0, value, 1), 0), value])


@algorithm("Image.hsvToRgb")
def hsv_to_rgb(image: Image) -> Image:
    """Bands red, green and blue, 0 to 1, of hue, saturation and value, 0 to 1."""
    _check_three(image, "hsvToRgb")
    return _together(image, ("red", "green", "blue"), _floating(image), _rgb)


def _rgb(hsv: np.ndarray, inside: np.ndarray) -> np.ndarray:
    hue, saturation, value = hsv
    sector = (np.array([5, 3, 1])[:, None, None] + hue * 6) % 6
    return value - value * saturation * np.clip(np.minimum(sector, 4 - sector), 0, 1)


@algorithm("Image.unmix")
def unmix(image: Image, endmembers: list, sumToOne: bool, nonNegative: bool) -> Image:
    """The fraction of each endmember in each pixel, in the sense of least squares: bands band_0, band_1 ...

    Assumption: a constraint that fractions sum to one is met to about 1e-6 where they must not be negative either.
    """
    table = np.array(endmembers, float).T
    if table.ndim != 2 or table.shape[0] != len(image.bands):
        raise EngineError(f"Image.unmix: Each endmember must have {len(image.bands)} numbers, one a band.")
    names = [f"band_{i}" for i in range(table.shape[1])]
    solve = _non_negative if nonNegative else _unbounded
    return _together(image, names, DOUBLE, lambda values, inside: solve(table, values, inside, sumToOne))


def _unbounded(table: np.ndarray, values: np.ndarray, inside: np.ndarray, sum_to_one: bool) -> np.ndarray:
    """By the pseudo-inverse; a sum of one by Lagrange's multiplier."""
    inverse = np.linalg.pinv(table)
    fractions: np.ndarray = np.tensordot(inverse, values, 1)
    if not sum_to_one:
        return fractions
    step = (inverse @ inverse.T).sum(axis=1)
    missing = 1 - fractions.sum(axis=0)
    return fractions + step[:, None, None] * (missing / step.sum())


def _non_negative(table: np.ndarray, values: np.ndarray, inside: np.ndarray, sum_to_one: bool) -> np.ndarray:
    """Lawson and Hanson's active set method, pixel by pixel."""
    scale = _SUM_WEIGHT * max(float(np.abs(table).max()), 1.0)
    matrix = np.vstack([table, np.full(table.shape[1], scale)]) if sum_to_one else table
    out = np.zeros((table.shape[1], *inside.shape))
    for count, (row, col) in enumerate(np.argwhere(inside)):
        if count % _STEPS == 0:
            budget.check()
        target = np.append(values[:, row, col], scale) if sum_to_one else values[:, row, col]
        out[:, row, col] = nnls(matrix, target)[0]
    return out
