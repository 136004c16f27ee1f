"""Images other than Sentinel's composites: an Earth Engine asset or a raster of this machine, on any grid and step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer

from gee_export.channel import Channel
from gee_export.grid import Window, crop
from gee_export.ground import Ground
from gee_export.manifest import Band
from gee_export.packing import Packing, Unit
from gee_export.regions import Period, Region

if TYPE_CHECKING:
    import ee

RASTERS = (".tif", ".tiff", ".vrt", ".jp2", ".img")
_ALIGNED_PX = 1e-3  # grids whose pixels differ by less are one grid
COARSER = 1.5  # from so many source pixels along one of the grid's, pixels are averaged instead of interpolated


@dataclass(frozen=True)
class Imagery:
    """An image as asked: an asset id or a raster file, its bands (none: all) and the unit of its numbers.

    Of a raster without band names, `bands` gives them. See packing.Unit for how a unit is written.
    """

    source: str
    bands: tuple[str, ...] = ()
    unit: str | None = None

    def __post_init__(self) -> None:
        if len(set(self.bands)) < len(self.bands):
            raise ValueError(f"bands {' '.join(self.bands)} of {self.source}: name each once")
        if self.unit is not None:
            Unit.parse(self.unit)

    @property
    def is_file(self) -> bool:
        """Whether it lies on this machine."""
        return self.source.lower().endswith(RASTERS) or Path(self.source).expanduser().is_file()

    @property
    def name(self) -> str:
        """What manifests call it: no folder of this machine."""
        return Path(self.source).name if self.is_file else self.source

    @property
    def told(self) -> Unit | None:
        """The unit as asked, or None."""
        return None if self.unit is None else Unit.parse(self.unit)


class Found(Protocol):
    """An image that was found for a region and period, before it is laid on a grid."""

    bands: tuple[str, ...]
    packing: Packing
    info: Mapping[str, Any]
    simulated: bool
    grid: GeoBox | None  # its own pixels; None where they are rotated
    bounded: bool  # whether there is nothing outside the grid (a collection has more images beside the one)

    def onto(self, grid: GeoBox) -> Laid:
        """The image on another grid of this or any other CRS."""
        ...


class Laid(Protocol):
    """An image on a grid. image: lazy, in stored numbers, of the server's; None where it is read on this machine."""

    image: ee.Image | None

    def read(self, geobox: GeoBox) -> np.ndarray:
        """Stored numbers (bands, rows, columns) of a window of the grid, of an image on this machine."""
        ...


def open_imagery(asked: Imagery, region: Region | None, period: Period, *, small: bool = False) -> Found:
    """The image, found: asks the server for what lies there, reads a file's head. small: bytes may stay bytes.

    ValueError for what is not there, has no coordinate system or cannot be stored; Fault where the server refuses.
    """
    from gee_export import imageasset, imagefile

    if asked.is_file:
        return imagefile.open_file(asked, small=small)
    if region is None:
        raise ValueError(f"nothing says which part of {asked.source} is wanted: give --region, --bbox or --geometry")
    return imageasset.open_asset(asked, region, period, small=small)


def stored_bands(found: Found) -> tuple[Band, ...]:
    """The bands as datasets store them."""
    return tuple(found.packing.band(name) for name in found.bands)


def channels(found: Found) -> tuple[Channel, ...]:
    """What requests ask the server for."""
    return tuple(found.packing.channel(name) for name in found.bands)


def ground_of(found: Found, region: Region, step_m: float | None) -> Ground:
    """The region on the image's own lattice, or on its UTM lattice of step_m where that is another step.

    Rows and columns are the image's own, or, of collections, count from the pixel that holds the region's origin: parts
    of a region share their lattice. ValueError where the image has no north-up grid or does not touch the region.
    """
    own = found.grid
    if own is None and step_m is None:
        raise ValueError(f"{found.info['name']} has rotated pixels: say with --scale on which step to lay it")
    if own is not None and (step_m is None or _is_step(own, step_m)):
        return _on_own_grid(found, own, region)
    return utm_ground(region, step_m)


