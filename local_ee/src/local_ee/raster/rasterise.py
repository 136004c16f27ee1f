"""Shapes as masks of pixels: by pixel centres, or by the share of each pixel that is covered."""

from __future__ import annotations

import numpy as np
import rasterio.features
import shapely
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from local_ee.raster.geometry import Geometry, outline, rectangle
from local_ee.raster.lattice import place_of
from local_ee.raster.pixels import blank, valid

_WHOLE = 1e-6  # of a pixel: less is rounding
_TILES_PX = (4096, 512, 64, 8)  # sides of the tiles that a shape of many points is cut into
_FEW_POINTS = 32


def centres_inside(geometry: Geometry, geobox: GeoBox) -> np.ndarray:
    """bool [row, column]: pixels whose centre is inside."""
    uniform = _known(geometry, geobox)
    if uniform is not None:
        return uniform
    shape = _in_grid(geometry, geobox)
    return rasterio.features.rasterize(
        [(shape, 1)], tuple(geobox.shape), transform=geobox.affine, dtype="uint8"
    ).astype(bool)


def covered_share(geometry: Geometry, geobox: GeoBox) -> np.ndarray:
    """The covered share of each pixel: bool where every pixel is covered whole or not at all, else float32."""
    uniform = _known(geometry, geobox)
    if uniform is not None:
        return uniform
    shape = _in_grid(geometry, geobox)
    if shape.area == 0:
        return blank(geobox.shape)
    share = centres_inside(geometry, geobox).astype(np.float32)
    edge = rasterio.features.rasterize(
        [(shape.boundary, 1)], tuple(geobox.shape), transform=geobox.affine, dtype="uint8", all_touched=True
    )
    _measure_edges(shape, geobox, np.argwhere(edge), share)
    return share != 0 if np.isin(share, (0, 1)).all() else share


def _measure_edges(shape: BaseGeometry, geobox: GeoBox, edges: np.ndarray, share: np.ndarray) -> None:
    """Replaces the share of pixels on the boundary by the measured one."""
    if not len(edges):
        return
    rows, cols = edges.T
    window = place_of(geobox)  # absolute, so that a pixel's corners do not depend on where the window begins
    scale = np.array([window.step_x, window.step_y])
    corners = np.column_stack([cols + window.col, rows + window.row])
    covered = _areas(shape, corners, np.array([window.phase_x, window.phase_y]), scale, _TILES_PX)
    covered /= abs(window.step_x * window.step_y)
    covered[covered < _WHOLE] = 0
    covered[covered > 1 - _WHOLE] = 1
    share[rows, cols] = covered


def _areas(
    shape: BaseGeometry, pixels: np.ndarray, phase: np.ndarray, scale: np.ndarray, tiles_px: tuple[int, ...]
) -> np.ndarray:
    """The area of the shape in each pixel (column, row of the whole grid), in units of its coordinates.

    A shape of many points is cut into tiles of the whole grid first, and these into smaller ones: each pixel then meets
    the few points around it. A pixel's tiles do not depend on the window, so neither does a bit of its area.
    """
    if not tiles_px or shapely.get_num_coordinates(shape) <= _FEW_POINTS:
        return shapely.area(shapely.intersection(_boxes(pixels, 1, phase, scale), shape))
    side, *smaller = tiles_px
    tiles, which = np.unique(pixels // side, axis=0, return_inverse=True)
    parts = shapely.intersection(_boxes(tiles * side, side, phase, scale), shape)
    areas = np.empty(len(pixels))
    for index, polygon in enumerate(parts):
        inside = which.reshape(-1) == index
        areas[inside] = _areas(_surface(polygon), pixels[inside], phase, scale, tuple(smaller))
    return areas


def _boxes(pixels: np.ndarray, side: int, phase: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Squares of `side` pixels from these on, as polygons."""
    first, last = ((pixels + phase + step) * scale for step in (0, side))
    return shapely.box(first[:, 0], last[:, 1], last[:, 0], first[:, 1])


def _surface(shape: BaseGeometry) -> BaseGeometry:
    """The polygons of what two shapes have in common: where they only touch, lines and points are among it.

    Older releases of GEOS cut no such mixture.
    """
    if shape.geom_type != "GeometryCollection":
        return shape
    return shapely.multipolygons([polygon for polygon in shapely.get_parts(shape) if polygon.geom_type == "Polygon"])


def _known(geometry: Geometry, geobox: GeoBox) -> np.ndarray | None:
    """The mask where no pixel needs a look: all inside, or none."""
    if geometry.unbounded:
        return valid(geobox.shape)
    shape, window = _in_grid(geometry, geobox), outline(geobox, str(geobox.crs))
    if shape.covers(window):
        return valid(geobox.shape)
    return None if shape.intersects(window) else blank(geobox.shape)


def _in_grid(geometry: Geometry, geobox: GeoBox) -> BaseGeometry:
    """The shape in the grid's coordinate system; only areas cover pixels."""
    return geometry.in_crs(str(geobox.crs)).drawn


def bounds_box(geometry: Geometry, crs: str) -> BaseGeometry:
    """The bounding box of a geometry in a coordinate system."""
    return rectangle(*geometry.in_crs(crs).drawn.bounds)
