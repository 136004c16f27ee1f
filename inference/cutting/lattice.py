"""Where the network looks: windows on a lattice fixed to the ground, and the weights that blend them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd

import numpy as np
from affine import Affine

from isamap.gee_export.base.grid import Window


@dataclass(frozen=True)
class Lattice:
    """Windows of `side` pixels every `stride` pixels, counted from an origin that is the same for every cut.

    `row` and `col` are the place of the raster's first pixel counted from that origin, so two rasters that overlap
    (two files of one mosaic, a region and its part) share their windows. halo: pixels along a window's edges that are
    looked at only; without one (0) windows are blended, with one their middles lie side by side.
    """

    side: int
    stride: int
    row: int = 0
    col: int = 0
    halo: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.stride <= self.side:
            raise ValueError(
                f"windows of {self.side} px every {self.stride} px: expected 0 < stride <= side, else gaps stay"
            )
        if self.halo and self.stride != self.side - 2 * self.halo:
            raise ValueError(
                f"windows of {self.side} px every {self.stride} px with a halo of {self.halo} px: "
                f"expected a stride of {self.side - 2 * self.halo} px, so that their middles lie side by side"
            )

    @property
    def reach(self) -> int:
        """Pixels beyond a pixel that it may depend on: a window's, or those of a halo."""
        return self.halo + gcd(self.halo, self.stride) - 1 if self.halo else self.side - 1

    def at(self, row: int, col: int) -> Lattice:
        """The same windows, counted from another raster's first pixel."""
        return replace(self, row=row, col=col)

    def weights(self, scale: int = 1) -> np.ndarray:
        """Weights of a window's rows (`scale` for each): Hann's, or 1 in the middle and 0 in the halo; float32."""
        if not self.halo:
            return hann(self.side * scale)
        return np.pad(np.ones(self.stride * scale, np.float32), self.halo * scale)

    def touches(self, start: int, pixels: range) -> bool:
        """Whether a window that begins at `start` gives something to pixels of its axis."""
        return start + self.halo < pixels.stop and start + self.side - self.halo > pixels.start

    def tops(self, height: int) -> list[int]:
        """First rows of the windows that cover `height` rows, counted from the raster (the first may be negative)."""
        return _starts(self.row, height, self)

    def lefts(self, width: int) -> list[int]:
        """First columns of the windows that cover `width` columns, counted from the raster."""
        return _starts(self.col, width, self)

    def reached(self, pixels: range, offset: int) -> range:
        """What some pixels of an axis depend on; both are counted from `offset` on the lattice.

        Without a halo: all that windows which touch them look at.
        """
        first, last = pixels.start + offset, pixels.stop + offset
        if self.halo:  # a network's strides count from the windows' edges, which are multiples of this number
            step = gcd(self.halo, self.stride)
            return range(first // step * step - self.halo - offset, -(-last // step) * step + self.halo - offset)
        begin, end = (first - self.side) // self.stride + 1, (last - 1) // self.stride
        return range(begin * self.stride - offset, end * self.stride - offset + self.side)

    def windows(self, height: int, width: int) -> list[Window]:
        """Every window of a raster, row by row; those at the edges reach over it by less than a stride."""
        return [Window(top, left, self.side, self.side) for top in self.tops(height) for left in self.lefts(width)]


def offset_from_crs_origin(affine: Affine) -> tuple[int, int]:
    """Row and column of a raster's first pixel counted from the pixel nearest to coordinate (0, 0) of its CRS."""
    # The CRS's own origin, as every map of a zone shares it.
    col, row = ~affine * (0.0, 0.0)
    return -round(row), -round(col)


def hann(side: int) -> np.ndarray:
    """Weights sin^2(pi (i + 1/2) / side) of a window's rows: highest in the middle, above 0 at the edge; float32."""
    # Half a pixel in: a weight of 0 at the edge would leave pixels of a single window without any.
    return (np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2).astype(np.float32)


def weight_sums(starts: list[int], length: int, weights: np.ndarray, scale: int = 1) -> np.ndarray:
    """Weight that `length` x scale output pixels of one axis receive from windows beginning at `starts`; float32.

    Windows are separable, so the weight of a pixel is the product of its row's and its column's sums.
    """
    # Summed as doubles and rounded once, so that a pixel has the same weight in every cut.
    sums = np.zeros(length * scale)
    for start in starts:
        first, last = max(start * scale, 0), min(start * scale + len(weights), length * scale)
        sums[first:last] += weights[first - start * scale : last - start * scale]
    return sums.astype(np.float32)


def _starts(offset: int, length: int, lattice: Lattice) -> list[int]:
    """The fewest neighbouring lattice windows whose middles cover [offset, offset + length), counted from `offset`."""
    # Rounded down also below 0, so that windows are the same on both sides of the origin.
    first = offset // lattice.stride
    last = max(first, -((lattice.side - 2 * lattice.halo - offset - length) // lattice.stride))
    return [k * lattice.stride - lattice.halo - offset for k in range(first, last + 1)]
