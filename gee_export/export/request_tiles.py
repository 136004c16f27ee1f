"""One region cut into requests of one layer: which windows to ask for, and which of them every patch needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.windows import Windows
from isamap.gee_export.patches.split_rule import SplitResult

# A request more costs about as much as this many pixels more: where patches are scattered, smaller requests fetch less
# ground that nobody asked for, but there are more of them.
REQUEST_COST_PX = 256 * 256


@dataclass(frozen=True, eq=False)
class Needs(Sequence[tuple[int, ...]]):
    """Numbers of the windows that each patch needs: of patch n, window[start[n]:start[n + 1]]."""

    start: np.ndarray
    window: np.ndarray

    def __len__(self) -> int:
        return len(self.start) - 1

    @overload
    def __getitem__(self, index: int) -> tuple[int, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[int, ...]]: ...
    def __getitem__(self, index: int | slice) -> tuple[int, ...] | Sequence[tuple[int, ...]]:
        if isinstance(index, slice):
            return [self[patch] for patch in range(len(self))[index]]
        patch = range(len(self))[index]
        return tuple(self.window[self.start[patch] : self.start[patch + 1]].tolist())

    def renumbered(self, number_of: np.ndarray) -> Needs:
        """With other numbers of the same windows."""
        return Needs(self.start, number_of[self.window])


@dataclass(frozen=True)
class RequestTiles:
    """windows: of the layer's own pixels, none overlaps another; needs: by patch, numbers of windows."""

    windows: tuple[Window, ...]
    needs: Needs

    @classmethod
    def of(cls, split_result: SplitResult, most_px: int, ratio: int = 1) -> RequestTiles:
        """The cheapest windows of at most most_px a side, each shrunk to what the patches need of it.

        They count in pixels `ratio` times finer than the division's.
        """
        windows = split_result.patches.windows.times(ratio)
        if not windows:
            return cls((), Needs(np.zeros(1, np.int64), np.zeros(0, np.int64)))
        row, col = split_result.origin
        origin = (row * ratio, col * ratio)
        tilings = (cls._cut(windows, origin, side) for side in _sides(split_result, most_px, ratio))
        return min(tilings, key=lambda tiling: tiling.cost_px)

    @classmethod
    def _cut(cls, windows: Windows, origin: tuple[int, int], side: int) -> RequestTiles:
        cells = _Cells.of(windows, origin, side)
        patch, cell = cells.under(windows)
        used, cell_index = np.unique(cell, return_inverse=True)
        touched = windows.taken(patch)
        row, row_end = _limits(cell_index, len(used), *cells.rows_of(cell), touched.row, touched.row_end)
        col, col_end = _limits(cell_index, len(used), *cells.cols_of(cell), touched.col, touched.col_end)
        hulls = np.column_stack([row, col, row_end - row, col_end - col]).tolist()
        start = np.searchsorted(patch, np.arange(len(windows) + 1))
        return cls(tuple(Window(*hull) for hull in hulls), Needs(start, cell_index.astype(np.int32)))

    @property
    def cost_px(self) -> int:
        """The cost of all requests together, in pixels."""
        return sum(window.height * window.width + REQUEST_COST_PX for window in self.windows)


def _sides(split_result: SplitResult, most_px: int, ratio: int) -> list[int]:
    """Sides of windows to try: the largest alone where the patches lie close together."""
    info = split_result.info
    if "block_px" in info and info.get("not_taken"):
        block_px = info["block_px"] * ratio  # whole blocks were taken, here and there
        return [math.ceil(block_px / math.ceil(block_px / most_px))]
    if not info.get("not_sampled"):
        return [most_px]
    # By halves down to a patch: six or seven tries, and the best side lies within a factor of two of one of them.
    sides, side, patch_px = [most_px], most_px, split_result.patches[0][0].height * ratio
    while side > patch_px:
        side = max(side // 2, patch_px)
        sides.append(min(side, most_px))
    return sides


@dataclass(frozen=True)
class _Cells:
    """A regular cut of an area into cells of nearly equal size."""

    origin: tuple[int, int]
    end: tuple[int, int]
    height: int
    width: int

    @classmethod
    def of(cls, windows: Windows, origin: tuple[int, int], side: int) -> _Cells:
        end = int(windows.row_end.max()), int(windows.col_end.max())
        tall, wide = (_even(last - first, side) for first, last in zip(origin, end, strict=True))
        return cls(origin, end, tall, wide)

    @property
    def across(self) -> int:
        return -(-(self.end[1] - self.origin[1]) // self.width)

    def rows_of(self, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and end rows of cells by number."""
        row = self.origin[0] + cell // self.across * self.height
        return row, row + self.height

    def cols_of(self, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and end columns of cells by number."""
        col = self.origin[1] + cell % self.across * self.width
        return col, col + self.width

    def under(self, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of a window and a cell that it touches, by number: window by window, of each its cells row by row."""
        top, tall = _span(windows.row - self.origin[0], windows.row_end - self.origin[0], self.height)
        left, wide = _span(windows.col - self.origin[1], windows.col_end - self.origin[1], self.width)
        count = tall * wide
        patch = np.repeat(np.arange(len(windows)), count)
        step = np.arange(len(patch)) - np.repeat(np.cumsum(count) - count, count)
        return patch, (top[patch] + step // wide[patch]) * self.across + left[patch] + step % wide[patch]


def _even(length: int, most: int) -> int:
    """Side of the fewest nearly equal parts of at most `most`."""
    return math.ceil(length / math.ceil(length / most))


def _span(start: np.ndarray, end: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The first part of `side` that [start, end) touches, and how many it touches."""
    return start // side, (end - 1) // side - start // side + 1


def _limits(number: np.ndarray, count: int, *spans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each number, the least start and the greatest end of what two spans share."""
    first, first_end, second, second_end = spans
    least, most = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    start, end = np.full(count, most), np.full(count, least)
    # Unbuffered: several patches shrink one window, and plain indexing would keep the last of them alone.
    np.minimum.at(start, number, np.maximum(first, second))
    np.maximum.at(end, number, np.minimum(first_end, second_end))
    return start, end
