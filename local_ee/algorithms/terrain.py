"""Terrain (Terrain.*): slope and aspect from the gradient of the four neighbours; degrees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyproj
from odc.geo.geobox import GeoBox

from local_ee.algorithms.image_bands import add_bands, select
from local_ee.algorithms.image_neighborhood import padded
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster.geometry import LONLAT
from local_ee.raster.kernel import Weights
from local_ee.raster.pixel_type import FLOAT, NAMED
from local_ee.raster.pixels import Pixels, opaque
from local_ee.raster.projection import code_of, crs_of, transformer

_CROSS = Weights(np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], float), 1, 1)
_ELLIPSOID = pyproj.Geod(ellps="WGS84")


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
    east = (height[1:-1, 2:] - height[1:-1, :-2]) / (2 * across)
    south = (height[2:, 1:-1] - height[:-2, 1:-1]) / (2 * down)
    complete = valid[1:-1, 2:] & valid[1:-1, :-2] & valid[2:, 1:-1] & valid[:-2, 1:-1] & valid[1:-1, 1:-1]
    return east, south, complete


def spacing(geobox: GeoBox) -> tuple[np.ndarray | float, np.ndarray | float]:
    """Metres between pixel centres, across and down: the grid's own in metric systems, the ellipsoid's in degrees."""
    if not crs_of(code_of(geobox.crs)).geographic:
        return abs(geobox.affine.a), abs(geobox.affine.e)
    rows = np.arange(geobox.shape[0]) + 0.5
    latitudes = geobox.affine.f + geobox.affine.e * rows
    longitudes = np.full(latitudes.shape, geobox.affine.c)
    move = transformer(code_of(geobox.crs), LONLAT)
    x, y = move.transform(longitudes, latitudes)
    x2, y2 = move.transform(longitudes + abs(geobox.affine.a), latitudes)
    across = np.asarray(_ELLIPSOID.inv(x, y, x2, y2)[2])
    x3, y3 = move.transform(longitudes, latitudes - abs(geobox.affine.e))
    down = np.asarray(_ELLIPSOID.inv(x, y, x3, y3)[2])
    return across[:, None], down[:, None]


def _slope(east: np.ndarray, south: np.ndarray) -> np.ndarray:
    return np.degrees(np.arctan(np.hypot(east, south)))


def _aspect(east: np.ndarray, south: np.ndarray) -> np.ndarray:
    """The direction of steepest descent from north, clockwise: 0 north, 90 east."""
    return np.degrees(np.arctan2(-east, south)) % 360


def _terrain_band(image: Image, name: str, compute: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Image:
    position = _elevation(image)
    band = Band(name, FLOAT, image.bands[position].projection, image.bands[position].dimensions)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        east, south, valid = gradients(image, position, geobox)
        return Pixels((compute(east, south).astype(np.float32),), (valid,))

    return recomputed(image, [band], reading, needs=lambda _: [[position]], around=_beside)


@algorithm("Terrain.slope")
def slope(input: Image) -> Image:
    """The slope in degrees, 0 to 90."""
    return _terrain_band(input, "slope", _slope)


@algorithm("Terrain.aspect")
def aspect(input: Image) -> Image:
    """The direction that a slope faces in degrees: 0 north, 90 east, 180 south, 270 west."""
    return _terrain_band(input, "aspect", _aspect)


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
    position = _elevation(input)
    band = Band("hillshade", NAMED["uint8"], input.bands[position].projection, input.bands[position].dimensions)
    sun, height = np.radians(azimuth), np.radians(elevation)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        east, south, valid = gradients(input, position, geobox)
        steep, faces = np.arctan(np.hypot(east, south)), np.radians(_aspect(east, south))
        light = np.sin(height) * np.cos(steep) + np.cos(height) * np.sin(steep) * np.cos(sun - faces)
        return Pixels((np.clip(light * 255, 0, 255).astype(np.uint8),), (valid,))

    return recomputed(input, [band], reading, needs=lambda _: [[position]], around=_beside)
