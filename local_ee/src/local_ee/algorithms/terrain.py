"""Terrain (Terrain.*): slope and aspect from the gradient of the four neighbours; degrees.

Proved by a stack that Google exported (openmapflow's test data): slopes belong to the cells of the elevation's own
grid, also in finer outputs, and metres are those of the authalic sphere (R = 6,371,007.181 m): every float is met.
Assumptions: coarser outputs take the gradient on cells doubled until they are as large; of a composite, which has no
grid of its own, that of the output's pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.algorithms.image_bands import add_bands, select
from local_ee.algorithms.image_grid import elsewhere
from local_ee.algorithms.image_neighborhood import padded
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster import resample
from local_ee.raster.kernel import Weights
from local_ee.raster.pixel_type import FLOAT, NAMED, PixelType
from local_ee.raster.pixels import Pixels, opaque
from local_ee.raster.projection import WGS84, Projection, code_of, crs_of

_CROSS = Weights(np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], float), 1, 1)
_METRES_PER_DEGREE = math.pi * 6_371_007.181 / 180


def _elevation(image: Image) -> int:
    """The band with heights: elevation, or the first."""
    if not image.bands:
        raise EngineError("The image has no bands.")
    return image.band_names.index("elevation") if "elevation" in image.band_names else 0


def elevation_band(image: Image) -> Image:
    """The image of the band with heights alone."""
    return select(image, [_elevation(image)], None)


def _beside(geobox: GeoBox) -> GeoBox:
    return padded(geobox, _CROSS)


def gradients(image: Image, position: int, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rise per metre to the east and to the south, and where all four neighbours are valid (missing at edges)."""
    pixels = image.read_at(_beside(geobox), (position,))
    height, valid = pixels.values[0].astype(float), opaque(pixels.masks[0])
    across, down = spacing(geobox)
    down = np.copysign(down, -geobox.affine.e)  # a grid may count its rows northwards
    across = np.copysign(across, geobox.affine.a)
    east = (height[1:-1, 2:] - height[1:-1, :-2]) / (2 * across)
    south = (height[2:, 1:-1] - height[:-2, 1:-1]) / (2 * down)
    complete = valid[1:-1, 2:] & valid[1:-1, :-2] & valid[2:, 1:-1] & valid[:-2, 1:-1] & valid[1:-1, 1:-1]
    return east, south, complete


def spacing(geobox: GeoBox) -> tuple[np.ndarray | float, np.ndarray | float]:
    """Metres between pixel centres, across and down: the grid's own in metric systems, the sphere's in degrees."""
    across, down = abs(geobox.affine.a), abs(geobox.affine.e)
    if not crs_of(code_of(geobox.crs)).geographic:
        return across, down
    latitudes = np.radians(geobox.affine.f + geobox.affine.e * (np.arange(geobox.shape[0]) + 0.5))
    return (_METRES_PER_DEGREE * across * np.cos(latitudes))[:, None], _METRES_PER_DEGREE * down


def _slope(east: np.ndarray, south: np.ndarray) -> np.ndarray:
    return np.degrees(np.arctan(np.hypot(east, south)))


def _aspect(east: np.ndarray, south: np.ndarray) -> np.ndarray:
    """The direction of steepest descent from north, clockwise: 0 north, 90 east."""
    return np.degrees(np.arctan2(-east, south)) % 360


def _terrain_band(
    image: Image, name: str, pixel_type: PixelType, compute: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Image:
    """A band of the gradients of a height, computed on the height's own grid where it has one."""
    position = _elevation(image)
    height = image.bands[position]
    band = Band(name, pixel_type, height.projection, height.dimensions)

    def computed(geobox: GeoBox) -> Pixels:
        east, south, valid = gradients(image, position, geobox)
        return Pixels((compute(east, south).astype(pixel_type.dtype),), (valid,))

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        own = height.projection
        if own == WGS84:
            return computed(geobox)
        grid = Projection(own.crs, own.transform * Affine.scale(1 << resample.level_of(own, geobox)))
        return resample.read(resample.ResampleSource(grid, computed, (pixel_type.dtype,)), geobox)

    around = _beside if height.projection == WGS84 else elsewhere
    return recomputed(image, [band], reading, needs=lambda _: [[position]], around=around)


@algorithm("Terrain.slope")
def slope(input: Image) -> Image:
    """The slope in degrees, 0 to 90."""
    return _terrain_band(input, "slope", FLOAT, _slope)


@algorithm("Terrain.aspect")
def aspect(input: Image) -> Image:
    """The direction that a slope faces in degrees: 0 north, 90 east, 180 south, 270 west."""
    return _terrain_band(input, "aspect", FLOAT, _aspect)


@algorithm("Terrain.products", "Terrain")
def products(input: Image) -> Image:
    """The image with its slope, aspect and hillshade (sun in the west at 45 degrees) as further bands."""
    result = input
    for image in (slope(input), aspect(input), hillshade(input, 270.0, 45.0)):
        result = add_bands(result, image, None, False)
    return result


@algorithm("Terrain.hillshade")
def hillshade(input: Image, azimuth: float, elevation: float) -> Image:
    """How bright a hillside is, 0 to 255, under a sun at an azimuth and elevation in degrees."""
    sun, height = np.radians(azimuth), np.radians(elevation)

    def light(east: np.ndarray, south: np.ndarray) -> np.ndarray:
        steep, faces = np.arctan(np.hypot(east, south)), np.radians(_aspect(east, south))
        share = np.sin(height) * np.cos(steep) + np.cos(height) * np.sin(steep) * np.cos(sun - faces)
        return np.asarray(np.clip(share * 255, 0, 255))

    return _terrain_band(input, "hillshade", NAMED["uint8"], light)
