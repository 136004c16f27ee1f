"""Pairs of made-up optical and radar images of one ground, the radar ones displaced by a known polynomial."""

from __future__ import annotations

from functools import cache

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter, map_coordinates

from isamap.gee_export.base.grid import Raster
from isamap.gee_export.coregistration.polynomial import Polynomial, PolynomialFrame

LEFT, TOP, STEP = 600_000.0, 3_390_000.0, 10.0
CUBIC_PX = ((4.0, 1.5, -1.0, 0.5, 0.3, -0.6, 1.2, 0.0, -1.0, 0.4), (-3.0, 0.6, 1.1, 0.0, 1.0, 0.5, 0.2, -0.9, 0.0, 1.0))
SHIFT_PX = ((2.3,), (-1.6,))
_DECIBELS = np.array([-17.0, -12.0, -9.0, -14.0, -6.0])
_REFLECTANCE = np.array([[0.05, 0.12, 0.08, 0.2, 0.16], [0.3, 0.22, 0.05, 0.1, 0.18]])


def grid(side: int) -> GeoBox:
    return GeoBox((side, side), Affine(STEP, 0, LEFT, 0, -STEP, TOP), "EPSG:32650")


def frame(side: int) -> PolynomialFrame:
    return PolynomialFrame("EPSG:32650", (LEFT, TOP - STEP * side, LEFT + STEP * side, TOP))


def polynomial(side: int, px: tuple[tuple[float, ...], tuple[float, ...]]) -> Polynomial:
    """Coefficients in pixels, right and up."""
    return Polynomial.of(frame(side), *(np.array(axis) * STEP for axis in px))


def vectors_px(one: Polynomial, side: int) -> np.ndarray:
    """Pixels right and up at every pixel [axis, row, column]."""
    cols, rows = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    return np.stack(one.at(LEFT + STEP * cols, TOP - STEP * rows)) / STEP


@cache
def pair(side: int = 256, px=CUBIC_PX, seed: int = 0, looks: float = 9.0) -> tuple[Raster, Raster]:
    """Fixed (two bands of reflectance) and moving (VV in dB with speckle), each valid everywhere."""
    rng = np.random.default_rng(seed)
    margin = 24
    rough = gaussian_filter(rng.normal(size=(side + 2 * margin,) * 2), 5)
    limits = np.quantile(rough, (0.2, 0.4, 0.6, 0.8))
    right, up = vectors_px(polynomial(side, px), side)
    rows, cols = np.mgrid[:side, :side].astype(float)
    at_row, at_col = rows, cols
    for _ in range(30):  # the place whose vector leads here
        here = np.clip(at_row, 0, side - 1), np.clip(at_col, 0, side - 1)
        at_row = rows + map_coordinates(up, here, order=1)
        at_col = cols - map_coordinates(right, here, order=1)
    land = map_coordinates(rough, (at_row + margin, at_col + margin), order=3)
    still = rough[margin:-margin, margin:-margin]
    optical = gaussian_filter(_REFLECTANCE[:, np.digitize(still, limits)], (0, 0.6, 0.6))
    power = gaussian_filter(10 ** (_DECIBELS[np.digitize(land, limits)] / 10), 0.9)
    radar = 10 * np.log10(power * rng.gamma(looks, 1 / looks, power.shape))[None]
    optical += rng.normal(scale=0.002, size=optical.shape)
    return raster(optical, "B4 B8"), raster(radar, "VV")


def raster(values: np.ndarray, names: str, valid: np.ndarray | None = None) -> Raster:
    filled = np.ones(values.shape, bool) if valid is None else np.broadcast_to(valid, values.shape)
    return Raster(grid(values.shape[-1]), tuple(names.split()), values.astype(np.float32), filled)


def noise(seed: int, side: int = 256) -> Raster:
    """A band without anything in it."""
    return raster(np.random.default_rng(seed).normal(size=(1, side, side)), "N")
