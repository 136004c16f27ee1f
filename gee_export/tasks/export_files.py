"""The files that an Export task left in a bucket: all there by the list, whole by checksum, in place on the grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from isamap.gee_export.base.cloud_storage import BucketStorage, Stored, same_bytes
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import Window, tiles
from isamap.gee_export.base.rasters import open_raster
from isamap.gee_export.requests.client import Cell
from isamap.gee_export.tasks.export_task import ExportTask, window_in

STEM = "pixels"
DOWNLOADS = 4  # files under way at once


class Incomplete(Exception):
    """The files do not make up what the task was to bring; says what is wrong."""


@dataclass(frozen=True)
class ExportFiles:
    """A task's files in the bucket, and a folder of this machine where they pass through."""

    task: ExportTask
    bucket: BucketStorage
    folder: Path

    @property
    def prefix(self) -> str:
        """What their names begin with, within the bucket's storage."""
        return f"{self.task.digest}/{STEM}"

    def expected(self) -> list[str]:
        """Names as REST image:export makes them: PREFIX.tif, or PREFIX-yMin-xMin.tif where one file is too small."""
        windows = list(tiles(*self.task.geobox.shape.yx, self.task.file_px))
        if len(windows) == 1:
            return [f"{self.prefix}.tif"]
        return [f"{self.prefix}-{window.row:010d}-{window.col:010d}.tif" for window in windows]

    def awaited(self, pauses: Iterator[float], sleep: Callable[[float], None]) -> list[Stored]:
        """The listed files, once all expected ones are listed or the pauses are over: lists may lag behind."""
        while True:
            stored_files = [
                stored for stored in self.bucket.listed(f"{self.task.digest}/") if stored.name.endswith(".tif")
            ]
            if set(self.expected()) <= {stored.name for stored in stored_files}:
                return stored_files
            pause = next(pauses, None)
            if pause is None:
                return stored_files
            sleep(pause)

    def fetch(self, listed: Sequence[Stored]) -> None:
        """Brings the files to this machine, each with the size and checksum that the list says."""
        with ThreadPoolExecutor(DOWNLOADS, thread_name_prefix="download") as pool:
            list(pool.map(self._fetch, listed))

    @contextmanager
    def opened(self, listed: Sequence[Stored]) -> Iterator[ExportMosaic]:
        """The files as one image; Incomplete where they leave a part of the grid out, or lie beside it."""
        # All files stay open while cells are cut: a cell may lie on four of them.
        with ExitStack() as stack:
            parts = []
            for stored in listed:
                source = stack.enter_context(open_raster(self._path(stored)))
                parts.append((self._place(stored, source), source))
            mosaic = ExportMosaic(self.task, parts)
            mosaic.check(self.expected())
            yield mosaic

    def remove(self) -> None:
        """Deletes the files here and in the bucket."""
        self.clear()
        for stored in self.bucket.listed(f"{self.task.digest}/"):
            self.bucket.delete(stored.name)

    def clear(self) -> None:
        """Deletes the files here."""
        for path in self.folder.glob("*"):
            path.unlink(missing_ok=True)
        if self.folder.is_dir():
            self.folder.rmdir()

    def _fetch(self, stored: Stored) -> None:
        path = self._path(stored)
        self.bucket.download(stored.name, path)
        # The list is older than the download: another run of the same place may have written in between.
        if not same_bytes(stored, path):
            raise Fault(f"{self.bucket.url}/{stored.name} changed while it was read: is another export using it?")

    def _path(self, stored: Stored) -> Path:
        return self.folder / stored.name.rpartition("/")[2]

    def _place(self, stored: Stored, source: DatasetReader) -> Window:
        """A file's window on the task's grid; Incomplete where it does not lie on it, or has other bands."""
        crs = source.crs.to_string() if source.crs else "no crs"
        names = tuple(channel.name for channel in self.task.channels)
        if source.descriptions != names:
            raise Incomplete(f"{stored.name} has bands {source.descriptions}, expected {names}")
        try:
            transform = Affine(*list(source.transform)[:6])
            window = window_in(self.task.geobox, GeoBox(source.shape, transform, crs))
        except ValueError as error:
            raise Incomplete(f"{stored.name} lies beside the grid: {error}") from error
        if window.overlap(Window(0, 0, *self.task.geobox.shape)) != window:
            raise Incomplete(f"{stored.name} reaches beyond the grid: {window}")
        return window


class ExportMosaic:
    """The files of a task, read by windows."""

    def __init__(self, task: ExportTask, parts: Sequence[tuple[Window, DatasetReader]]) -> None:
        self._task = task
        self._parts = parts

    def check(self, expected: Sequence[str]) -> None:
        """Incomplete where the files do not cover the grid exactly once."""
        height, width = self._task.geobox.shape
        # Both: equal area with an overlap would hide a hole.
        area = sum(window.height * window.width for window, _ in self._parts)
        if area != height * width or _overlap([window for window, _ in self._parts]):
            raise Incomplete(
                f"{len(self._parts)} files with {area:,} pixels where {len(expected)} with {height * width:,} belong"
            )

    def read(self, cell: Cell) -> np.ndarray:
        """The cell's pixels as a supply gives them: a structured array, masked pixels holding each channel's fill."""
        cell_window = self._task.window(cell)
        pixels = np.empty(cell.geobox.shape, [(c.name, c.dtype) for c in self._task.channels])
        for window, source in self._parts:
            shared = cell_window.overlap(window)
            if shared is None:
                continue
            rows, cols = shared.within(window)
            bands = source.read(window=RasterWindow(cols.start, rows.start, shared.width, shared.height))
            target = shared.within(cell_window)
            for channel, band in zip(self._task.channels, bands, strict=True):
                pixels[channel.name][target] = band
        return pixels


def _overlap(windows: Sequence[Window]) -> bool:
    return any(later.overlap(earlier) for index, later in enumerate(windows) for earlier in windows[:index])
