"""A region's patches laid side by side in coarse pixels: mean true colours and how much is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isamap.gee_export.datasets.manifest import Grid

MOST_PX = 700  # of a mosaic's longer side


@dataclass
class CardMosaic:
    """Sums over coarse pixels of `step` of the region's; patches that overlap, and periods, count together.

    origin: row and column on the region's lattice of the upper left one.
    """

    origin: tuple[int, int]
    step: int
    totals: np.ndarray  # (bands, rows, columns), physical
    seen: np.ndarray  # valid pixels (bands, rows, columns)
    pixels: np.ndarray  # (rows, columns), valid or not

    @classmethod
    def over(cls, grid: Grid, bands: int) -> CardMosaic:
        """An empty one over a region's grid."""
        step = max(1, -(-max(grid.shape) // MOST_PX))
        shape = tuple(-(-side // step) for side in grid.shape)
        return cls((grid.row, grid.col), step, np.zeros((bands, *shape)), np.zeros((bands, *shape)), np.zeros(shape))

    def add(self, row: int, col: int, physical_BHW: np.ndarray, valid_BHW: np.ndarray) -> None:
        """Lays a patch down whose upper left pixel is (row, col) of the lattice."""
        rows, row_starts = self._cells(row - self.origin[0], physical_BHW.shape[1])
        cols, col_starts = self._cells(col - self.origin[1], physical_BHW.shape[2])

        def summed(values: np.ndarray) -> np.ndarray:
            return np.add.reduceat(np.add.reduceat(values, row_starts, axis=-2), col_starts, axis=-1)

        self.totals[:, rows, cols] += summed(np.where(valid_BHW, physical_BHW, 0.0))
        self.seen[:, rows, cols] += summed(valid_BHW.astype(float))
        self.pixels[rows, cols] += summed(np.ones(physical_BHW.shape[1:]))

    @property
    def means(self) -> np.ndarray:
        """Physical means (bands, rows, columns), NaN where nothing was seen (for drawing only)."""
        return np.divide(self.totals, self.seen, out=np.full(self.totals.shape, np.nan), where=self.seen > 0)

    @property
    def missing(self) -> np.ndarray:
        """Share of missing pixels (bands, rows, columns), NaN where no patch lies (for drawing only)."""
        pixels = np.broadcast_to(self.pixels, self.seen.shape)
        return np.divide(pixels - self.seen, pixels, out=np.full(self.seen.shape, np.nan), where=pixels > 0)

    def _cells(self, start: int, length: int) -> tuple[slice, np.ndarray]:
        """Coarse pixels that [start, start + length) touches, and where each begins within it."""
        numbers = np.arange(start, start + length) // self.step
        starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
        return slice(int(numbers[0]), int(numbers[-1]) + 1), starts
