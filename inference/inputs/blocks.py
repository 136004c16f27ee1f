"""Blocks of a composite in stored numbers: packed as a dataset's, and kept on disk until a map has passed them."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isamap.gee_export.base.grid import Raster
from isamap.gee_export.base.storage import write_whole
from isamap.gee_export.datasets.manifest import NODATA


@dataclass(frozen=True)
class BlockRow:
    """All columns of a few rows, beginning at row `start`; int16, NODATA where missing."""

    start: int
    values_BHW: np.ndarray

    @property
    def end(self) -> int:
        return self.start + self.values_BHW.shape[1]


def packed(raster: Raster) -> np.ndarray:
    """Stored numbers of a fetched block, rounded half to even as in a dataset; NODATA where missing."""
    limit = np.iinfo(np.int16)
    whole_BHW = np.clip(np.rint(raster.values_BHW), limit.min + 1, limit.max)
    return np.where(raster.valid_BHW, whole_BHW, NODATA).astype(np.int16)


def keep(file: Path, values_BHW: np.ndarray) -> None:
    """Writes a block's numbers; the file is there only when it is whole."""
    buffer = io.BytesIO()
    np.save(buffer, values_BHW)
    write_whole(file, buffer.getvalue())


def kept(file: Path, shape: tuple[int, int, int]) -> np.ndarray | None:
    """A block's numbers, or None where it is not there or not whole."""
    with contextlib.suppress(OSError, ValueError, EOFError):
        values = np.load(file, allow_pickle=False)
        if values.shape == shape and values.dtype == np.int16:
            return values
    return None
