"""Where a grid's pixels are, counted from its coordinate system's origin, and where they fall on another grid.

Every coordinate is computed from absolute pixel indices, so a pixel's place does not depend on how a request is cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.raster.projection import Projection, crs_of, key_of, transformer

_PHASE_DIGITS = 6  # of a pixel: grids closer than this are one lattice
_SAME_STEP = 1e-9  # relative
_ON_LATTICE = 1e-3  # of a pixel, over the whole window
_EARTH_RADIUS_M = 6.37e6
_NODE_ERROR = 0.01  # of an output pixel, by the bend of the Earth between nodes
_MOST_NODE_STEP = 64
_MOST_POLAR = 1 << 24  # pixels of a window around a pole
# Finite, because NaN among four nodes would spread over all pixels between them.
_NOWHERE = -1e9  # of a source pixel: outside of any source
# Coordinates are sums of rounded products: without it a centre on an edge falls left or right by its last digit.
_EDGE = 1e-7  # of a source pixel: centres this near an edge fall on its right


@dataclass(frozen=True)
class LatticeWindow:
    """A window of a lattice: steps and phases of the lattice, and the window's first row and column, absolute."""

    crs: str
    step_x: float
    step_y: float
    phase_x: float
    phase_y: float
    row: int
    col: int
    height: int
    width: int

    def xs(self, cols: np.ndarray) -> np.ndarray:
        """Coordinates of the centres of absolute columns."""
        return (cols + (self.phase_x + 0.5)) * self.step_x

    def ys(self, rows: np.ndarray) -> np.ndarray:
        return (rows + (self.phase_y + 0.5)) * self.step_y

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates x and y of every pixel's centre [row, column]."""
        cols, rows = np.arange(self.col, self.col + self.width), np.arange(self.row, self.row + self.height)
        return tuple(np.meshgrid(self.xs(cols), self.ys(rows)))

    def pixels(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows of coordinates, fractional, counted from the lattice's origin: of any window the same."""
        return x / self.step_x - self.phase_x, y / self.step_y - self.phase_y


def place_of(geobox: GeoBox) -> LatticeWindow:
    """The absolute place of a window; grids must not be sheared."""
    return _place(key_of(geobox))


@lru_cache(maxsize=4096)
def _place(key: tuple) -> LatticeWindow:
    height, width, a, b, c, d, e, f, crs = key
    if b or d:
        raise EngineError("Sheared or rotated pixel grids are not supported by the local engine; use a north-up grid.")
    col, phase_x = _split(c / a)
    row, phase_y = _split(f / e)
    return LatticeWindow(crs, a, e, phase_x, phase_y, row, col, height, width)


def _split(position: float) -> tuple[int, float]:
    index = math.floor(position + 0.5 * 10**-_PHASE_DIGITS)
    return index, max(round(position - index, _PHASE_DIGITS), 0.0)


def on_lattice(native: Projection, geobox: GeoBox) -> tuple[int, int] | None:
    """The row and column, in native pixels, of a window that lies on the native lattice; None where it does not."""
    affine, own = geobox.affine, native.transform
    if any((affine.b, affine.d, own.b, own.d)) or crs_of(native.crs) != geobox.crs:
        return None
    if abs(affine.a - own.a) > abs(own.a) * _SAME_STEP or abs(affine.e - own.e) > abs(own.e) * _SAME_STEP:
        return None
    col, row = (affine.c - own.c) / own.a, (affine.f - own.f) / own.e
    if abs(col - round(col)) > _ON_LATTICE or abs(row - round(row)) > _ON_LATTICE:
        return None
    return round(row), round(col)


@dataclass(frozen=True)
class Mapping:
    """Source pixel coordinates (u right, v down, fractional) of every pixel of a window: at nodes, or by axes.

    nodes_u and nodes_v lie every `step` absolute pixels; the window begins at (row, col) from the first node.
    has_holes: some of them, far outside of the source, have no place in its coordinate system; they are at _NOWHERE.
    """

    nodes_u: np.ndarray
    nodes_v: np.ndarray
    step: int
    row: int
    col: int
    height: int
    width: int
    has_holes: bool = False

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Least and greatest u and v over the window (and a little beyond)."""
        return self.nodes_u.min(), self.nodes_u.max(), self.nodes_v.min(), self.nodes_v.max()

    def whole(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of the source pixel under each centre, int32 [row, column]."""
        rows = np.empty((self.height, self.width), np.int32)
        cols = np.empty((self.height, self.width), np.int32)
        _floor_nodes(self.nodes_u, self.nodes_v, self.step, self.row, self.col, rows, cols)
        return rows, cols

    def exact(self) -> tuple[np.ndarray, np.ndarray]:
        """u and v of each centre, float64 [row, column]."""
        us = np.empty((self.height, self.width))
        vs = np.empty((self.height, self.width))
        _interpolate_nodes(self.nodes_u, self.nodes_v, self.step, self.row, self.col, us, vs)
        return us, vs


def axes(native: Projection, window: LatticeWindow) -> tuple[np.ndarray, np.ndarray]:
    """Source coordinates of a window's columns (u) and rows (v) where both grids share a coordinate system."""
    inverse = ~native.transform
    cols = np.arange(window.col, window.col + window.width)
    rows = np.arange(window.row, window.row + window.height)
    return inverse.a * window.xs(cols) + inverse.c, inverse.e * window.ys(rows) + inverse.f


def mapping(native: Projection, geobox: GeoBox) -> Mapping:
    """Source coordinates of a window of another coordinate system, within about 0.01 pixel of the exact ones.

    Across the antimeridian degrees go on beyond 180.
    """
    return _mapping(native.crs, native.transform, place_of(geobox))


@lru_cache(maxsize=64)
def _mapping(crs: str, transform: Affine, window: LatticeWindow) -> Mapping:
    step = _node_step(Projection(window.crs, Affine.scale(window.step_x, window.step_y)).nominal_scale_m)
    x, y, first_row, first_col = _at_nodes(crs, window, step)
    if crs_of(crs).geographic and (steady := _steady(x)) is not None:
        x = steady
    elif crs_of(crs).geographic:  # around a pole, where degrees are no plane: every pixel by itself
        if window.height * window.width > _MOST_POLAR:
            raise EngineError(
                f"A window around a pole has {window.height} x {window.width} pixels; ask for smaller ones."
            )
        step = 1
        x, y, first_row, first_col = _at_nodes(crs, window, step)
    inverse = ~transform
    inside = np.isfinite(x) & np.isfinite(y)
    has_holes = not inside.all()
    if has_holes:
        x, y = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
    nodes_u = inverse.a * x + inverse.b * y + inverse.c
    nodes_v = inverse.d * x + inverse.e * y + inverse.f
    if has_holes:
        nodes_u, nodes_v = np.where(inside, nodes_u, _NOWHERE), np.where(inside, nodes_v, _NOWHERE)
    return Mapping(nodes_u, nodes_v, step, first_row, first_col, window.height, window.width, has_holes)


def _at_nodes(crs: str, window: LatticeWindow, step: int) -> tuple[np.ndarray, np.ndarray, int, int]:
    """x and y of the nodes in another system, and how far from the first of them the window begins."""
    rows, first_row = _nodes(window.row, window.height, step)
    cols, first_col = _nodes(window.col, window.width, step)
    x, y = np.meshgrid(window.xs(cols), window.ys(rows))
    return *transformer(window.crs, crs).transform(x, y), first_row, first_col


def _steady(lon: np.ndarray) -> np.ndarray | None:
    """Longitudes of a window's nodes without a jump at the antimeridian: they go on beyond 180 degrees there.

    None around a pole. Where some nodes have no place, all stay as they are.
    """
    if not np.isfinite(lon).all() or np.ptp(lon) <= 180:
        return lon
    first = np.unwrap(lon[:, :1], period=360, axis=0)
    steady = np.unwrap(np.hstack([first, lon[:, 1:]]), period=360, axis=1)
    return steady if np.abs(np.diff(steady, axis=0)).max(initial=0) <= 180 else None


def _node_step(scale_m: float) -> int:
    """Pixels between nodes such that the Earth's bend between them stays below the allowed error."""
    # Over s pixels the sphere bends off a chord by up to s^2 x scale / (8 R) pixels: this s leaves a fourth of the
    # allowed error.
    most = math.sqrt(2 * _NODE_ERROR * _EARTH_RADIUS_M / max(scale_m, 1e-6))
    # A power of two, so that nodes lie at the same absolute pixels however a request is cut.
    return 1 << max(0, min(int(math.log2(_MOST_NODE_STEP)), int(math.log2(max(most, 1)))))


def _nodes(start: int, length: int, step: int) -> tuple[np.ndarray, int]:
    first = start // step * step
    last = -(-(start + length) // step) * step
    return np.arange(first, last + 1, step), start - first


# A row or column from four nodes, rounded in the same pass: no arrays of float64 of the window's size.
@numba.njit(nogil=True, cache=True)
def _floor_nodes(nodes_u, nodes_v, step, row0, col0, rows, cols):  # pragma: no cover (compiled)
    height, width = rows.shape
    for i in range(height):
        ni, fi = (row0 + i) // step, ((row0 + i) % step) / step
        for j in range(width):
            nj, fj = (col0 + j) // step, ((col0 + j) % step) / step
            top = nodes_u[ni, nj] * (1 - fj) + nodes_u[ni, nj + 1] * fj
            low = nodes_u[ni + 1, nj] * (1 - fj) + nodes_u[ni + 1, nj + 1] * fj
            cols[i, j] = int(np.floor(top * (1 - fi) + low * fi + _EDGE))
            top = nodes_v[ni, nj] * (1 - fj) + nodes_v[ni, nj + 1] * fj
            low = nodes_v[ni + 1, nj] * (1 - fj) + nodes_v[ni + 1, nj + 1] * fj
            rows[i, j] = int(np.floor(top * (1 - fi) + low * fi + _EDGE))


@numba.njit(nogil=True, cache=True)
def _interpolate_nodes(nodes_u, nodes_v, step, row0, col0, us, vs):  # pragma: no cover (compiled)
    height, width = us.shape
    for i in range(height):
        ni, fi = (row0 + i) // step, ((row0 + i) % step) / step
        for j in range(width):
            nj, fj = (col0 + j) // step, ((col0 + j) % step) / step
            top = nodes_u[ni, nj] * (1 - fj) + nodes_u[ni, nj + 1] * fj
            low = nodes_u[ni + 1, nj] * (1 - fj) + nodes_u[ni + 1, nj + 1] * fj
            us[i, j] = top * (1 - fi) + low * fi
            top = nodes_v[ni, nj] * (1 - fj) + nodes_v[ni, nj + 1] * fj
            low = nodes_v[ni + 1, nj] * (1 - fj) + nodes_v[ni + 1, nj + 1] * fj
            vs[i, j] = top * (1 - fi) + low * fi


def floors(coordinates: np.ndarray) -> np.ndarray:
    """The source pixels that hold these coordinates."""
    return np.floor(coordinates + _EDGE).astype(np.int64)
