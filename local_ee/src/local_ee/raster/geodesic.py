"""Edges that are shortest paths on the Earth, as chains of short straight edges in degrees.

Earth Engine takes the edges of a geometry given in degrees for shortest paths unless it is told otherwise
(guides/geometries, "Planar vs. geodesic geometries"). Assumptions: on the ellipsoid of WGS84, within TOLERANCE_M; an
edge that spans half the globe or more stays straight, because no shortest path is the only one.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

ELLIPSOID = pyproj.Geod(ellps="WGS84")
SPHERE = pyproj.Geod(a=6_371_008.8, f=0)  # of the ellipsoid's mean radius (assumption)
TOLERANCE_M = 1.0
AUTHALIC = pyproj.Geod(a=6_371_007.181, f=0)  # of the area of WGS84: Google's printed area to ten digits
HALF_GLOBE_DEG = 180.0
_LEAST_SHARE = 1e-18  # of a square of a sine, so that nothing is divided by zero: a hundredth of a metre
_MOST_PIECES = 1000  # of one edge
_FEW_CORNERS = 16  # of an outline that is kept
_PLANAR_PIECES = 500  # of the longer side of a shape whose straight edges are measured on the ellipsoid


def bent(shape: BaseGeometry) -> BaseGeometry:
    """A shape in degrees with points added to its edges, so that straight edges follow shortest paths."""
    return _bent_outline(shape) if shapely.get_num_coordinates(shape) <= _FEW_CORNERS else _bent(shape)


def _bent(shape: BaseGeometry) -> BaseGeometry:
    if shape.is_empty or isinstance(shape, shapely.Point | shapely.MultiPoint):
        return shape
    if isinstance(shape, shapely.Polygon):
        return shapely.Polygon(_bent_line(shape.exterior), [_bent_line(ring) for ring in shape.interiors])
    if isinstance(shape, shapely.LinearRing | shapely.LineString):
        return type(shape)(_bent_line(shape))
    return type(shape)([bent(piece) for piece in shapely.get_parts(shape)])


# a collection's scenes have the same few outlines in every request; at most 256 kB each
_bent_outline = lru_cache(maxsize=256)(_bent)


def length_m(shape: BaseGeometry) -> float:
    """The lengths of all edges of a shape in degrees, in metres: Andoyer's formula, of the first order in flattening.

    Meeus, Astronomical Algorithms (1998), chapter 11. It gives Google's printed perimeter to its last digit
    (13,979.887 km, tests/test_recorded_answers.py), where shortest paths on the ellipsoid have 13,979.872.
    """
    if isinstance(shape, shapely.Polygon):
        return sum(map(length_m, (shape.exterior, *shape.interiors)))
    if hasattr(shape, "geoms"):
        return sum(map(length_m, shape.geoms))
    lonlat = np.radians(shapely.get_coordinates(shape))
    return float(_andoyer_m(lonlat[:-1], lonlat[1:]).sum())


def _andoyer_m(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Metres between places [place, (longitude, latitude)] in radians; zero where they are one."""
    half_lon, half_lat = (end - start).T / 2
    middle = (end + start)[:, 1] / 2
    s = np.sin(half_lat) ** 2 * np.cos(half_lon) ** 2 + np.cos(middle) ** 2 * np.sin(half_lon) ** 2
    c = np.cos(half_lat) ** 2 * np.cos(half_lon) ** 2 + np.sin(middle) ** 2 * np.sin(half_lon) ** 2
    angle = np.arctan2(np.sqrt(s), np.sqrt(c))
    apart, opposite = np.maximum(s, _LEAST_SHARE), np.maximum(c, _LEAST_SHARE)
    ratio = np.sqrt(s * c) / np.maximum(angle, _LEAST_SHARE)
    polar = (3 * ratio - 1) / (2 * opposite) * np.sin(middle) ** 2 * np.cos(half_lat) ** 2
    flat = (3 * ratio + 1) / (2 * apart) * np.cos(middle) ** 2 * np.sin(half_lat) ** 2
    return 2 * angle * ELLIPSOID.a * (1 + ELLIPSOID.f * (polar - flat))


def straight(shape: BaseGeometry) -> BaseGeometry:
    """A shape in degrees with points added to its straight edges, so that shortest paths follow them."""
    west, south, east, north = shape.bounds
    step = max(east - west, north - south) / _PLANAR_PIECES
    return shapely.segmentize(shape, step) if step > 0 else shape


def _bent_line(line: BaseGeometry) -> np.ndarray:
    lonlat = shapely.get_coordinates(line)
    start, end = lonlat[:-1], lonlat[1:]
    pieces = _pieces(start, end)
    chain = [lonlat[:1]]
    last = 0
    for index in np.flatnonzero(pieces > 1):
        chain += [lonlat[last + 1 : index + 1], _between(start[index], end[index], int(pieces[index]))]
        last = int(index)
    return np.concatenate([*chain, lonlat[last + 1 :]])


def _pieces(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Into how many pieces each edge is cut; the distance between arc and chord falls with the square."""
    azimuth, _, length = ELLIPSOID.inv(start[:, 0], start[:, 1], end[:, 0], end[:, 1])
    lon, lat, _ = ELLIPSOID.fwd(start[:, 0], start[:, 1], azimuth, np.asarray(length) / 2)
    middle = (start + end) / 2
    _, _, off_m = ELLIPSOID.inv(lon, lat, middle[:, 0], middle[:, 1])
    pieces = np.ceil(np.sqrt(np.asarray(off_m) / TOLERANCE_M)).clip(1, _MOST_PIECES)
    return np.where(np.abs(end[:, 0] - start[:, 0]) < HALF_GLOBE_DEG, pieces, 1)


def _between(start: np.ndarray, end: np.ndarray, pieces: int) -> np.ndarray:
    """The points between the ends of an edge, on the longitudes' own turn of the globe."""
    points = np.array(ELLIPSOID.npts(start[0], start[1], end[0], end[1], pieces - 1))
    points[:, 0] += np.round((start[0] - points[:, 0]) / 360) * 360
    return points
