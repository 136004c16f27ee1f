"""Post-processing of a whole map, in strips that are fixed to the ground.

The first pass leaves what a step needs of every pixel: class and probability of impervious and, of more than two
classes, the most probable other one too. The second pass reads that in rows of blocks with a margin, so it gives the
same map whatever the first one was cut into, and it is quick enough to start again after an interruption.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.cog import BANDS, RowsFile
from isamap.inference.map_files.legend import PROB_STEPS, Legend
from isamap.inference.mapping.predict import quantise
from isamap.inference.postprocessing.postprocess import CONTEST, PixelOffset, Postprocessing, unchanged

Span = tuple[int, int]
Values = Callable[[np.ndarray, Legend], np.ndarray]
STRIP_PX = 512  # rows at once where a step needs no blocks
PIECE_PX = 4096  # columns at once, so that a map ten times as wide takes no more memory


@dataclass(frozen=True)
class PostprocessPass:
    """What turns the first pass's rows into the map's: a step, its threshold, where the first pass's first pixel is.

    inner: the map's pixels, counted from the first pass's, which may hold blocks around them (None: all are the map's).
    """

    post: Postprocessing
    threshold: float
    legend: Legend
    offset: PixelOffset
    inner: Window | None = None

    @property
    def values(self) -> Values:
        """What the first pass keeps of the blended probabilities."""
        return quantise if self._two_numbers else contested

    @property
    def bands(self) -> int:
        """Numbers of a pixel that the first pass keeps."""
        return BANDS if self._two_numbers else 2 * BANDS

    @property
    def _two_numbers(self) -> bool:
        """Whether a map's own two numbers say enough of a pixel."""
        return self.legend.binary or self._changes_nothing

    @property
    def _changes_nothing(self) -> bool:
        return self.post.step is unchanged

    def apply(self, first: RowsFile, out: RowsFile) -> RowsFile:
        """The map's rows: the first pass's where the step changes nothing, else `out`, written again."""
        if self._changes_nothing:
            return first
        out.path.unlink(missing_ok=True)
        # Mapped: each piece reads one row of blocks more on all sides, and a whole map does not fit into memory.
        pixels_HNW = np.memmap(first.path, np.uint8, "r", shape=(first.rows, first.bands, first.width))
        inner = self.inner or Window(0, 0, first.rows, first.width)
        columns = _clipped(spans(self.offset.col, first.width, PIECE_PX), inner.col, inner.col_end)
        for rows in _clipped(spans(self.offset.row, first.rows, self._block or STRIP_PX), inner.row, inner.row_end):
            class_HW = np.concatenate([self._piece(pixels_HNW, rows, piece) for piece in columns], axis=1)
            out.append(np.stack([class_HW, pixels_HNW[slice(*rows), 1, inner.col : inner.col_end]]))
        return out

    @property
    def _block(self) -> int:
        """Side of the step's blocks, 0 where it looks at each pixel alone."""
        return self.post.block_px if self.post.block_px > 1 else 0

    def _piece(self, pixels_HNW: np.ndarray, rows: Span, cols: Span) -> np.ndarray:
        """Classes of some rows and columns, computed with whole blocks and one more on each side."""
        (top, bottom), (left, right) = (
            self._around(span, offset, length)
            for span, offset, length in (
                (rows, self.offset.row, pixels_HNW.shape[0]),
                (cols, self.offset.col, pixels_HNW.shape[2]),
            )
        )
        held_NHW = np.ascontiguousarray(pixels_HNW[top:bottom, :, left:right].transpose(1, 0, 2))
        class_HW = self._classes(held_NHW, PixelOffset(self.offset.row + top, self.offset.col + left))
        return class_HW[rows[0] - top : rows[1] - top, cols[0] - left : cols[1] - left]

    def _around(self, span: Span, offset: int, length: int) -> Span:
        """The pixels of an axis that some pixels depend on: their blocks and one more on each side."""
        step = self._block or 1
        first = (span[0] + offset) // step * step - offset - self._block
        last = -(-(span[1] + offset) // step) * step - offset + self._block
        return max(first, 0), min(last, length)

    def _classes(self, held_NHW: np.ndarray, offset: PixelOffset) -> np.ndarray:
        """Classes of pixels, the first of which is at `offset`; 255 where nothing is known."""
        known_HW = held_NHW[0] != UNKNOWN
        impervious_HW = np.where(known_HW, held_NHW[1], 0) / np.float32(PROB_STEPS)
        if self.legend.binary:
            other_HW, other_class_HW = 1 - impervious_HW, np.uint8(1 - self.legend.impervious)
        else:
            other_HW, other_class_HW = np.where(known_HW, held_NHW[3], 0) / np.float32(PROB_STEPS), held_NHW[2]
        probabilities_2HW = np.stack([other_HW, impervious_HW])
        weighted_2HW = self.post.step(probabilities_2HW, known_HW, CONTEST, self.threshold, offset)
        class_HW = np.where(weighted_2HW[1] > weighted_2HW[0], np.uint8(self.legend.impervious), other_class_HW)
        return np.where(known_HW, class_HW, np.uint8(UNKNOWN))


def spans(origin: int, length: int, step: int) -> list[Span]:
    """First and last of each part of an axis, cut at multiples of `step` on the ground."""
    return [(max(first, 0), min(first + step, length)) for first in range(-(origin % step), length, step)]


def _clipped(parts: list[Span], first: int, last: int) -> list[Span]:
    """The parts that hold pixels of [first, last), without those that lie outside."""
    return [(max(begin, first), min(end, last)) for begin, end in parts if begin < last and end > first]


def contested(probabilities_KHW: np.ndarray, legend: Legend) -> np.ndarray:
    """`quantise`'s class and probability, then the most probable other class and its probability; uint8 (4, H, W)."""
    others_KHW = probabilities_KHW.copy()
    others_KHW[legend.impervious] = -1
    other_HW = others_KHW.argmax(axis=0)
    share_HW = np.rint(np.clip(others_KHW.max(axis=0), 0, 1) * PROB_STEPS)
    return np.stack([*quantise(probabilities_KHW, legend), other_HW.astype(np.uint8), share_HW.astype(np.uint8)])
