"""Windows added up: weighted probabilities of the rows that still grow, and what is kept of those that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.cutting.cut import Cut
from isamap.inference.cutting.lattice import weight_sums

SLAB_PX = 1 << 22  # output pixels finished at once: what is made of them takes several times their bytes


@dataclass(frozen=True)
class Rows:
    """Finished rows of a map, beginning at input row `row`: what `values` of the predictor makes of probabilities.

    By default class and probability, uint8 (2, rows x scale, cols x scale).
    """

    row: int
    count: int
    values_NHW: np.ndarray


@dataclass(frozen=True)
class RowEnd:
    """Rows [first, last) are finished; the next row of windows begins `step` rows lower; `skip` rows come before."""

    first: int
    last: int
    skip: int
    step: int
    known_HW: np.ndarray


class Blend:
    """Weighted probabilities of the output rows that are still growing, and the weights they end up with."""

    def __init__(self, cut: Cut, values: Callable[[np.ndarray], np.ndarray], *, classes: int, scale: int) -> None:
        """values: what is kept of probabilities (classes, rows, columns)."""
        grid, lefts = cut.grid, cut.lefts
        side = grid.lattice.side
        line = grid.lattice.weights(scale)
        self._scale, self._cols, self._left, self._values = scale, cut.cols, lefts[0], values
        self._slab = max(1, SLAB_PX // (len(cut.cols) * scale**2))
        # The weights are separable, so two lines of sums replace a plane as large as the map.
        self._weight_HW = line[:, None] * line
        self._row_sums = weight_sums(grid.lattice.tops(grid.height), grid.height, line, scale)
        self._col_sums = weight_sums(grid.lattice.lefts(grid.width), grid.width, line, scale)
        self._sum_KHW = np.zeros((classes, side * scale, (lefts[-1] + side - lefts[0]) * scale), np.float32)

    def add(self, left: int, probabilities_KHW: np.ndarray) -> None:
        # Here, where each window comes by once: a NaN in a sum would spread over all that it is blended with.
        if not np.isfinite(probabilities_KHW).all():
            raise Fault("the network gave numbers that are not finite: the checkpoint is damaged or training diverged")
        first = (left - self._left) * self._scale
        self._sum_KHW[:, :, first : first + probabilities_KHW.shape[2]] += probabilities_KHW * self._weight_HW

    def finish(self, end: RowEnd) -> Iterator[Rows]:
        """The finished rows, if any, a slab at a time; the sums roll on to the next row of windows."""
        for first in range(end.first, end.last, self._slab):
            last = min(first + self._slab, end.last)
            yield Rows(first, last - first, self._mapped(end, first, last))
        side, step = self._sum_KHW.shape[1], min(end.step * self._scale, self._sum_KHW.shape[1])
        self._sum_KHW[:, : side - step] = self._sum_KHW[:, step:]
        # Rolled, not made again: a new array for each row of windows would leave holes in the heap.
        self._sum_KHW[:, side - step :] = 0

    def _mapped(self, end: RowEnd, first: int, last: int) -> np.ndarray:
        """Rows [first, last) of those that are finished."""
        scale, begin = self._scale, end.skip - end.first
        rows = slice((first + begin) * scale, (last + begin) * scale)
        cols = slice((self._cols.start - self._left) * scale, (self._cols.stop - self._left) * scale)
        weights_W = self._col_sums[self._cols.start * scale : self._cols.stop * scale]
        weight_HW = self._row_sums[first * scale : last * scale, None] * weights_W
        values_NHW = self._values(self._sum_KHW[:, rows, cols] / weight_HW)
        known_HW = end.known_HW[first - end.first : last - end.first]
        # Last of all: windows also give numbers where nothing is known, as zeros went in there.
        values_NHW[:, ~known_HW.repeat(scale, 0).repeat(scale, 1)] = UNKNOWN
        return values_NHW
