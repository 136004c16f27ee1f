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
    left, right = ((cols + window.col + window.phase_x + side) * window.step_x for side in (0, 1))
    top, bottom = ((rows + window.row + window.phase_y + side) * window.step_y for side in (0, 1))
    covered = shapely.area(shapely.intersection(shapely.box(left, bottom, right, top), shape))
    covered /= abs(window.step_x * window.step_y)
    covered[covered < _WHOLE] = 0
    covered[covered > 1 - _WHOLE] = 1
    share[rows, cols] = covered


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
