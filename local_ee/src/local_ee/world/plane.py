"""The plane in which the world is laid out, and the UTM zones in which it is drawn.

Rivers, towns and street corners have one place on a Mercator plane, so that every UTM zone (and the overlap of two)
shows the same world. Plane metres are true metres at 30.5 N.
"""

from __future__ import annotations

import math

import numpy as np

from local_ee.world.compiled import compiled, one_by_one

SCALE_LATITUDE_DEG = 30.5
_AXIS, _FLATTENING = 6378137.0, 1 / 298.257223563
_RADIUS = _AXIS * math.cos(math.radians(SCALE_LATITUDE_DEG))
_N = _FLATTENING / (2 - _FLATTENING)
_E = math.sqrt(_FLATTENING * (2 - _FLATTENING))
_MEAN = 0.9996 * _AXIS / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
# Krueger's series (Karney 2011, doi 10.1007/s00190-011-0445-3, equations 35 and 36), below a millimetre at this order.
_A1 = _N / 2 - 2 / 3 * _N**2 + 5 / 16 * _N**3
_A2 = 13 / 48 * _N**2 - 3 / 5 * _N**3
_A3 = 61 / 240 * _N**3
_B1 = _N / 2 - 2 / 3 * _N**2 + 37 / 96 * _N**3
_B2 = 1 / 48 * _N**2 + 1 / 15 * _N**3
_B3 = 17 / 480 * _N**3


# Kernels and not pyproj: drawing asks for places one by one, from code that holds no lock of Python. float64, as the
# series cancel; products and not powers, so that Python gives the same bits (compiled.interpreted).
@compiled
def plane_of(lon_deg, lat_deg):
    """Plane metres of a longitude and latitude."""
    return _RADIUS * math.radians(lon_deg), _RADIUS * math.asinh(math.tan(math.radians(lat_deg)))


@compiled
def lonlat_of(x, y):
    """Longitude and latitude of plane metres."""
    return math.degrees(x / _RADIUS), math.degrees(math.atan(math.sinh(y / _RADIUS)))


@compiled
def utm_of(lon_deg, lat_deg, epsg):
    """Easting and northing in a UTM zone (EPSG 326zz or 327zz)."""
    sine, cosine = meridian(lon_deg, epsg)
    return utm_between(conformal(lat_deg), sine, cosine, epsg)


@compiled
def meridian(lon_deg, epsg):
    """Sine and cosine of the angle from a zone's middle meridian."""
    lam = math.radians(lon_deg - ((epsg % 100) * 6 - 183))
    return math.sin(lam), math.cos(lam)


@compiled
def conformal(lat_deg):
    """Tangent of the conformal latitude."""
    s = math.sin(math.radians(lat_deg))
    return math.sinh(math.atanh(s) - _E * math.atanh(_E * s))


@compiled
def utm_between(t, sine, cosine, epsg):
    """Easting and northing from what `conformal` and `meridian` give: a grid computes them once a row and column."""
    xi = math.atan2(t, cosine)
    eta = math.asinh(sine / math.sqrt(t * t + cosine * cosine))
    x = eta + _A1 * math.cos(2 * xi) * math.sinh(2 * eta) + _A2 * math.cos(4 * xi) * math.sinh(4 * eta)
    y = xi + _A1 * math.sin(2 * xi) * math.cosh(2 * eta) + _A2 * math.sin(4 * xi) * math.cosh(4 * eta)
    x += _A3 * math.cos(6 * xi) * math.sinh(6 * eta)
    y += _A3 * math.sin(6 * xi) * math.cosh(6 * eta)
    north = 10000000.0 if epsg // 100 == 327 else 0.0
    return 500000.0 + _MEAN * x, north + _MEAN * y


@compiled
def lonlat_of_utm(east, north, epsg):
    """Longitude and latitude of an easting and northing in a UTM zone."""
    if epsg // 100 == 327:
        north -= 10000000.0
    eta, xi = (east - 500000.0) / _MEAN, north / _MEAN
    x = eta - _B1 * math.cos(2 * xi) * math.sinh(2 * eta) - _B2 * math.cos(4 * xi) * math.sinh(4 * eta)
    y = xi - _B1 * math.sin(2 * xi) * math.cosh(2 * eta) - _B2 * math.sin(4 * xi) * math.cosh(4 * eta)
    x -= _B3 * math.cos(6 * xi) * math.sinh(6 * eta)
    y -= _B3 * math.sin(6 * xi) * math.cosh(6 * eta)
    sine, cosine = math.sinh(x), math.cos(y)
    target = math.sin(y) / math.sqrt(sine * sine + cosine * cosine)
    s = target / math.sqrt(1 + target * target)
    for _ in range(5):  # conformal to geodetic latitude by fixed point; e^2 shrinks the error at each step
        s = math.tanh(math.asinh(target) + _E * math.atanh(_E * s))
    lam = math.atan2(math.sinh(x), math.cos(y))
    return math.degrees(lam) + (epsg % 100) * 6 - 183, math.degrees(math.asin(s))


@compiled
def plane_nodes(left, top, side, epsg):
    """Plane metres at the 3 x 3 corners, edge middles and centre of a square of a zone: array [row, column, xy]."""
    nodes = np.empty((3, 3, 2))
    for row in range(3):
        for col in range(3):
            lon, lat = lonlat_of_utm(left + col * side / 2, top - row * side / 2, epsg)
            nodes[row, col, 0], nodes[row, col, 1] = plane_of(lon, lat)
    return nodes


@compiled
def plane_at(nodes, u, v):
    """Plane metres at u (east) and v (south), 0 to 1 over the square of `nodes`; neighbours agree on shared edges."""
    a0, a1, a2 = (1 - u) * (1 - 2 * u), 4 * u * (1 - u), u * (2 * u - 1)
    b0, b1, b2 = (1 - v) * (1 - 2 * v), 4 * v * (1 - v), v * (2 * v - 1)
    x = y = 0.0
    for row, b in enumerate((b0, b1, b2)):
        x += b * (a0 * nodes[row, 0, 0] + a1 * nodes[row, 1, 0] + a2 * nodes[row, 2, 0])
        y += b * (a0 * nodes[row, 0, 1] + a1 * nodes[row, 1, 1] + a2 * nodes[row, 2, 1])
    return x, y


# For callers in Python: ten to twenty microseconds a place, where compiling takes a fifth of a second each.
to_plane, to_lonlat, to_utm = (one_by_one(kernel, 5000) for kernel in (plane_of, lonlat_of_utm, utm_of))
nodes_of = one_by_one(plane_nodes, 500)
