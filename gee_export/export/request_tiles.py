"""One region cut into requests of one layer: which windows to ask for, and which of them every patch needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gee_export.base.grid import Window
from gee_export.patches.split_rule import SplitResult

# A request more costs about as much as this many pixels more: where patches are scattered, smaller requests fetch less
# ground that nobody asked for, but there are more of them.
REQUEST_COST_PX = 256 * 256


@dataclass(frozen=True)
class RequestTiles:
    """windows: of the layer's own pixels, none overlaps another; needs: by patch, numbers of windows."""

    windows: tuple[Window, ...]
    needs: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, split_result: SplitResult, most_px: int, ratio: int = 1) -> RequestTiles:
        """The cheapest windows of at most most_px a side, each shrunk to what the patches need of it.

        They count in pixels `ratio` times finer than the division's.
        """
        windows = [window.times(ratio) for window, _ in split_result.patches]
        if not windows:
            return cls((), ())
        row, col = split_result.origin
        origin = (row * ratio, col * ratio)
        tilings = (cls._cut(windows, origin, side) for side in _sides(split_result, most_px, ratio))
        return min(tilings, key=lambda tiling: tiling.cost_px)

    @classmethod
    def _cut(cls, windows: Sequence[Window], origin: tuple[int, int], side: int) -> RequestTiles:
        cells = _Cells.of(windows, origin, side)
        touched: dict[int, list[Window]] = {}
        under = [list(cells.under(window)) for window in windows]
        for window, numbers in zip(windows, under, strict=True):
            for cell_index in numbers:
                if (overlap := window.overlap(cells.window(cell_index))) is not None:
                    touched.setdefault(cell_index, []).append(overlap)
        new_number = {cell_index: new_index for new_index, cell_index in enumerate(sorted(touched))}
        needs = tuple(tuple(new_number[cell_index] for cell_index in numbers) for numbers in under)
        return cls(tuple(_hull(touched[cell_index]) for cell_index in new_number), needs)

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
    def of(cls, windows: Sequence[Window], origin: tuple[int, int], side: int) -> _Cells:
        end = max(w.row_end for w in windows), max(w.col_end for w in windows)
        tall, wide = (_even(last - first, side) for first, last in zip(origin, end, strict=True))
        return cls(origin, end, tall, wide)

    @property
    def across(self) -> int:
        return -(-(self.end[1] - self.origin[1]) // self.width)

    def window(self, cell_index: int) -> Window:
        row = self.origin[0] + cell_index // self.across * self.height
        col = self.origin[1] + cell_index % self.across * self.width
        return Window(row, col, min(self.height, self.end[0] - row), min(self.width, self.end[1] - col))

    def under(self, window: Window) -> Iterator[int]:
        """Numbers of the cells that a window touches, row by row."""
        for row in _span(window.row - self.origin[0], window.row_end - self.origin[0], self.height):
            for col in _span(window.col - self.origin[1], window.col_end - self.origin[1], self.width):
                yield row * self.across + col


def _even(length: int, most: int) -> int:
    """Side of the fewest nearly equal parts of at most `most`."""
    return math.ceil(length / math.ceil(length / most))


def _span(start: int, end: int, side: int) -> range:
    return range(start // side, (end - 1) // side + 1)


def _hull(windows: Sequence[Window]) -> Window:
    row, col = min(w.row for w in windows), min(w.col for w in windows)
    return Window(row, col, max(w.row_end for w in windows) - row, max(w.col_end for w in windows) - col)
