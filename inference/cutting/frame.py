"""The raster's rows under a row of windows: read once from top to bottom, held while windows look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from isamap.gee_export.base.grid import Window
from isamap.inference.cutting import pages
from isamap.inference.cutting.cut import Cut

Read = Callable[[Window], tuple[np.ndarray, np.ndarray]]  # -> network input (B, H, W) float32, known pixels (H, W)
STRIP_ROWS = 16  # of 3,000 columns and one band, all steps between GDAL and the network stay in a processor's cache


@dataclass(frozen=True)
class Strip:
    """Rows of the raster: where they are, the network's input (bands, rows, columns), and the known pixels to map."""

    window: Window
    x_BHW: np.ndarray
    known_HW: np.ndarray


def shifted(read: Read, row: int, col: int) -> Read:
    """The reader for windows that are counted from another pixel, `row` and `col` of its own."""

    def read_shifted(window: Window) -> tuple[np.ndarray, np.ndarray]:
        return read(Window(window.row + row, window.col + col, window.height, window.width))

    return read_shifted


def strips(read: Read, cut: Cut) -> Iterator[Strip]:
    """The rows under all windows from top to bottom, each once; none ends below a row of windows that it is read for.

    Few rows at a time, so that what is made of them on the way takes little memory.
    """
    cols = cut.read_cols
    done = max(cut.tops[0], 0)
    for top in cut.tops:
        last = min(top + cut.grid.lattice.side, cut.grid.height)
        for row in range(done, last, STRIP_ROWS):
            window = Window(row, cols.start, min(STRIP_ROWS, last - row), len(cols))
            x_BHW, known_HW = read(window)
            yield Strip(window, x_BHW, cut.mapped(window, known_HW))
        done = max(done, last)


def strips_under(cut: Cut) -> int:
    """How many strips a row of windows takes, but for the first."""
    return -(-cut.grid.lattice.stride // STRIP_ROWS)


class CutFrame:
    """The rows under one row of windows, rolling downwards; 0 and unknown outside the raster."""

    def __init__(self, bands: int, cut: Cut) -> None:
        self._lattice, self._left, self._height = cut.grid.lattice, cut.lefts[0], cut.grid.height
        self._side = self._lattice.side
        width = cut.lefts[-1] + self._side - self._left
        self._x_BHW = pages.zeros((bands, self._side, width), np.float32)
        self._known_HW = np.zeros((self._side, width), bool)
        self._top: int | None = None
        self._filled = max(cut.tops[0], 0)

    def move(self, top: int, coming: Iterator[Strip]) -> None:
        """Let the frame begin at row `top`, and take the strips that it lacks then."""
        step = self._side if self._top is None else min(top - self._top, self._side)
        self._top = top
        for array_HW in (*self._x_BHW, self._known_HW):  # one after another: NumPy copies what overlaps
            array_HW[: self._side - step] = array_HW[step:]
            if top + self._side > self._height:  # else strips replace these rows, and nothing lies beside the raster
                array_HW[self._side - step :] = 0
        while self._filled < min(top + self._side, self._height):
            self._put(next(coming))

    def _put(self, strip: Strip) -> None:
        window, top = strip.window, self._top or 0
        rows = slice(window.row - top, window.row_end - top)
        cols = slice(window.col - self._left, window.col_end - self._left)
        self._x_BHW[:, rows, cols] = strip.x_BHW
        self._known_HW[rows, cols] = strip.known_HW
        self._filled = window.row_end

    def tile(self, left: int) -> np.ndarray | None:
        """A copy of the window that begins at column `left`, or None where nothing that it gives is known."""
        first, halo = left - self._left, self._lattice.halo
        # Only the middle counts: a window whose halo alone is known gives nothing.
        middle_HW = self._known_HW[halo : self._side - halo, first + halo : first + self._side - halo]
        return self._x_BHW[:, :, first : first + self._side].copy() if middle_HW.any() else None

    def known(self, first: int, last: int, pixels: range) -> np.ndarray:
        """Which pixels of the raster's rows [first, last) and some columns are known."""
        top = self._top or 0
        rows, cols = slice(first - top, last - top), slice(pixels.start - self._left, pixels.stop - self._left)
        return self._known_HW[rows, cols].copy()
