"""A raster file's numbers and masks, read in whole rows of blocks that are kept until windows have passed them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window as RioWindow

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.validity import alpha_bands, valid_pixels
from isamap.inference.cutting import pages

CACHE_SMALLEST_BYTES = 8 << 20
# A file in one huge strip must not take the machine's memory: it is decoded again instead.
CACHE_LIMIT_BYTES = 512 << 20
PIECE_PX = 1024  # columns decoded at once, so that GDAL's cache does not grow with the raster's width
# Of blocks decoded for small windows (nine of ten bands), until windows of all columns reach them.
HELD_BYTES = 48 << 20
NEAR = 2 * float(np.finfo(np.float32).eps)  # GDAL's ARE_REAL_EQUAL (gcore/gdal_priv.h): two units in the last place

Valid = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Chunk:
    """Rows from `row` on: stored numbers and, where only GDAL knows them, masks; (bands, rows, columns)."""

    row: int
    stored_BHW: np.ndarray
    valid_BHW: np.ndarray | None

    @property
    def row_end(self) -> int:
        return self.row + self.stored_BHW.shape[1]

    def below(self, row: int) -> _Chunk:
        """A copy of the rows from `row` on, so that the memory of those above is free."""
        skipped = max(row - self.row, 0)
        kept_BHW = self.stored_BHW[:, skipped:]
        stored_BHW = pages.zeros(kept_BHW.shape, kept_BHW.dtype)
        stored_BHW[:] = kept_BHW
        valid_BHW = None if self.valid_BHW is None else self.valid_BHW[:, skipped:].copy()
        return _Chunk(self.row + skipped, stored_BHW, valid_BHW)


class BlockRows:
    """Stored numbers of some bands of a file and which of them are valid, as rasterio reads both.

    Each block is decoded once while windows of the same columns come from top to bottom; other windows are read too,
    and decode their blocks again, but for those of a few small windows at the start. Memory: the rows of one window,
    one row of blocks below it, and HELD_BYTES.
    """

    def __init__(self, dataset: DatasetReader, numbers: Sequence[int]) -> None:
        self._dataset, self._numbers = dataset, list(numbers)
        self._valid = _valid(dataset, self._numbers)
        self._cols = (0, 0)
        self._chunks: list[_Chunk] = []
        self._held: dict[tuple[int, int], np.ndarray] = {}  # first row and column -> a block's stored numbers

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Stored numbers and masks (bands, rows, columns) of a window inside the raster; RasterioError as GDAL's."""
        self._hold(window)
        self._drop(window)
        if not self._chunks or self._chunks[-1].row_end < window.row_end:
            first = self._chunks[-1].row_end if self._chunks else window.row // self.block_rows * self.block_rows
            last = min(-(-window.row_end // self.block_rows) * self.block_rows, self._dataset.height)
            # Before the next rows are decoded, so that both are never held whole.
            self._chunks = [chunk.below(window.row) for chunk in self._chunks]
            self._chunks.append(self._decoded(first, last))
        parts = [(chunk, _rows(chunk, window)) for chunk in self._chunks]
        stored_BHW = _joined([chunk.stored_BHW[:, rows] for chunk, rows in parts])
        if self._valid is not None:
            return stored_BHW, self._valid(stored_BHW)
        return stored_BHW, _joined([chunk.valid_BHW[:, rows] for chunk, rows in parts if chunk.valid_BHW is not None])

    @property
    def block_rows(self) -> int:
        """Rows that are decoded together."""
        return int(self._dataset.block_shapes[0][0])

    @property
    def cache_bytes(self) -> int:
        """What GDAL's block cache must hold so that a piece of a row of blocks is decoded once."""
        rows, cols = self._dataset.block_shapes[0]
        across = -(-self._piece // cols) + 1
        item = max(np.dtype(dtype).itemsize for dtype in self._dataset.dtypes) + (self._valid is None)
        # Ours: a quarter to spare, as a cache that is one block too small decodes every block twice.
        needed = across * rows * cols * item * self._dataset.count * 5 // 4
        return int(min(max(needed, CACHE_SMALLEST_BYTES), CACHE_LIMIT_BYTES))

    @property
    def _piece(self) -> int:
        """Columns decoded at once: whole blocks."""
        cols = self._dataset.block_shapes[0][1]
        return min(max(PIECE_PX // cols, 1) * cols, self._dataset.width)

    def _drop(self, window: Window) -> None:
        """Forgets the rows above the window, or all of them where it is not below the last one in its columns."""
        if self._cols != (window.col, window.col_end) or (self._chunks and window.row < self._chunks[0].row):
            self._cols, self._chunks = (window.col, window.col_end), []
        self._chunks = [chunk for chunk in self._chunks if chunk.row_end > window.row]

    def _decoded(self, first: int, last: int) -> _Chunk:
        """Rows [first, last), a piece of columns after another: each block's columns in one call."""
        left, right = self._cols
        shape = (len(self._numbers), last - first, right - left)
        stored_BHW = pages.zeros(shape, np.result_type(*(self._dataset.dtypes[n - 1] for n in self._numbers)))
        valid_BHW = np.empty(shape, bool) if self._valid is None else None
        for col, end in self._pieces(first, left, right):
            where = RioWindow(col, first, end - col, last - first)
            cols = slice(col - left, end - left)
            stored_BHW[:, :, cols] = self._stored(where)
            if valid_BHW is not None:
                valid_BHW[:, :, cols] = valid_pixels(self._dataset, self._numbers, stored_BHW[:, :, cols], window=where)
        return _Chunk(first, stored_BHW, valid_BHW)

    def _pieces(self, row: int, left: int, right: int) -> Iterator[tuple[int, int]]:
        """Columns that are decoded together, first and last: those of a block that is held alone."""
        edges = set(range(left // self._piece * self._piece, right, self._piece)) | {left, right}
        for top, col in self._held:
            if top == row:
                edges |= {col, col + self._block_cols}
        yield from pairwise(sorted(edge for edge in edges if left <= edge <= right))

    def _stored(self, where: RioWindow) -> np.ndarray:
        """Stored numbers of a piece: of a block that is held, or decoded now."""
        block = where.row_off, where.col_off // self._block_cols * self._block_cols
        first = where.col_off - block[1]
        block_BHW = self._held.get(block)
        if block_BHW is None or where.height != block_BHW.shape[1] or first + where.width > block_BHW.shape[2]:
            stored_BHW: np.ndarray = self._dataset.read(self._numbers, window=where)
            return stored_BHW
        # Read whole, it is part of a chunk now and needs no second copy.
        if where.width == block_BHW.shape[2]:
            del self._held[block]
        return block_BHW[:, :, first : first + where.width]

    def _hold(self, window: Window) -> None:
        """Keeps the block that a small window lies in, if there is room and its numbers tell what is valid."""
        rows, cols = self.block_rows, self._block_cols
        row, col = window.row // rows * rows, window.col // cols * cols
        inside = window.row_end <= row + rows and window.col_end <= col + cols
        if not inside or cols >= self._dataset.width or self._valid is None or (row, col) in self._held:
            return
        width, height = min(cols, self._dataset.width - col), min(rows, self._dataset.height - row)
        item = max(np.dtype(self._dataset.dtypes[n - 1]).itemsize for n in self._numbers)
        held_bytes = sum(block_BHW.nbytes for block_BHW in self._held.values())
        if held_bytes + width * height * item * len(self._numbers) <= HELD_BYTES:
            where = RioWindow(col, row, width, height)
            self._held[row, col] = self._dataset.read(self._numbers, window=where)

    @property
    def _block_cols(self) -> int:
        return int(self._dataset.block_shapes[0][1])


def _valid(dataset: DatasetReader, numbers: Sequence[int]) -> Valid | None:
    """What tells valid from stored numbers alone; None where the file has masks or alpha, or GDAL rounds its no-data.

    A no-data mask is GDAL's comparison of the stored numbers, for which it decodes every block a second time
    (https://gdal.org/en/stable/development/rfc/rfc15_nodatabitmask.html).
    """
    nodata_B = [_nodata(dataset, n) for n in numbers]
    if alpha_bands(dataset) or any(nodata is _UNSURE for nodata in nodata_B):
        return None

    def valid(stored_BHW: np.ndarray) -> np.ndarray:
        valid_BHW = np.ones(stored_BHW.shape, bool)
        for valid_HW, stored_HW, nodata in zip(valid_BHW, stored_BHW, nodata_B, strict=True):
            if nodata is not None:
                np.logical_not(_equals(stored_HW, nodata), out=valid_HW)
        return valid_BHW

    return valid


_UNSURE = object()


def _nodata(dataset: DatasetReader, number: int) -> object:
    """A band's no-data number, None where every number is valid, _UNSURE where only GDAL can tell."""
    flags, nodata = dataset.mask_flag_enums[number - 1], dataset.nodatavals[number - 1]
    dtype = np.dtype(dataset.dtypes[number - 1])
    if flags == [MaskFlags.all_valid]:
        return None
    if flags != [MaskFlags.nodata] or nodata is None:
        return _UNSURE
    if dtype.kind == "f":
        return nodata
    # Up to 32 bits: rasterio tells no-data as a double, which may round one of 64 bits.
    is_integer = dtype.kind in "iu" and dtype.itemsize <= 4 and float(nodata).is_integer()
    return int(nodata) if is_integer else _UNSURE


def _equals(stored_HW: np.ndarray, nodata) -> np.ndarray:
    """Where GDAL's mask has no-data: equal integers; not a number; or numbers that float32 hardly tells apart."""
    if stored_HW.dtype.kind != "f":
        same: np.ndarray = stored_HW == nodata
        return same
    if np.isnan(nodata):
        return np.isnan(stored_HW)
    with np.errstate(over="ignore", invalid="ignore"):
        value = stored_HW.dtype.type(nodata)
        near_HW = np.abs(stored_HW - value) < stored_HW.dtype.type(NEAR) * np.abs(stored_HW + value)
    return (stored_HW == value) | near_HW


def _rows(chunk: _Chunk, window: Window) -> slice:
    """The window's rows in a chunk; none where it ends above."""
    return slice(max(window.row - chunk.row, 0), max(window.row_end - chunk.row, 0))


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
