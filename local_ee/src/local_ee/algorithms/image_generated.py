"""Images that need no data: coordinates and areas of pixels, and noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyproj
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image
from local_ee.raster import lattice
from local_ee.raster.geometry import LONLAT
from local_ee.raster.pixel_type import DOUBLE, FLOAT
from local_ee.raster.pixels import Pixels, valid
from local_ee.raster.projection import Projection, code_of, transformer

_ELLIPSOID = pyproj.Geod(ellps="WGS84")


@algorithm("Image.pixelLonLat")
def pixel_lon_lat() -> Image:
    """Longitude and latitude of pixel centres in degrees, as double."""
    bands = (Band("longitude", DOUBLE), Band("latitude", DOUBLE))

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        x, y = lattice.place_of(geobox).centres()
        coordinates = transformer(code_of(geobox.crs), LONLAT).transform(x, y)
        return Pixels(tuple(coordinates[i] for i in positions), (valid(geobox.shape),) * len(positions))

    return Image(bands, reading)


@algorithm("Image.pixelCoordinates")
def pixel_coordinates(projection: Projection) -> Image:
    """x and y of pixel centres in pixels of a projection, as double."""
    bands = (Band("x", DOUBLE, projection), Band("y", DOUBLE, projection))

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        x, y = transformer(code_of(geobox.crs), projection.crs).transform(*lattice.place_of(geobox).centres())
        inverse = ~projection.transform
        pixels = (inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f)
        return Pixels(tuple(pixels[i] for i in positions), (valid(geobox.shape),) * len(positions))

    return Image(bands, reading)


@algorithm("Image.pixelArea")
def pixel_area() -> Image:
    """The area of each pixel in square metres on the ellipsoid of WGS84, as float."""

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        area = _areas(geobox).astype(np.float32)
        return Pixels((area,) * len(positions), (valid(geobox.shape),) * len(positions))

    return Image((Band("area", FLOAT),), reading)


def _areas(geobox: GeoBox) -> np.ndarray:
    """By the lengths of the pixel's axes around its centre on the ellipsoid."""
    x, y = lattice.place_of(geobox).centres()
    move = transformer(code_of(geobox.crs), LONLAT)
    half_x, half_y = abs(geobox.affine.a) / 2, abs(geobox.affine.e) / 2
    left, right = move.transform(x - half_x, y), move.transform(x + half_x, y)
    low, high = move.transform(x, y - half_y), move.transform(x, y + half_y)
    across_az, _, across = _ELLIPSOID.inv(*left, *right)
    up_az, _, up = _ELLIPSOID.inv(*low, *high)
    return across * up * np.abs(np.sin(np.radians(np.asarray(across_az) - np.asarray(up_az))))


@algorithm("Image.random")
def random(seed: int, distribution: str) -> Image:
    """Noise that depends on the seed and the pixel's place only; not the numbers that Google's servers draw."""
    if distribution not in ("uniform", "normal"):
        raise EngineError(f"Unknown distribution '{distribution}'. Use 'uniform' or 'normal'.")

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        window = lattice.place_of(geobox)
        rows = np.arange(window.row, window.row + window.height, dtype=np.int64)[:, None]
        cols = np.arange(window.col, window.col + window.width, dtype=np.int64)[None, :]
        first = _hashed(rows, cols, seed)
        if distribution == "normal":
            second = _hashed(rows, cols, seed + 0x5DEECE66D)
            first = np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second)
        return Pixels((first,) * len(positions), (valid(geobox.shape),) * len(positions))

    band_type = replace(DOUBLE, minimum=0, maximum=1) if distribution == "uniform" else DOUBLE
    return Image((Band("random", band_type),), reading)


def _hashed(rows: np.ndarray, cols: np.ndarray, seed: int) -> np.ndarray:
    """A number in [0, 1) for each place, by mixing its row, column and the seed."""
    with np.errstate(over="ignore"):
        mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ cols.astype(np.uint64) * np.uint64(
            0xC2B2AE3D27D4EB4F
        )
        mixed ^= np.uint64(seed & (2**64 - 1)) * np.uint64(0x165667B19E3779F9)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2**53
