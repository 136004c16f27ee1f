"""The pixels of one region that an export takes: a window of a lattice, and the outline that limits it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from gee_export.base import outline as outlines
from gee_export.base import regions
from gee_export.base.grid import Window, crop, grid_of, lattice_window
from gee_export.base.grid import positions as grid_positions
from gee_export.base.regions import Region
from gee_export.datasets.manifest import Grid

_AT_ONCE = 4096  # windows that are compared with an outline in one call


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

    def positions(self, size: int, stride: int) -> Iterator[Window]:
        """Whole patches at multiples of the stride on the lattice, so that a part has the patches of the whole."""
        area = self.window
        top, left = (-(-first // stride) * stride for first in (area.row, area.col))
        places = grid_positions(area.row_end - top, area.col_end - left, size, stride)
        windows = (Window(top + position.row, left + position.col, size, size) for position in places)
        if self.outline is None:
            yield from windows
            return
        for some in batched(windows, _AT_ONCE):
            yield from self._touching(some)

    def _touching(self, windows: Sequence[Window]) -> Iterator[Window]:
        """Of windows of one size those with a pixel in the outline, in their order."""
        col, row = np.array([(window.col, window.row) for window in windows], float).T
        wide, tall = windows[0].width, windows[0].height
        corners = [self.lattice.affine * (col + right, row + low) for right in (0, wide) for low in (0, tall)]
        x, y = np.stack(corners, axis=1)
        boxes = shapely.box(x.min(axis=0), y.min(axis=0), x.max(axis=0), y.max(axis=0))
        touched, covered = shapely.intersects(self.outline, boxes), shapely.covers(self.outline, boxes)
        for number, window in enumerate(windows):
            if covered[number] or (touched[number] and self._has_pixel(window, boxes[number])):
                yield window

    def _has_pixel(self, window: Window, box: BaseGeometry) -> bool:
        """Whether a pixel's centre lies in the outline, of which only what is near counts: it may be long."""
        margin = abs(self.lattice.affine.a) + abs(self.lattice.affine.b)
        near = shapely.clip_by_rect(self.outline, *box.buffer(margin).bounds)
        return not near.is_empty and bool(outlines.inside(near, self.geobox(window)).any())


def batched(items: Iterator[Window], count: int) -> Iterator[tuple[Window, ...]]:
    """So many items at a time, the last time fewer (itertools.batched of Python 3.12)."""
    while some := tuple(islice(items, count)):
        yield some
