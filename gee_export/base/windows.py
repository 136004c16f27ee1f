"""Windows of one size as arrays of rows and columns, so that millions of them are worked on at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from isamap.gee_export.base.grid import Window


@dataclass(frozen=True, eq=False)
class Windows(Sequence[Window]):
    """Windows of height x width pixels, in order; row, col: of their upper-left pixels (int64, N)."""

    row: np.ndarray
    col: np.ndarray
    height: int
    width: int

    @classmethod
    def of(cls, windows: Sequence[Window]) -> Windows:
        """The same windows as arrays; ValueError where they have several sizes."""
        if isinstance(windows, Windows):
            return windows
        sizes = {(window.height, window.width) for window in windows} or {(0, 0)}
        if len(sizes) > 1:
            raise ValueError(f"windows of {len(sizes)} sizes, expected one size")
        row = np.array([window.row for window in windows], np.int64)
        return cls(row, np.array([window.col for window in windows], np.int64), *sizes.pop())

    def __len__(self) -> int:
        return len(self.row)

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> Windows: ...
    def __getitem__(self, index: int | slice) -> Window | Windows:
        if isinstance(index, slice):
            return self.taken(index)
        return Window(int(self.row[index]), int(self.col[index]), self.height, self.width)

    def __iter__(self) -> Iterator[Window]:
        for row, col in zip(self.row.tolist(), self.col.tolist(), strict=True):
            yield Window(row, col, self.height, self.width)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Windows):
            return NotImplemented
        same_size = (self.height, self.width) == (other.height, other.width) or not len(self) + len(other)
        return same_size and np.array_equal(self.row, other.row) and np.array_equal(self.col, other.col)

    @property
    def row_end(self) -> np.ndarray:
        return self.row + self.height

    @property
    def col_end(self) -> np.ndarray:
        return self.col + self.width

    def taken(self, index: np.ndarray | slice) -> Windows:
        """Those of a slice, of numbers or of a mask."""
        return Windows(self.row[index], self.col[index], self.height, self.width)

    def times(self, ratio: int) -> Windows:
        """The windows of the same ground in pixels `ratio` times finer."""
        return Windows(self.row * ratio, self.col * ratio, self.height * ratio, self.width * ratio)

    def numbers_of(self, windows: Windows) -> np.ndarray:
        """Where other windows, all of them among these, stand in these; these are in row order."""
        # One whole number a window, row before column, so that a binary search finds it.
        first, across = int(self.col.min()), int(self.col.max() - self.col.min()) + 1
        keys = self.row * across + self.col - first
        numbers: np.ndarray = np.searchsorted(keys, windows.row * across + windows.col - first)
        return numbers