def utm_ground(region: Region, step_m: float) -> Ground:
    """The region on its UTM lattice at another step than 10 m: the whole pixels that lie inside it."""
    left, bottom, right, top = region.bounds_m
    x0, y0 = region.origin_m
    lattice = GeoBox((1, 1), Affine(step_m, 0, x0, 0, -step_m, y0), f"EPSG:{region.epsg}")
    col, row = math.ceil((left - x0) / step_m - 1e-9), math.ceil((y0 - top) / step_m - 1e-9)
    end = math.floor((right - x0) / step_m + 1e-9), math.floor((y0 - bottom) / step_m + 1e-9)
    if end[0] <= col or end[1] <= row:
        raise ValueError(f"region {region.name!r} has no pixel of {step_m:g} m: widen it or give a smaller --scale")
    return Ground(region, lattice, Window(row, col, end[1] - row, end[0] - col))


def is_aligned(grid: GeoBox, other: GeoBox) -> bool:
    """Whether two grids have the same pixels where they overlap."""
    if not _is_same_crs(grid, other) or grid.affine.b or grid.affine.d or other.affine.b or other.affine.d:
        return False
    a, b = grid.affine, other.affine
    reach = max(*grid.shape, *other.shape)
    if abs(a.a / b.a - 1) * reach > _ALIGNED_PX or abs(a.e / b.e - 1) * reach > _ALIGNED_PX:
        return False
    col, row = ~b * (a.c, a.f)
    return abs(col - round(col)) < _ALIGNED_PX and abs(row - round(row)) < _ALIGNED_PX


def window_in(grid: GeoBox, geobox: GeoBox) -> Window:
    """An aligned geobox as a window of the grid; it may reach outside."""
    col, row = ~grid.affine * (geobox.affine.c, geobox.affine.f)
    return Window(round(row), round(col), *geobox.shape)


def step_ratio(source: GeoBox, grid: GeoBox) -> float:
    """How many source pixels lie along one pixel of a grid, about the middle of the grid."""
    height, width = grid.shape
    col, row = width / 2, height / 2
    x, y = zip(*(grid.affine * point for point in ((col, row), (col + 1, row), (col, row + 1))), strict=True)
    if not _is_same_crs(source, grid):
        x, y = Transformer.from_crs(grid.crs, source.crs, always_xy=True).transform(x, y)
    cols, rows = zip(*(~source.affine * point for point in zip(x, y, strict=True)), strict=True)
    return math.sqrt(abs((cols[1] - cols[0]) * (rows[2] - rows[0]) - (cols[2] - cols[0]) * (rows[1] - rows[0])))


def _on_own_grid(found: Found, own: GeoBox, region: Region) -> Ground:
    to_own = Transformer.from_crs(region.epsg, own.crs, always_xy=True)
    col0, row0 = 0, 0
    if not found.bounded:
        origin = ~own.affine * to_own.transform(*region.origin_m)
        col0, row0 = (math.floor(value + _ALIGNED_PX) for value in origin)
    left, bottom, right, top = to_own.transform_bounds(*region.bounds_m, densify_pts=21)
    (col, row), (end_col, end_row) = ~own.affine * (left, top), ~own.affine * (right, bottom)
    slack = _ALIGNED_PX
    first_row, first_col = math.floor(row + slack), math.floor(col + slack)
    wanted = Window(
        first_row, first_col, math.ceil(end_row - slack) - first_row, math.ceil(end_col - slack) - first_col
    )
    held = wanted.overlap(Window(0, 0, *own.shape)) if found.bounded else wanted
    if held is None:
        raise ValueError(f"{found.info['name']} does not cover any part of region {region.name!r}: choose another one")
    window = Window(held.row - row0, held.col - col0, held.height, held.width)
    return Ground(region, crop(own, Window(row0, col0, 1, 1)), window)


def _is_step(own: GeoBox, step_m: float) -> bool:
    if own.crs.geographic:
        return False
    return all(math.isclose(abs(side), step_m, rel_tol=1e-6) for side in (own.affine.a, own.affine.e))


def _is_same_crs(one: GeoBox, other: GeoBox) -> bool:
    if one.crs == other.crs:
        return True
    return CRS.from_user_input(str(one.crs)).equals(CRS.from_user_input(str(other.crs)), ignore_axis_order=True)
