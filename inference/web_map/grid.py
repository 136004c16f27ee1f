"""The grid that all maps of a page are drawn on, and the longitudes, latitudes and areas of its pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from isamap.gee_export.base.grid import crs_of
from isamap.inference.assessment.pixel_area import pixel_areas_m2
from isamap.inference.map_files.map_file import MapFile

KNOTS = 17  # a side of the lattice of places: linear between them within 0.1 m on a map 41 km wide
_WHOLE = 1e-6  # of a pixel: grids that differ by less are the same


@dataclass(frozen=True)
class PageGrid:
    """The pixels of a page: the first map's coordinate system, the ground of all maps, `shrink` times its step."""

    geobox: GeoBox
    shrink: float

    def described(self) -> dict[str, Any]:
        """Width, height, and on a lattice over the grid: degrees east and north, and m2 of the pixel there."""
        height, width = self.geobox.shape
        cells = Affine.scale(width / (KNOTS - 1), height / (KNOTS - 1))
        col, row = np.meshgrid(np.arange(KNOTS), np.arange(KNOTS))
        to_degrees = Transformer.from_crs(crs_of(self.geobox).to_wkt(), 4326, always_xy=True)
        lon, lat = to_degrees.transform(*(self.geobox.affine * cells * (col.ravel(), row.ravel())))
        around = GeoBox((KNOTS, KNOTS), self.geobox.affine * cells * Affine.translation(-0.5, -0.5), self.geobox.crs)
        area = np.broadcast_to(pixel_areas_m2(around), (KNOTS, KNOTS)) / abs(cells.determinant)
        return {
            "width": width,
            "height": height,
            "rows": KNOTS,
            "cols": KNOTS,
            "lon": [round(float(value), 7) for value in lon],
            "lat": [round(float(value), 7) for value in lat],
            "area_m2": [round(float(value), 6) for value in area.ravel()],
        }


def shared_grid(map_files: Sequence[MapFile], longest_px: int) -> PageGrid:
    """The grid of the first map, grown to the ground of all and made coarser until no side is over longest_px.

    ValueError where a map shares no ground with the first.
    """
    own = map_files[0].geobox
    corners_of = [_corners(own, each.geobox) for each in map_files]
    for map_file, corners in zip(map_files, corners_of, strict=True):
        _check_overlap(map_file, corners, map_files[0])
    corners = np.concatenate(corners_of)
    # Inwards by a millionth: corners that rounding moved over an edge would add a row of nothing.
    (left, top), (right, bottom) = np.floor(corners.min(axis=0) + _WHOLE), np.ceil(corners.max(axis=0) - _WHOLE)
    height, width = round(bottom - top), round(right - left)
    shrink = max(1.0, max(height, width) / longest_px)
    small = max(1, round(height / shrink)), max(1, round(width / shrink))
    affine = own.affine * Affine.translation(left, top) * Affine.scale(width / small[1], height / small[0])
    return PageGrid(GeoBox(small, affine, own.crs), shrink)


def on_grid(map_file: MapFile, grid: PageGrid, fill: int) -> np.ndarray:
    """Classes and probabilities of a map on the grid, uint8 (2, rows, columns), nearest, `fill` outside the map."""
    from rasterio.warp import Resampling, reproject

    values_2HW, geobox = map_file.shrunk(math.ceil(max(map_file.geobox.shape) / grid.shrink))
    if geobox == grid.geobox:
        return values_2HW
    drawn_2HW = np.full((2, *grid.geobox.shape), fill, np.uint8)
    for source, target in zip(values_2HW, drawn_2HW, strict=True):
        reproject(
            source,
            target,
            src_transform=geobox.affine,
            src_crs=crs_of(geobox).to_wkt(),
            dst_transform=grid.geobox.affine,
            dst_crs=crs_of(grid.geobox).to_wkt(),
            src_nodata=fill,
            dst_nodata=fill,
            resampling=Resampling.nearest,
        )
    return drawn_2HW


def _check_overlap(map_file: MapFile, corners: np.ndarray, first: MapFile) -> None:
    height, width = first.geobox.shape
    if (corners.max(axis=0) <= _WHOLE).any() or (corners.min(axis=0) >= (width - _WHOLE, height - _WHOLE)).any():
        raise ValueError(
            f"{map_file.path} lies beside {first.path} and shares no ground with it: give maps of one place"
        )


def _corners(own: GeoBox, other: GeoBox) -> np.ndarray:
    """Corners of a grid (and points along its edges, where the systems differ), in pixels of another: (points, 2)."""
    height, width = other.shape
    along = np.linspace(0, 1, 2 if crs_of(own) == crs_of(other) else 21)
    col, row = (values.ravel() for values in np.meshgrid(along * width, along * height))
    x, y = other.affine * (col, row)
    if crs_of(own) != crs_of(other):
        own_wkt, other_wkt = crs_of(own).to_wkt(), crs_of(other).to_wkt()
        x, y = Transformer.from_crs(other_wkt, own_wkt, always_xy=True).transform(x, y)
    return np.stack(~own.affine * (np.asarray(x), np.asarray(y)), axis=1)
