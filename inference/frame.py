"""The raster's rows under a row of windows: read once from top to bottom, held while windows look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gee_export.base.grid import Window
from inference.cut import Cut

Read = Callable[[Window], tuple[np.ndarray, np.ndarray]]  # -> network input (B, H, W) float32, known pixels (H, W)


def shifted(read: Read, row: int, col: int) -> Read:
    """The reader for windows that are counted from another pixel, `row` and `col` of its own."""

    def read_shifted(window: Window) -> tuple[np.ndarray, np.ndarray]:
        return read(Window(window.row + row, window.col + col, window.height, window.width))

    return read_shifted


def strips(read: Read, cut: Cut) -> Iterator[tuple[Window, np.ndarray, np.ndarray]]:
    """For each row of windows the rows that no earlier one read: where they are, network input, known pixels."""
    cols = cut.read_cols
    done = max(cut.tops[0], 0)
    for top in cut.tops:
        last = min(top + cut.grid.lattice.side, cut.grid.height)
        window = Window(done, cols.start, last - done, len(cols))
        x_BHW, known_HW = read(window)
        yield window, x_BHW, cut.mapped(window, known_HW)
        done = last


class Frame:
    """The rows under one row of windows, rolling downwards; 0 and unknown outside the raster."""

    def __init__(self, bands: int, cut: Cut) -> None:
        self._side, self._left = cut.grid.lattice.side, cut.lefts[0]
        width = cut.lefts[-1] + self._side - self._left
        self._x_BHW = np.zeros((bands, self._side, width), np.float32)
        self._known_HW = np.zeros((self._side, width), bool)
        self._top: int | None = None

    def move(self, top: int, window: Window, x_BHW: np.ndarray, known_HW: np.ndarray) -> None:
        """Let the frame begin at row `top`; `window` holds the raster's rows that were not in it yet."""
        step = self._side if self._top is None else min(top - self._top, self._side)
        self._top = top
        for array in (self._x_BHW, self._known_HW):
            array[..., : self._side - step, :] = array[..., step:, :]
            array[..., self._side - step :, :] = 0
        rows = slice(window.row - top, window.row_end - top)
        cols = slice(window.col - self._left, window.col_end - self._left)
        self._x_BHW[:, rows, cols] = x_BHW
        self._known_HW[rows, cols] = known_HW

    def tile(self, left: int) -> np.ndarray | None:
        """A copy of the window that begins at column `left`, or None where nothing in it is known."""
        cols = slice(left - self._left, left - self._left + self._side)
        return self._x_BHW[:, :, cols].copy() if self._known_HW[:, cols].any() else None

    def known(self, first: int, last: int, pixels: range) -> np.ndarray:
        """Which pixels of the raster's rows [first, last) and some columns are known."""
        top = self._top or 0
        rows, cols = slice(first - top, last - top), slice(pixels.start - self._left, pixels.stop - self._left)
        return self._known_HW[rows, cols].copy()
