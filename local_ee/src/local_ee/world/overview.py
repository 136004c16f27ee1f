"""Coarse views of the ground: a sample of its tiles, drawn as ever, so that a view of any zoom draws about as many.

A view's pixels lie in blocks of SIDE x SIDE. Each block shows one world tile, that under the block's centre, as
SIDE x SIDE pixels of 20 m: means, or of classes every other pixel. A block is larger than its tile, which is seen
magnified: means over many blocks are those of the ground, rivers and towns lie within half a block of their place.
A map tile of 256 pixels draws some 50 to 100 world tiles so, at any zoom. Pixels do not depend on the window that is
asked for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from local_ee import parallel
from local_ee.world.lattice import STEP_M, TILE, Cut

OVERVIEW_M = 120  # of a request's pixels: coarser ones are shown by a sample; ours, so that 100 m is exact
_LEAST_M = 80  # of a coarse view's own pixels: a request beyond OVERVIEW_M reads a level of at least this size
SIDE = 64  # pixels along a block
FACTOR = TILE // SIDE  # native pixels along one of a block's pixels

TileOf = Callable[[int, int], np.ndarray]  # [band, SIDE, SIDE] of the world tile at a column and row


def is_coarse(cut: Cut) -> bool:
    """Whether a cut is shown by a sample of tiles."""
    return cut.step_m >= _LEAST_M


def sampled(cut: Cut, bands: int, tile: TileOf, dtype: str = "float32") -> np.ndarray:
    """The pixels of a coarse cut [band, row, column]; tiles are made in any thread."""
    out = np.empty((bands, cut.height, cut.width), dtype)

    def fill(block: tuple[int, int]) -> None:
        down, across = block
        rows, own_rows = _overlap(down, cut.row, cut.height)
        cols, own_cols = _overlap(across, cut.col, cut.width)
        out[:, rows, cols] = tile(_tile_at(across, cut.step_m), _tile_at(down, cut.step_m))[:, own_rows, own_cols]

    parallel.each(
        fill, [(down, across) for down in _blocks(cut.row, cut.height) for across in _blocks(cut.col, cut.width)]
    )
    return out


def _blocks(first: int, count: int) -> range:
    return range(first // SIDE, (first + count - 1) // SIDE + 1)


def _overlap(block: int, first: int, count: int) -> tuple[slice, slice]:
    """Where a block meets a cut's rows or columns: the part of the cut, and the part of the block."""
    start, stop = max(block * SIDE, first), min((block + 1) * SIDE, first + count)
    return slice(start - first, stop - first), slice(start - block * SIDE, stop - block * SIDE)


def _tile_at(block: int, step_m: int) -> int:
    """The world tile under a block's centre."""
    return (2 * block + 1) * SIDE * step_m // (2 * TILE * STEP_M)
