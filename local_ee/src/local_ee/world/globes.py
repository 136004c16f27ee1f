"""Grids over the world, in degrees or any projection: where their pixels fall on the UTM lattice below them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from local_ee.world.compiled import compiled
from local_ee.world.lattice import STEP_M, Cut
from local_ee.world.plane import conformal, meridian, utm_between, utm_of

_SQUARE = 256  # pixels read at a time in foreign projections


def globe(step_deg: float, north_deg: float, south_deg: float) -> GeoBox:
    """All longitudes between two latitudes in pixels of step_deg."""
    shape = (round((north_deg - south_deg) / step_deg), round(360 / step_deg))
    return GeoBox(shape, Affine(step_deg, 0, -180, 0, -step_deg, north_deg), "EPSG:4326")


# Pixels of a map in degrees: sines by column and latitudes by row are computed once, which pyproj cannot know.
@compiled
def _places(west, north, step, epsg, out_col, out_row):
    height, width = out_col.shape
    sines, cosines = np.empty(width), np.empty(width)
    for col in range(width):
        sines[col], cosines[col] = meridian(west + (col + 0.5) * step, epsg)
    for row in range(height):
        tangent = conformal(north - (row + 0.5) * step)
        for col in range(width):
            x, y = utm_between(tangent, sines[col], cosines[col], epsg)
            out_col[row, col], out_row[row, col] = np.int64(np.floor(x / 10.0)), np.int64(np.floor(-y / 10.0))


def nearest(window: GeoBox, read: Callable[[Cut], np.ndarray], size: int = 1) -> np.ndarray:
    """Values [row, column] of a window in degrees: each pixel takes the pixel under its centre in its own zone.

    size: 10-m pixels along a side of the pixels that `read` gives.
    """
    step, west, north = window.affine.a, window.affine.c, window.affine.f
    height, width = window.shape
    zones = np.clip(np.floor((west + (np.arange(width) + 0.5) * step + 180) / 6).astype(int) + 1, 1, 60)
    first_south = int(np.clip(np.ceil(north / step - 0.5), 0, height))
    pieces = []
    for rows, base in ((slice(0, first_south), 32600), (slice(first_south, height), 32700)):
        if rows.stop <= rows.start:
            continue
        parts = []
        for zone in np.unique(zones):
            cols = np.flatnonzero(zones == zone)
            part_west, part_north = west + cols[0] * step, north - rows.start * step
            parts.append(
                _in_zone(
                    (part_west, part_north, step), (rows.stop - rows.start, len(cols)), base + int(zone), read, size
                )
            )
        pieces.append(np.concatenate(parts, axis=1))
    return np.concatenate(pieces, axis=0)


def _in_zone(
    origin: tuple[float, float, float],
    shape: tuple[int, int],
    epsg: int,
    read: Callable[[Cut], np.ndarray],
    size: int,
) -> np.ndarray:
    """Values of a window that lies in one zone, read in squares so that coarse grids need no huge window."""
    west, north, step = origin
    rows, cols = np.empty(shape, np.int64), np.empty(shape, np.int64)
    _places(west, north, step, epsg, cols, rows)
    rows, cols = rows // size, cols // size
    out: np.ndarray | None = None
    side = max(1, int(0.2 / step))
    for top in range(0, shape[0], side):
        for left in range(0, shape[1], side):
            here = (slice(top, top + side), slice(left, left + side))
            r, c = rows[here], cols[here]
            cut = Cut(epsg, int(r.min()), int(c.min()), int(np.ptp(r)) + 1, int(np.ptp(c)) + 1, size * STEP_M)
            block = read(cut)[r - cut.row, c - cut.col]
            if out is None:
                out = np.empty(shape, block.dtype)
            out[here] = block
    if out is None:
        raise ValueError(f"a window of {shape} pixels has none to read")
    return out


def inside(grid: GeoBox, window: GeoBox) -> np.ndarray:
    """Which pixels of a window of a grid's lattice lie in the grid, by their centres: bool [row, column].

    The window's pixels may be 2**n of the grid's.
    """
    step, size = grid.affine.a, round(window.affine.a / grid.affine.a)
    col, row = round((window.affine.c - grid.affine.c) / step), round((grid.affine.f - window.affine.f) / step)
    rows = row + size * np.arange(window.shape[0]) + size // 2
    cols = col + size * np.arange(window.shape[1]) + size // 2
    return ((rows >= 0) & (rows < grid.shape[0]))[:, None] & ((cols >= 0) & (cols < grid.shape[1]))[None]


def anywhere(window: GeoBox, read: Callable[[Cut], np.ndarray]) -> np.ndarray:
    """As `nearest`, for a window in any projection; pixels beyond the globe take 0."""
    out: np.ndarray | None = None
    for top in range(0, window.shape[0], _SQUARE):
        for left in range(0, window.shape[1], _SQUARE):
            lon, lat = _centres(window, top, left)
            block = _by_zone(lon, lat, read)
            if out is None:
                out = np.zeros(window.shape, block.dtype)
            out[top : top + _SQUARE, left : left + _SQUARE] = block
    if out is None:
        raise ValueError(f"a window of {window.shape.yx} pixels has none to read")
    return out


def _centres(window: GeoBox, top: int, left: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.arange(top, min(top + _SQUARE, window.shape[0])) + 0.5
    cols = np.arange(left, min(left + _SQUARE, window.shape[1])) + 0.5
    x, y = window.affine * np.meshgrid(cols, rows)
    return Transformer.from_crs(window.crs, "EPSG:4326", always_xy=True).transform(x, y)


def _by_zone(lon: np.ndarray, lat: np.ndarray, read: Callable[[Cut], np.ndarray]) -> np.ndarray:
    on_globe = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) < 80)
    zone = np.clip(np.floor((np.where(on_globe, lon, 0) + 180) / 6).astype(int) + 1, 1, 60)
    epsg = np.where(on_globe, np.where(lat >= 0, 32600, 32700) + zone, 0)
    out = None
    for code in np.unique(epsg[on_globe]):
        here = epsg == code
        rows, cols = _zone_places(lon[here], lat[here], code)
        cut = Cut(int(code), int(rows.min()), int(cols.min()), int(np.ptp(rows)) + 1, int(np.ptp(cols)) + 1)
        block = read(cut)
        if out is None:
            out = np.zeros(lon.shape, block.dtype)
        out[here] = block[rows - cut.row, cols - cut.col]
    return np.zeros(lon.shape, np.uint8) if out is None else out


@compiled
def _zone_places(lon, lat, epsg):
    rows, cols = np.empty(lon.shape[0], np.int64), np.empty(lon.shape[0], np.int64)
    for k in range(lon.shape[0]):
        x, y = utm_of(lon[k], lat[k], epsg)
        rows[k], cols[k] = np.int64(np.floor(-y / 10.0)), np.int64(np.floor(x / 10.0))
    return rows, cols
