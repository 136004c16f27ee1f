"""One Export task of `--mode batch`: which cells it brings, on which grid, under a name made of its content."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import Window, crop
from isamap.gee_export.requests.channel import Channel, unmasked
from isamap.gee_export.requests.client import Cell

if TYPE_CHECKING:
    import ee

# Few and large: about two tasks of a project run at once, and each waits its turn anew.
TASK_PX = 8192  # a side of one task: 67 million pixels, under the 100 million of maxPixels' default
FILE_PX = 4096  # a side of one of its files
SHARD_PX = 256  # a side of what the server computes at once; files are whole multiples of it
FILE_LIMIT_BYTES = 16 << 30  # mapbiomas-brazil/user-toolkit issue 16; counts the whole square, however small the image
# Ours: half a grid of ground that nobody asked for costs as much as what was asked.
DENSE = 0.5  # a task whose cells fill less of it is cut into one task a cell
EXACT_IN_FLOAT32 = ("float32", "uint8", "int16", "uint16")


@dataclass(frozen=True, eq=False)
class ExportTask:
    """An image's channels on a grid, as an Export task makes them, and the cells that are cut from its files."""

    image: ee.Image  # of one pixel type, nothing masked
    image_digest: str
    geobox: GeoBox
    channels: tuple[Channel, ...]
    cells: tuple[Cell, ...]

    @cached_property
    def digest(self) -> str:
        """The digest of the image's graph and the grid: the same pixels have the same name in every run."""
        return _digest([self.image_digest, grid_json(self.geobox)])

    @property
    def effort(self) -> float:
        """Megapixels x months of its cells: what its computing grows with."""
        return sum(cell.effort_of(cell.geobox) for cell in self.cells)

    @property
    def dtype(self) -> np.dtype:
        """The pixel type of every band of its files."""
        return np.dtype(file_dtype(self.channels))

    @property
    def file_px(self) -> int:
        """Side of the squares that its files are cut in."""
        pixel_bytes = len(self.channels) * self.dtype.itemsize
        most = math.isqrt((FILE_LIMIT_BYTES - 1) // pixel_bytes) // SHARD_PX * SHARD_PX
        return min(FILE_PX, most)

    def window(self, cell: Cell) -> Window:
        """The cell's pixels in the task's grid."""
        return window_in(self.geobox, cell.geobox)

    def config(self, *, description: str, bucket: str, prefix: str, shard_px: int) -> dict[str, Any]:
        """The request body of image:export. The grid is given in full: `scale` alone would leave its origin open."""
        import ee

        height, width = self.geobox.shape
        task = ee.batch.Export.image.toCloudStorage(
            image=self.image,
            description=description,
            bucket=bucket,
            fileNamePrefix=prefix,
            crs=str(self.geobox.crs),
            crsTransform=list(self.geobox.affine)[:6],
            dimensions=f"{width}x{height}",
            maxPixels=height * width,
            fileFormat="GeoTIFF",
            fileDimensions=self.file_px,
            shardSize=shard_px,
        )
        if task.config is None:
            raise ValueError(f"the Earth Engine client made no configuration of task {description}")
        return task.config


@dataclass(frozen=True)
class Known:
    """A task that an earlier run noted: its digest, its image's, its grid and the name it was submitted under."""

    digest: str
    image_digest: str
    geobox: GeoBox
    request: str

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Known:
        return cls(row["task"], row["image"], geobox_of(row["grid"]), row["request"])


def noted(task: ExportTask, request: str) -> dict[str, Any]:
    """The ledger's row of a task about to be submitted."""
    return {"task": task.digest, "image": task.image_digest, "grid": grid_json(task.geobox), "request": request}


def formed(cells: Sequence[Cell], earlier: Sequence[Known] = ()) -> list[tuple[ExportTask, str | None]]:
    """Tasks that bring every cell once, each with the name that an earlier run submitted it under, if one did.

    Cells that lie in the grid of a known task of the same image are left to that task; the others form tasks of
    neighbours, up to about TASK_PX a side.
    """
    tasks: list[tuple[ExportTask, str | None]] = []
    for image, digest, channels, mine in _by_image(cells):
        taken, left = _taken([old for old in earlier if old.image_digest == digest], mine)
        tasks += [(ExportTask(image, digest, old.geobox, channels, members), old.request) for old, members in taken]
        tasks += [(ExportTask(image, digest, grid, channels, members), None) for grid, members in _neighbours(left)]
    return tasks


def file_dtype(channels: Sequence[Channel]) -> str:
    """The one type that a GeoTIFF's bands have, in which every channel is exact."""
    return "float32" if all(channel.dtype in EXACT_IN_FLOAT32 for channel in channels) else "float64"


def window_in(grid: GeoBox, inner: GeoBox) -> Window:
    """The pixels of `inner` counted in `grid`; ValueError where they are not whole pixels of it."""
    col, row = ~grid.affine * (inner.affine.c, inner.affine.f)
    window = Window(round(row), round(col), *inner.shape)
    corner = grid.affine * (window.col, window.row)
    apart = max(abs(corner[0] - inner.affine.c), abs(corner[1] - inner.affine.f)) / abs(grid.affine.a)
    same = np.allclose(list(grid.affine)[:2], list(inner.affine)[:2], rtol=1e-9) and grid.crs == inner.crs
    # A thousandth of a pixel: coordinates of millions of metres are rounded in their last digits.
    if not same or apart > 1e-3:
        raise ValueError(
            f"pixels at {inner.affine.c}, {inner.affine.f} of {inner.crs} are no whole pixels of {grid.crs}"
        )
    return window


def grid_json(grid: GeoBox) -> list[Any]:
    """crs, affine and size."""
    return [str(grid.crs), *list(grid.affine)[:6], grid.shape[1], grid.shape[0]]


def geobox_of(values: Sequence[Any]) -> GeoBox:
    """The grid of grid_json."""
    crs, *affine, width, height = values
    return GeoBox((height, width), Affine(*affine), crs)


def _by_image(cells: Sequence[Cell]) -> Iterable[tuple[ee.Image, str, tuple[Channel, ...], list[Cell]]]:
    groups: dict[tuple[int, tuple[Channel, ...]], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((id(cell.image), cell.channels), []).append(cell)
    for (_, channels), mine in groups.items():
        unmasked_image = unmasked(mine[0].image, channels)
        image = unmasked_image.toFloat() if file_dtype(channels) == "float32" else unmasked_image.toDouble()
        yield image, _digest(image.serialize(for_cloud_api=True)), channels, mine


def _taken(earlier: Sequence[Known], cells: Sequence[Cell]) -> tuple[list[tuple[Known, tuple[Cell, ...]]], list[Cell]]:
    """Known tasks with the cells that lie in their grids, and the other cells."""
    squares: dict[tuple[int, int], list[int]] = {}
    for task_index, old in enumerate(earlier):
        squares.setdefault(_square(old.geobox), []).append(task_index)
    cells_of: dict[int, list[Cell]] = {}
    left: list[Cell] = []
    for cell in cells:
        near = squares.get(_square(cell.geobox), ())
        holder = next((n for n in near if _holds(earlier[n].geobox, cell.geobox)), None)
        (left if holder is None else cells_of.setdefault(holder, [])).append(cell)
    return [(earlier[task_index], tuple(members)) for task_index, members in cells_of.items()], left


def _neighbours(cells: Sequence[Cell]) -> Iterable[tuple[GeoBox, tuple[Cell, ...]]]:
    """Grids of about TASK_PX a side with the cells in them; cells far apart get a grid each."""
    groups: dict[tuple[int, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(_square(cell.geobox), []).append(cell)
    for group in groups.values():
        first = group[0].geobox
        windows = [window_in(first, cell.geobox) for cell in group]
        hull = _hull(windows)
        if sum(window.height * window.width for window in windows) >= DENSE * hull.height * hull.width:
            yield crop(first, hull), tuple(group)
        else:
            yield from ((cell.geobox, (cell,)) for cell in group)


def _square(grid: GeoBox) -> tuple[int, int]:
    """The square of TASK_PX pixels, counted from the plane's origin, in which a grid begins: the same in every run."""
    affine = grid.affine
    row, col = affine.f / affine.e, affine.c / affine.a
    # A grid that begins on a square's edge must not fall into the one before by rounding.
    return math.floor(row + 1e-6) // TASK_PX, math.floor(col + 1e-6) // TASK_PX


def _hull(windows: Sequence[Window]) -> Window:
    row, col = min(w.row for w in windows), min(w.col for w in windows)
    return Window(row, col, max(w.row_end for w in windows) - row, max(w.col_end for w in windows) - col)


def _holds(grid: GeoBox, inner: GeoBox) -> bool:
    try:
        window = window_in(grid, inner)
    except ValueError:
        return False
    return window.overlap(Window(0, 0, *grid.shape)) == window


def _digest(content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
