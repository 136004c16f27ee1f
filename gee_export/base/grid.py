"""The one grid of a region: where its pixels are, the patches on it, and rasters that carry their grid along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Geod, Transformer

from isamap.gee_export.base.regions import STEP_M, Region


@dataclass(frozen=True, slots=True)
class Window:
    """Whole pixels of a grid: rows [row, row + height) and columns [col, col + width), counted from its origin."""

    row: int
    col: int
    height: int
    width: int

    @property
    def row_end(self) -> int:
        return self.row + self.height

    @property
    def col_end(self) -> int:
        return self.col + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing an array that starts at the grid's origin."""
        return slice(self.row, self.row_end), slice(self.col, self.col_end)

    def times(self, ratio: int) -> Window:
        """The window of the same ground in pixels `ratio` times finer."""
        return Window(self.row * ratio, self.col * ratio, self.height * ratio, self.width * ratio)

    def overlap(self, window: Window) -> Window | None:
        """The pixels that both hold, or None."""
        row, col = max(self.row, window.row), max(self.col, window.col)
        height = min(self.row_end, window.row_end) - row
        width = min(self.col_end, window.col_end) - col
        return Window(row, col, height, width) if height > 0 and width > 0 else None

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Slices of this window in an array that covers `outer`."""
        return (
            slice(self.row - outer.row, self.row_end - outer.row),
            slice(self.col - outer.col, self.col_end - outer.col),
        )


@dataclass(frozen=True)
class Raster:
    """Pixels with their place: values (bands, rows, columns) and which of them are valid (same shape, bool)."""

    geobox: GeoBox
    bands: tuple[str, ...]
    values_BHW: np.ndarray
    valid_BHW: np.ndarray

    def __post_init__(self) -> None:
        expected = (len(self.bands), *self.geobox.shape)
        if self.values_BHW.shape != expected or self.valid_BHW.shape != expected:
            raise ValueError(
                f"raster of bands {self.bands}: values {self.values_BHW.shape} and valid {self.valid_BHW.shape}, "
                f"expected {expected}"
            )
        if self.valid_BHW.dtype != bool:
            raise ValueError(f"raster of bands {self.bands}: valid is {self.valid_BHW.dtype}, expected bool")


def grid_of(region: Region) -> GeoBox:
    """The region's pixels: its UTM zone, its own bounds, square pixels of 10 m, north up."""
    left, bottom, right, top = region.bounds_m
    shape = (round((top - bottom) / STEP_M), round((right - left) / STEP_M))
    return GeoBox(shape, Affine(STEP_M, 0, left, 0, -STEP_M, top), f"EPSG:{region.epsg}")


def lattice_window(region: Region) -> Window:
    """The region's pixels as rows and columns counted from its lattice origin (the numbers in patch ids)."""
    left, _, _, top = region.bounds_m
    x0, y0 = region.origin_m
    return Window(round((y0 - top) / STEP_M), round((left - x0) / STEP_M), *grid_of(region).shape)


def reversed_axes(affine: Affine) -> tuple[bool, bool]:
    """Whether rows run from south to north and columns from east to west; of rotated pixels neither is said."""
    if affine.b or affine.d:
        return False, False
    return affine.e > 0, affine.a < 0


def north_up_affine(affine: Affine, shape: tuple[int, int]) -> Affine:
    """The transform of the same pixels (rows, columns), counted from the north-west corner."""
    rows, cols = reversed_axes(affine)
    if not (rows or cols):
        return affine
    left = affine.c + affine.a * shape[1] if cols else affine.c
    top = affine.f + affine.e * shape[0] if rows else affine.f
    return Affine(abs(affine.a), 0, left, 0, -abs(affine.e), top)


def crop(grid: GeoBox, window: Window) -> GeoBox:
    """The part of a grid under a window (which may reach outside: the pixels continue)."""
    affine = grid.affine * Affine.translation(window.col, window.row)
    return GeoBox((window.height, window.width), affine, grid.crs)


def tiles(height: int, width: int, side: int) -> Iterator[Window]:
    """Windows of at most side x side pixels that cover the grid once, row by row; the last ones are smaller."""
    for row in range(0, height, side):
        for col in range(0, width, side):
            yield Window(row, col, min(side, height - row), min(side, width - col))


def positions(height: int, width: int, size: int, stride: int) -> Iterator[Window]:
    """Whole patches of size x size pixels every `stride` pixels, row by row; none reaches over the edge."""
    for row in range(0, height - size + 1, stride):
        for col in range(0, width - size + 1, stride):
            yield Window(row, col, size, size)


def crs_of(geobox: GeoBox) -> CRS:
    """The coordinate system of a grid; ValueError for a grid that has none."""
    if geobox.crs is None:
        raise ValueError(
            f"the grid of {geobox.shape.x} x {geobox.shape.y} pixels has no coordinate system: give it one"
        )
    return geobox.crs


def ground_step_m(geobox: GeoBox) -> tuple[float, float]:
    """Metres on the ground from a pixel in the middle to the next row and to the next column."""
    height, width = geobox.shape
    middle = (width / 2, height / 2)
    points = [middle, (middle[0], middle[1] + 1), (middle[0] + 1, middle[1])]
    to_degrees = Transformer.from_crs(crs_of(geobox).to_wkt(), 4326, always_xy=True)
    places = [to_degrees.transform(*(geobox.affine * point)) for point in points]
    ellipsoid = Geod(ellps="WGS84")
    return tuple(ellipsoid.inv(*places[0], *neighbour)[2] for neighbour in places[1:])
