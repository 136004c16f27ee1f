"""The user's choice of an image other than Sentinel's, and how its pixels lie on those of another grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer

from gee_export.base.grid import Window
from gee_export.datasets.packing import Unit

RASTERS = (".tif", ".tiff", ".vrt", ".jp2", ".img")
ALIGNED_PX = 1e-3  # grids whose pixels differ by less are one grid
COARSER = 1.5  # from so many source pixels along one of the grid's, pixels are averaged instead of interpolated


@dataclass(frozen=True)
class Imagery:
    """An image that the user chose: an asset id or a raster file, its bands (none: all) and the unit of its numbers.

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
        """The unit that the user named, or None."""
        return None if self.unit is None else Unit.parse(self.unit)


def is_aligned(grid: GeoBox, reference: GeoBox) -> bool:
    """Whether two grids have the same pixels where they overlap."""
    if not _is_same_crs(grid, reference) or grid.affine.b or grid.affine.d or reference.affine.b or reference.affine.d:
        return False
    a, b = grid.affine, reference.affine
    reach = max(*grid.shape, *reference.shape)
    if abs(a.a / b.a - 1) * reach > ALIGNED_PX or abs(a.e / b.e - 1) * reach > ALIGNED_PX:
        return False
    col, row = ~b * (a.c, a.f)
    return abs(col - round(col)) < ALIGNED_PX and abs(row - round(row)) < ALIGNED_PX


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


def _is_same_crs(left: GeoBox, right: GeoBox) -> bool:
    if left.crs == right.crs:
        return True
    return CRS.from_user_input(str(left.crs)).equals(CRS.from_user_input(str(right.crs)), ignore_axis_order=True)
