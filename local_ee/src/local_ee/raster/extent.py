"""Which part of a window the pixels of a UTM grid can reach, so that a scene on a map of the world costs its own size.

A place far from a zone has no coordinates in it (PROJ, tmerc); what is cut off here need not have any.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.raster.lattice import LatticeWindow, place_of
from local_ee.raster.projection import Projection, transformer

_UTM = re.compile(r"EPSG:32[67](0[1-9]|[1-5]\d|60)")
_EDGE_POINTS = 33  # of each side, between which a side may bend
_BEND = 0.02  # of the extent's size, beyond its outermost point
_MARGIN = 4  # pixels around, for interpolation

Part = tuple[slice, slice]


def part_of(native: Projection, dimensions: tuple[int, int] | None, geobox: GeoBox) -> Part | None:
    """Rows and columns of a window that a grid of dimensions (rows, columns) reaches; None where it may be all.

    Both are empty where it reaches none.
    """
    if dimensions is None or not _UTM.fullmatch(native.crs):
        return None
    return _part(native, dimensions, place_of(geobox))


@lru_cache(maxsize=1024)
def _part(native: Projection, dimensions: tuple[int, int], window: LatticeWindow) -> Part | None:
    x, y = _edge(native, dimensions)
    x, y = transformer(native.crs, window.crs).transform(x, y)
    columns, rows = window.pixels(np.asarray(x), np.asarray(y))
    if not (np.isfinite(columns).all() and np.isfinite(rows).all()):
        return None
    spans = (_span(rows, window.row, window.height), _span(columns, window.col, window.width))
    covered = math.prod(span.stop - span.start for span in spans)
    return spans if 2 * covered < window.height * window.width else None


def _edge(native: Projection, dimensions: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of points all around a grid."""
    rows, columns = dimensions
    share = np.linspace(0, 1, _EDGE_POINTS)
    zeros, ones = np.zeros_like(share), np.ones_like(share)
    u = np.concatenate([share, ones, share, zeros]) * columns
    v = np.concatenate([zeros, share, ones, share]) * rows
    x, y = native.transform * (u, v)
    return x, y


def _span(places: np.ndarray, first: int, length: int) -> slice:
    """The pixels of a window that lie between the least and the greatest place, and a few more."""
    least, most = places.min(), places.max()
    margin = _MARGIN + _BEND * (most - least)
    start = min(max(math.floor(least - margin) - first, 0), length)
    return slice(start, max(min(math.ceil(most + margin) - first, length), start))
