"""Windows: whole pixels of a grid, and a grid's cover by windows of a limited size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from affine import Affine
from odc.geo.geobox import GeoBox


@dataclass(frozen=True)
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
        """The same ground in pixels `ratio` times finer."""
        return Window(self.row * ratio, self.col * ratio, self.height * ratio, self.width * ratio)

    def overlap(self, other: Window) -> Window | None:
        """The pixels that both hold, or None."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height = min(self.row_end, other.row_end) - row
        width = min(self.col_end, other.col_end) - col
        return Window(row, col, height, width) if height > 0 and width > 0 else None

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Slices of this window in an array that covers `outer`."""
        return (
            slice(self.row - outer.row, self.row_end - outer.row),
            slice(self.col - outer.col, self.col_end - outer.col),
        )


def crop(grid: GeoBox, window: Window) -> GeoBox:
    """The part of a grid under a window (which may reach outside: the pixels continue)."""
    affine = grid.affine * Affine.translation(window.col, window.row)
    return GeoBox((window.height, window.width), affine, grid.crs)


def tiles(height: int, width: int, side: int) -> Iterator[Window]:
    """Windows of at most side x side pixels that cover the grid once, row by row; the last ones are smaller."""
    for row in range(0, height, side):
        for col in range(0, width, side):
            yield Window(row, col, min(side, height - row), min(side, width - col))
