"""The pixels of one region that an export takes: a window of a lattice, and the outline that limits it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base import outline as outlines
from isamap.gee_export.base import regions
from isamap.gee_export.base.grid import Window, crop, grid_of, lattice_window
from isamap.gee_export.base.regions import Region
from isamap.gee_export.base.windows import Windows
from isamap.gee_export.datasets.manifest import Grid
from isamap.gee_export.datasets.occupancy import occupied


@dataclass(frozen=True)
class RegionGrid:
    """A region on a lattice of any CRS and step.

    lattice: one pixel, (0, 0), whose affine and CRS every other pixel follows; window: the pixels that are exported,
    counted from it (the rows and columns of patch ids).
    """

    region: Region
    lattice: GeoBox
    window: Window

    @classmethod
    def of(cls, region: Region) -> RegionGrid:
        """The region on its own UTM lattice of 10 m."""
        window = lattice_window(region)
        return cls(region, crop(grid_of(region), Window(-window.row, -window.col, 1, 1)), window)

    @property
    def name(self) -> str:
        return self.region.name

    @property
    def grid(self) -> Grid:
        """What the manifest says of the pixels."""
        return Grid.of(self.geobox(self.window), self.window.row, self.window.col)

    def geobox(self, window: Window, ratio: int = 1) -> GeoBox:
        """The pixels of a window that counts in pixels `ratio` times finer than the lattice's."""
        fine = GeoBox((1, 1), self.lattice.affine * Affine.scale(1 / ratio), self.lattice.crs)
        return crop(fine if ratio != 1 else self.lattice, window)

    @cached_property
    def outline(self) -> BaseGeometry | None:
        """The region's outline in the lattice's CRS, or None for the whole window."""
        if self.region.outline is None:
            return None
        outline = regions.in_metres(self.region.outline, str(self.lattice.crs))
        shapely.prepare(outline)
        return outline

    @property
    def outline_digest(self) -> str | None:
        """16 hexadecimal digits of the SHA-256 of the outline as given."""
        outline = self.region.outline
        return None if outline is None else hashlib.sha256(shapely.to_wkb(outline)).hexdigest()[:16]

    def inside(self, window: Window, ratio: int = 1) -> np.ndarray | None:
        """Which pixels of a window have their centre in the outline, bool (rows, columns); None where all have."""
        return None if self.outline is None else outlines.inside(self.outline, self.geobox(window, ratio))

    def positions(self, size: int, stride: int) -> Windows:
        """Whole patches at multiples of the stride on the lattice, so that a part has the patches of the whole.

        Row by row; of an outline, those with a pixel in it.
        """
        area = self.window
        row = np.arange(-(-area.row // stride) * stride, area.row_end - size + 1, stride)
        col = np.arange(-(-area.col // stride) * stride, area.col_end - size + 1, stride)
        if self.outline is None or not len(row) * len(col):
            row_index, col_index = np.indices((len(row), len(col))).reshape(2, -1)
        else:
            row_index, col_index = np.nonzero(occupied(self.outline, self.lattice, row, col, size))
        return Windows(row[row_index], col[col_index], size, size)
