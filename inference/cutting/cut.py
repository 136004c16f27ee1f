"""What of a raster is mapped, and which windows that takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isamap.gee_export.base.grid import Window
from isamap.inference.cutting.lattice import Lattice


@dataclass(frozen=True)
class WindowGrid:
    """The raster's size in pixels and the windows that cover it."""

    height: int
    width: int
    lattice: Lattice


@dataclass(frozen=True)
class Cut:
    """Rows and columns of a grid that are mapped, and the windows that touch them."""

    grid: WindowGrid
    rows: range
    cols: range

    @classmethod
    def of(cls, grid: WindowGrid, rows: range | None = None, cols: range | None = None) -> Cut:
        """Some rows and columns of a grid, all of them where None."""
        return cls(
            grid,
            range(grid.height) if rows is None else rows,
            range(grid.width) if cols is None else cols,
        )

    @property
    def tops(self) -> list[int]:
        """First rows of the windows."""
        return self._touching(self.grid.lattice.tops(self.grid.height), self.rows)

    @property
    def lefts(self) -> list[int]:
        """First columns of the windows."""
        return self._touching(self.grid.lattice.lefts(self.grid.width), self.cols)

    @property
    def read_cols(self) -> range:
        """Columns of the raster that the windows look at."""
        lefts = self.lefts
        return range(max(lefts[0], 0), min(lefts[-1] + self.grid.lattice.side, self.grid.width))

    def mapped(self, window: Window, known_HW: np.ndarray) -> np.ndarray:
        """The known pixels of a window that are mapped: only for these the network runs."""
        rows, cols = np.arange(window.row, window.row_end), np.arange(window.col, window.col_end)
        inside_H = (rows >= self.rows.start) & (rows < self.rows.stop)
        return known_HW & inside_H[:, None] & (cols >= self.cols.start) & (cols < self.cols.stop)

    def _touching(self, starts: list[int], pixels: range) -> list[int]:
        return [start for start in starts if self.grid.lattice.touches(start, pixels)]
