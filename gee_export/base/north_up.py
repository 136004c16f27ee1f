"""Raster files whose rows run from south to north, or columns from east to west, read as their north-up twins."""

from __future__ import annotations

from typing import Any

import numpy as np
from affine import Affine
from rasterio.io import DatasetReader
from rasterio.windows import Window

from isamap.gee_export.base.grid import north_up_affine, reversed_axes


class NorthUp(DatasetReader):
    """A file that is stored another way round: its grid, its pixels and its windows are those of the north-up file.

    GDAL still knows the stored grid, of which a warp is told (warp.py); blocks and overviews begin at the other end.
    """

    @property
    def stored_transform(self) -> Affine:
        """The transform that the file has."""
        stored: Affine = super().transform
        return stored

    @property
    def transform(self) -> Affine:
        """From columns and rows, counted from the north-west corner, to coordinates."""
        return north_up_affine(self.stored_transform, self.shape)

    def read(self, indexes: Any = None, *, window: Any = None, **how: Any) -> np.ndarray:
        """As rasterio's read(), without `out` and `boundless`."""
        return self._turned(super().read(indexes, window=self._stored_window(window), **how))

    def read_masks(self, indexes: Any = None, *, window: Any = None, **how: Any) -> np.ndarray:
        """As rasterio's read_masks(), without `out` and `boundless`."""
        return self._turned(super().read_masks(indexes, window=self._stored_window(window), **how))

    def _turned(self, values: np.ndarray) -> np.ndarray:
        rows, cols = reversed_axes(self.stored_transform)
        axes = (*((-2,) if rows else ()), *((-1,) if cols else ()))
        # A copy, as others may want contiguous rows; NumPy's flip of a masked array keeps its mask.
        turned: np.ndarray = np.flip(values, axes).copy()
        return turned

    def _stored_window(self, window: Any) -> Window | None:
        """Where the pixels of a window lie in the file; what reaches outside is cut, as rasterio does."""
        if window is None:
            return None
        if not isinstance(window, Window):
            window = Window.from_slices(*window, height=self.height, width=self.width)
        window = window.crop(self.height, self.width)
        rows, cols = reversed_axes(self.stored_transform)
        row = self.height - window.row_off - window.height if rows else window.row_off
        col = self.width - window.col_off - window.width if cols else window.col_off
        return Window(col, row, window.width, window.height)


def north_up(file: DatasetReader) -> DatasetReader:
    """The file, read from north to south and from west to east; unchanged where it is stored so or lies nowhere."""
    # An identity is how rasterio says that there is no transform: its positive step of rows means nothing.
    if file.crs is not None and not file.transform.is_identity and any(reversed_axes(file.transform)):
        # The open file is told so: only rasterio knows how to open its name again.
        file.__class__ = NorthUp
    return file
