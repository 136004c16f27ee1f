"""Clouds of Sentinel-2 by parallax (Sentinel2.CDI).

Source: D. Frantz, E. Hass, A. Uhl, J. Stoffels, J. Hill, Remote Sensing of Environment 215 (2018), 471-481, eq. 1-3.
"""

from __future__ import annotations

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.algorithms.image_neighborhood import padded
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster.kernel import Weights
from local_ee.raster.neighborhood import window_moments
from local_ee.raster.pixel_type import FLOAT
from local_ee.raster.pixels import Pixels, opaque

_BANDS = ("B7", "B8", "B8A")
_ROUNDING = 1e-12
_WINDOW = Weights(np.ones((7, 7)), 3, 3)


def _variance(ratio: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the window, with its mask; 0 where it is no more than the rounding of equal numbers."""
    mean, variance, shown = window_moments(ratio, valid, _WINDOW, squares=True)
    return np.where(variance > _ROUNDING * mean**2, variance, 0), shown


@algorithm("Sentinel2.CDI")
def cloud_displacement_index(source: Image) -> Image:
    """Band cdi: (V7 - V8) / (V7 + V8), V7 and V8 the variances of B7 / B8A and B8 / B8A over 7 x 7 pixels; -1 to 1.

    Assumptions (not documented): the pixels are those of the output, which is meant to be 20 m; masked pixels and
    those where B8A is 0 are left out; where both variances are 0, the result is 0.
    """
    if missing := [name for name in _BANDS if name not in source.band_names]:
        raise EngineError(f"The image has no band {missing[0]}: expected a Sentinel-2 image of Level 1C.")
    positions_read = source.positions(_BANDS)
    model = source.bands[positions_read[2]]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = source.read_at(padded(geobox, _WINDOW), positions_read)
        near, wide, base = (np.asarray(values, float) for values in pixels.values)
        valid = np.logical_and.reduce([opaque(mask) for mask in pixels.masks]) & (base != 0)
        divisor = np.where(valid, base, 1)
        (low, shown), (high, _) = (_variance(band / divisor, valid) for band in (near, wide))
        total = np.where(low + high > 0, low + high, 1)
        height, width = geobox.shape
        inside = valid[3 : 3 + height, 3 : 3 + width] & shown
        return Pixels((((low - high) / total).astype(np.float32),) * len(positions), (inside,) * len(positions))

    def around(geobox: GeoBox) -> GeoBox:
        return padded(geobox, _WINDOW)

    bands = [Band("cdi", FLOAT, model.projection, model.dimensions)]
    return recomputed(source, bands, reading, needs=lambda positions: [positions_read], around=around)
