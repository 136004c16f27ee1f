"""Margins of windows: the pixels beside a window that a computation looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.raster.kernel import Weights


@dataclass(frozen=True)
class Margin:
    """Pixels that a search reaches beyond a window on each side."""

    above: int
    below: int
    left: int
    right: int

    @classmethod
    def of(cls, weights: Weights) -> Margin:
        """What a kernel reaches."""
        return cls(*weights.margins)

    @classmethod
    def all_round(cls, pixels: int) -> Margin:
        """The same on each side."""
        return cls(pixels, pixels, pixels, pixels)

    def around(self, geobox: GeoBox) -> GeoBox:
        height, width = geobox.shape
        affine = geobox.affine * Affine.translation(-self.left, -self.above)
        return GeoBox((height + self.above + self.below, width + self.left + self.right), affine, geobox.crs)

    def moved(self, array: np.ndarray, row: int, col: int) -> np.ndarray:
        """The window's pixels as seen (row, col) pixels away, from an array with the margin."""
        top, left = self.above + row, self.left + col
        return array[
            top : top + array.shape[0] - self.above - self.below, left : left + array.shape[1] - self.left - self.right
        ]
