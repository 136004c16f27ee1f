"""A wide map in stripes of columns, one after another, so that memory grows neither with its height nor its width."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from inference.cog import CHUNK_PX, RowsFile
from inference.cut import Cut
from inference.lattice import Lattice

# numbers of the input that are held at once, under a row of windows and in the blocks below it: 4,369 columns of ten
# bands, windows of 256 px and blocks of 512 px
HELD_VALUES = 1 << 25
LEAST_WINDOWS = 4  # side by side in a stripe: those over a seam are computed for both of its sides


def stripe_px(lattice: Lattice, bands: int, block_rows: int) -> int:
    """Columns that may be read at once, so that about HELD_VALUES numbers are held; block_rows: decoded together."""
    return HELD_VALUES // (bands * (lattice.side + block_rows))


def stripes(cut: Cut, most_px: int) -> list[range]:
    """The cut's columns in parts from the left, of which each is mapped by reading at most `most_px` columns.

    Parts are equally wide, up to a window, and begin where a window gives its first pixels, so that few windows belong
    to two of them. Windows wider than most_px / 6 read more columns: LEAST_WINDOWS strides and two sides.
    """
    lattice, lefts = cut.grid.lattice, cut.lefts
    most = max((most_px - 2 * lattice.side) // lattice.stride, LEAST_WINDOWS)
    parts = -(-len(lefts) // most)
    inner = (lefts[len(lefts) * k // parts] + lattice.halo for k in range(1, parts))
    edges = [cut.cols.start, *(edge for edge in inner if cut.cols.start < edge < cut.cols.stop), cut.cols.stop]
    return [range(first, last) for first, last in pairwise(edges)]


def join(parts: Sequence[RowsFile], rows: RowsFile) -> None:
    """Writes the rows of stripes side by side as whole rows, and removes the stripes; Fault where the disk is full."""
    rows.keep(0)
    count = max(CHUNK_PX // rows.width // 2 * 2, 2)
    for pieces in zip(*(part.read(count * part.width) for part in parts), strict=True):
        rows.append(np.concatenate(pieces, axis=2))
    rows.settle()
    for part in parts:
        part.remove()
