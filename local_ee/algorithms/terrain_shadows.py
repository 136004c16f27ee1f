"""Shadows of the terrain, and basins that are filled (Terrain.hillShadow, Terrain.fillMinima)."""

from __future__ import annotations

import math

import numpy as np
from odc.geo.geobox import GeoBox
from scipy import ndimage

from local_ee import budget
from local_ee.algorithms.image_distance import line
from local_ee.algorithms.image_grid import elsewhere
from local_ee.algorithms.terrain import elevation_band
from local_ee.errors import EngineError
from local_ee.evaluation.focal import BandPixels, band_by_band
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, recomputed
from local_ee.raster.blocks import blocks
from local_ee.raster.margin import Margin
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels, opaque
from local_ee.raster.projection import projection_of

_TILE = 256  # pixels that a shadow reaches where no neighbourhood is given
_MOST = 1024  # pixels of a neighbourhood
_NOWHERE = -1e12  # metres: the height of masked pixels, over which every ray passes


@algorithm("Terrain.hillShadow", "HillShadow")
def hill_shadow(image: Image, azimuth: float, zenith: float, neighborhoodSize: int, hysteresis: bool) -> Image:
    """Band shadow: 1 where a light at an azimuth and zenith in degrees reaches, 0 where the terrain hides it.

    A pixel is hidden where one of the pixels towards the light, within the neighbourhood, rises above the ray.
    Assumptions (not documented): a neighbourhood of 0 is one of 256 pixels; distances are those of the projection; a
    pixel keeps its mask. Hysteresis is refused.
    """
    if hysteresis:
        raise EngineError("The local engine has no hysteresis of shadows: leave it out.")
    if not 0 <= zenith < 90:
        raise EngineError(f"zenith must be within [0, 90) degrees, got {zenith:g}.")
    reach = _checked(neighborhoodSize) or _TILE
    source = elevation_band(image)
    steps = list(line(90 - azimuth, reach))[1:]
    rows, cols = [row for row, _, _ in steps], [col for _, col, _ in steps]
    margin = Margin(max(0, -min(rows)), max(0, max(rows)), max(0, -min(cols)), max(0, max(cols)))
    slope = 1 / math.tan(math.radians(zenith)) if zenith else math.inf

    def compute(values: np.ndarray, mask: np.ndarray, geobox: GeoBox) -> list[BandPixels]:
        step_m = projection_of(geobox).nominal_scale_m
        heights = np.where(opaque(mask), np.asarray(values, float), _NOWHERE)
        own = margin.moved(heights, 0, 0)
        lit = np.ones(own.shape, bool)
        for row, col, away in steps:
            lit &= margin.moved(heights, row, col) <= own + away * step_m * slope
        return [(lit, margin.moved(mask, 0, 0))]

    return band_by_band(source, [source.bands[0].renamed("shadow").typed(NAMED["uint8"])], lambda _: margin, compute)


def _checked(neighborhood: int) -> int:
    if not 0 <= neighborhood <= _MOST:
        raise EngineError(f"The neighborhood must be 0 to {_MOST} pixels, got {neighborhood}.")
    return neighborhood


@algorithm("Terrain.fillMinima", "FMask.fillMinima")
def fill_minima(image: Image, borderValue: int | None, neighborhood: int) -> Image:
    """Each band with its basins filled to the lowest height over which they drain.

    Basins drain to masked pixels and to the border, which has its own height or the border value. Assumption (not
    documented): the border is that of blocks of 256 x 256 pixels of the grid, grown by the neighbourhood.
    """
    for band in image.bands:
        if not band.type.is_integer:
            raise EngineError(f"Only integer types can be filled, but '{band.name}' is {band.type.precision}.")
    margin = _checked(neighborhood)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        own = image.read_at(geobox, positions)
        values = [np.array(band) for band in own.values]
        for block, window, inner in blocks(geobox, margin):
            pixels = image.read_at(window, positions)
            for out, band, mask in zip(values, pixels.values, pixels.masks, strict=True):
                out[block] = _filled(np.asarray(band, np.int64), opaque(mask), borderValue)[inner]
        return Pixels(tuple(values), own.masks)

    return recomputed(image, image.bands, reading, needs=lambda positions: [positions], around=elsewhere)


def _filled(heights: np.ndarray, valid: np.ndarray, border: int | None) -> np.ndarray:
    """L. Vincent's reconstruction by erosion (IEEE Transactions on Image Processing 2, 1993)."""
    # A flood over everything sinks until it rests on the ground or on its lowest neighbour.
    # The rim stays at its height, so that what drains to it is not flooded.
    # The steps end when nothing changes; each carries the level one pixel further.
    top = heights.max(initial=0) if border is None else max(int(heights.max(initial=0)), border)
    water = np.full(heights.shape, top)
    rim = ~ndimage.binary_erosion(valid, np.ones((3, 3)), border_value=0)
    water[rim] = heights[rim] if border is None else np.maximum(heights[rim], border)
    water[~valid] = top
    while True:
        budget.check()
        lower = np.maximum(ndimage.minimum_filter(water, 3), heights)
        lower = np.minimum(lower, water)
        if np.array_equal(lower, water):
            return water
        water = lower
