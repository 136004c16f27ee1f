"""How much ground each pixel of a grid covers, in square metres on the WGS 84 ellipsoid.

A projection draws ground larger or smaller than it is: at the edge of a UTM zone a square of 100 m2 on the grid is
99.8 m2 of ground. The areal scale at each place says by how much (Snyder 1987, USGS Professional Paper 1395, page 24).
Pixels of a grid in degrees are cells between two parallels, whose area is known in closed form (the same, page 16).
"""

from __future__ import annotations

import math

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import CRS, Geod, Proj

from isamap.gee_export.base.grid import crs_of

LATTICE_PX = 64  # between the places where the scale is computed; linear between them: within 1e-9 at 10 m
_ELLIPSOID = Geod(ellps="WGS84")


def pixel_areas_m2(geobox: GeoBox) -> np.ndarray:
    """Ground of each pixel, float64, m2: (rows, columns), or (rows, 1) of a grid in degrees."""
    crs = CRS.from_wkt(crs_of(geobox).to_wkt())
    return _between_parallels(geobox) if crs.is_geographic else _projected(geobox, crs)


def cell_area_m2(geobox: GeoBox) -> float:
    """Ground of the middle pixel, m2."""
    row, col = (length // 2 for length in geobox.shape)
    return float(pixel_areas_m2(geobox[row : row + 1, col : col + 1])[0, 0])


def _projected(geobox: GeoBox, crs: CRS) -> np.ndarray:
    height, width = geobox.shape
    rows, cols = _knots(height), _knots(width)
    x, y = geobox.affine * np.meshgrid(cols, rows)
    scale = _areal_scale(crs, x, y)
    fine = _interpolated(_interpolated(scale, rows, height).T, cols, width).T
    # Some national grids count feet.
    unit_m = crs.axis_info[0].unit_conversion_factor
    area: np.ndarray = abs(geobox.affine.determinant) * unit_m**2 / fine
    return area


def _areal_scale(crs: CRS, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    projection = Proj(crs)
    lon, lat = projection(x, y, inverse=True)
    scale = np.asarray(projection.get_factors(lon, lat).areal_scale)
    if not np.isfinite(scale).all():
        raise ValueError(f"the grid reaches outside its coordinate system {crs.name}: reproject the map")
    return scale


def _knots(length: int) -> np.ndarray:
    """Places along an axis, in pixels, from its start to its end."""
    return np.linspace(0, length, max(2, math.ceil(length / LATTICE_PX) + 1))


def _interpolated(values: np.ndarray, knots: np.ndarray, length: int) -> np.ndarray:
    """Values at the centres of `length` pixels along the first axis, linear between the knots."""
    centre = np.arange(length) + 0.5
    left = np.clip(np.searchsorted(knots, centre, side="right") - 1, 0, len(knots) - 2)
    share = ((centre - knots[left]) / (knots[left + 1] - knots[left]))[:, None]
    # Linear between knots: the scale bends so slowly that the error stays below 1e-9.
    return values[left] * (1 - share) + values[left + 1] * share


def _between_parallels(geobox: GeoBox) -> np.ndarray:
    affine = geobox.affine
    if affine.b or affine.d:
        raise ValueError("the grid in degrees is rotated, so its rows are no parallels: reproject the map")
    # By edges, not centres: neighbouring rows then share a parallel and no ground counts twice.
    edges = np.radians(affine.f + affine.e * np.arange(geobox.shape[0] + 1))
    zone = _authalic(np.sin(edges)) * _ELLIPSOID.b**2 / 2
    return np.abs(np.diff(zone) * math.radians(affine.a))[:, None]


def _authalic(sine: np.ndarray) -> np.ndarray:
    """Twice the area between equator and a parallel, of one radian of longitude, in units of b squared."""
    eccentricity = math.sqrt(_ELLIPSOID.es)
    ratio = (1 + eccentricity * sine) / (1 - eccentricity * sine)
    return sine / (1 - _ELLIPSOID.es * sine**2) + np.log(ratio) / (2 * eccentricity)
