"""The user's choice of an image other than Sentinel's, and how its pixels lie on those of another grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer

from isamap.gee_export.base.grid import Window
from isamap.gee_export.datasets.packing import Unit

RASTERS = (".tif", ".tiff", ".vrt", ".jp2", ".img")
ALIGNED_PX = 1e-3  # grids whose pixels differ by less are one grid
COARSER = 1.5  # from so many source pixels along one of the grid's, pixels are averaged instead of interpolated


@dataclass(frozen=True)
class Imagery:
    """An image that the user chose: an asset id or a raster file, its bands (none: all) and the unit of its numbers.

    Of a raster without band names, `bands` gives them; VV=VV_p50 calls the band VV_p50 VV. See packing.Unit for how a
    unit is written. most_cloud: percent that an image of the server may say of itself; None: any.
    """

    source: str
    bands: tuple[str, ...] = ()
    unit: str | None = None
    most_cloud: float | None = None

    def __post_init__(self) -> None:
        names = [word.partition("=")[0] for word in self.bands]
        if len(set(names)) < len(names):
            raise ValueError(f"bands {' '.join(self.bands)} of {self.source}: name each once")
        if wrong := [word for word in self.bands if "=" in word and not all(word.split("=", 1))]:
            raise ValueError(f"band {wrong[0]!r} of {self.source}: expected NAME, or NEW=NAME such as VV=VV_p50")
        if self.unit is not None:
            Unit.parse(self.unit)
        if self.most_cloud is not None and not 0 <= self.most_cloud <= 100:
            raise ValueError(f"--image-clouds {self.most_cloud:g}: expected percents of 0 to 100, such as 15")
        if self.most_cloud is not None and self.is_file:
            raise ValueError(f"--image-clouds is of images on the server, {self.name} is a file: leave it out")

    @property
    def asked(self) -> tuple[str, ...]:
        """The bands by the names or numbers that the image has for them."""
        return tuple(word.rpartition("=")[2] for word in self.bands)

    def called(self, names: Sequence[str]) -> tuple[str, ...]:
        """The image's names, or what the user calls these bands instead; ValueError where two would be called alike."""
        words = [word.partition("=") for word in self.bands]
        new_of = {old: new for new, equals, old in words if equals}
        called = tuple(new_of.get(name, name) for name in names)
        if len(set(called)) < len(called):
            raise ValueError(f"bands {' '.join(self.bands)} of {self.source}: two would have one name")
        return called

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
