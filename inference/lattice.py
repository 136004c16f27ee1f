"""Where the network looks: windows on a lattice fixed to the ground, and the weights that blend them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from gee_export.base.grid import Window

if TYPE_CHECKING:
    from training.checkpoints.checkpoint import Checkpoint


@dataclass(frozen=True)
class Lattice:
    """Windows of `side` pixels every `stride` pixels, counted from an origin that is the same for every cut.

    `row` and `col` are the place of the raster's first pixel counted from that origin, so two rasters that overlap
    (two files of one mosaic, a region and its part) share their windows. margin: pixels along each side of a window
    that are read and whose results are left out, because the network saw too little around them.
    """

    side: int
    stride: int
    row: int = 0
    col: int = 0
    margin: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.stride <= self.inner:
            raise ValueError(
                f"windows of {self.inner} px every {self.stride} px: expected 0 < stride <= side, else gaps stay"
            )

    @property
    def inner(self) -> int:
        """Pixels along a side whose results count."""
        return self.side - 2 * self.margin

    @property
    def weights(self) -> np.ndarray:
        """Weights of a window's rows: Hann's where windows are blended; with a margin 1 inside and 0 in it; float32."""
        if not self.margin:
            return hann(self.side)
        return np.pad(np.ones(self.inner, np.float32), self.margin)

    def tops(self, height: int) -> list[int]:
        """First rows of the windows that cover `height` rows, counted from the raster (the first may be negative)."""
        return _starts(self.row, height, self)

    def lefts(self, width: int) -> list[int]:
        """First columns of the windows that cover `width` columns, counted from the raster."""
        return _starts(self.col, width, self)

    def windows(self, height: int, width: int) -> list[Window]:
        """Every window of a raster, row by row; those at the edges reach over it by less than a stride."""
        return [Window(top, left, self.side, self.side) for top in self.tops(height) for left in self.lefts(width)]


def offset_from_crs_origin(affine: Affine) -> tuple[int, int]:
    """Row and column of a raster's first pixel counted from the pixel nearest to coordinate (0, 0) of its CRS."""
    col, row = ~affine * (0.0, 0.0)
    return -round(row), -round(col)


def hann(side: int) -> np.ndarray:
    """Weights sin^2(pi (i + 1/2) / side) of a window's rows: highest in the middle, above 0 at the edge; float32."""
    return (np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2).astype(np.float32)


def weight_sums(starts: list[int], length: int, weights: np.ndarray, scale: int = 1) -> np.ndarray:
    """Weight that `length` x scale output pixels of one axis receive from windows beginning at `starts`; float32.

    Windows are separable, so the weight of a pixel is the product of its row's and its column's sums.
    """
    sums = np.zeros(length * scale)
    for start in starts:
        first, last = max(start * scale, 0), min(start * scale + len(weights), length * scale)
        sums[first:last] += weights[first - start * scale : last - start * scale]
    return sums.astype(np.float32)


def _starts(offset: int, length: int, lattice: Lattice) -> list[int]:
    """The fewest neighbouring lattice windows that cover [offset, offset + length), counted from `offset`."""
    first = offset // lattice.stride
    last = max(first, -((lattice.inner - offset - length) // lattice.stride))
    return [k * lattice.stride - offset - lattice.margin for k in range(first, last + 1)]


def lattice_of(trained: Checkpoint, origin: tuple[int, int]) -> Lattice:
    """A checkpoint's windows from an origin.

    Windows that do not overlap have nothing to be blended from: of a network with a finite reach they overlap by that
    reach instead, so that each pixel is what the whole image would give.
    """
    if trained.halo and trained.lattice == trained.window and trained.scale == 1:
        return Lattice(trained.window, trained.window - 2 * trained.halo, *origin, margin=trained.halo)
    return Lattice(trained.window, trained.lattice, *origin)
