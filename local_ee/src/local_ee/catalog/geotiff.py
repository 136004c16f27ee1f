"""GeoTIFF files as the local engine reads them: their grid, their bands, and any window of them from any thread."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterioWindow

from local_ee import raster_file
from local_ee.durable import put_in_place
from local_ee.errors import EngineFault
from local_ee.raster.window import Window

MAX_OPEN_PER_THREAD = 64  # GDAL keeps a file descriptor and a block index for each
LATTICE_TOLERANCE_PX = 0.01  # coordinates in degrees carry rounding, a resampled grid is off by far more


@dataclass(frozen=True)
class FileBand:
    """One band inside a file: its number there (1-based), its description or None, and its numpy type."""

    number: int
    description: str | None
    dtype: str


@dataclass(frozen=True)
class FileInfo:
    """What a GeoTIFF holds without its pixels; an alpha band is a mask and not listed."""

    path: Path
    grid: GeoBox
    bands: tuple[FileBand, ...]


def describe(path: Path, *, crs: str | None = None, transform: Affine | None = None) -> FileInfo:
    """Grid and bands of a file; `crs` and `transform` (of a STAC item) stand in where the file itself has none.

    ValueError for a file without georeferencing or with complex pixels, EngineFault where it cannot be opened.
    """
    with _open(path) as source:
        crs = _crs_text(source.crs) if source.crs else crs
        transform = source.transform if source.transform != Affine.identity() else transform
        if crs is None:
            raise ValueError(
                f"{path} has no coordinate reference system: write it into the file (gdal_edit.py -a_srs EPSG:N FILE)"
            )
        if transform is None:
            raise ValueError(
                f"{path} has no geotransform: its pixels have no place; write one with gdal_edit.py -a_ullr"
            )
        colours = source.colorinterp
        bands = tuple(
            FileBand(band_index, source.descriptions[band_index - 1], source.dtypes[band_index - 1])
            for band_index in source.indexes
            if colours[band_index - 1] != ColorInterp.alpha
        )
        grid = GeoBox((source.height, source.width), transform, crs)
    for band in bands:
        if np.dtype(band.dtype).kind not in "iuf":
            raise ValueError(f"{path}: band {band.number} is {band.dtype}; expected integers or floats")
    return FileInfo(path, grid, bands)


def read(info: FileInfo, numbers: Sequence[int], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Values and masks [band, row, column] of the file's bands over a window of its own lattice.

    Masked: outside the file, no-data, alpha 0, GDAL masks, and floats that are not finite; values there mean nothing.
    """
    window = lattice_offset(info.grid, geobox, info.path)
    values = np.zeros((len(numbers), *geobox.shape), _common_dtype(info, numbers))
    valid = np.zeros(values.shape, bool)
    inside = window.overlap(Window(0, 0, *info.grid.shape))
    if inside is not None:
        rows, cols = inside.within(window)
        block, ok = _read_inside(info.path, list(numbers), inside)
        valid[:, rows, cols] = ok
        values[:, rows, cols] = block
    return values, valid


def lattice_offset(grid: GeoBox, geobox: GeoBox, name: object) -> Window:
    """A geobox as rows and columns of `grid`; ValueError where it does not lie on the grid's lattice."""
    step = ~grid.affine @ geobox.affine
    # What a pixel's size is off adds up along the window.
    off = max(abs(step.a - 1) * geobox.shape[1], abs(step.e - 1) * geobox.shape[0], abs(step.b), abs(step.d))
    col, row = round(step.c), round(step.f)
    off = max(off, abs(step.c - col), abs(step.f - row))
    if grid.crs != geobox.crs or off > LATTICE_TOLERANCE_PX:
        raise ValueError(f"{name}: window {geobox!r} is not on the lattice of {grid!r}; resample to that lattice first")
    return Window(row, col, *geobox.shape)


def write(path: Path, bands: Mapping[str, np.ndarray], grid: GeoBox, *, nodata: float | None = None) -> None:
    """Writes bands of one shape and type as a deflated GeoTIFF whose descriptions are their names; never half."""
    stack = np.stack(list(bands.values()))
    tiling = {"tiled": True, "blockxsize": 256, "blockysize": 256} if min(grid.shape) >= 512 else {}
    profile = {
        "count": len(stack),
        "dtype": stack.dtype.name,
        "height": grid.shape[0],
        "width": grid.shape[1],
        "crs": str(grid.crs),
        "transform": grid.affine,
        "nodata": nodata,
        "compress": "deflate",
        **tiling,
    }
    # The folder's catalog looks at no name that begins with a dot, so that half a file is no image.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with raster_file.create(temporary, **profile) as target:
            target.write(stack)
            target.descriptions = tuple(bands)
        put_in_place(temporary, path)
    except RasterioError as error:
        raise EngineFault(f"{path} could not be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def signature(path: Path) -> tuple[int, int, int]:
    """Changes whenever the file is replaced or rewritten: inode, time of change and size."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def _common_dtype(info: FileInfo, numbers: Sequence[int]) -> np.dtype:
    types = {band.number: band.dtype for band in info.bands}
    return np.result_type(*(types[band_index] for band_index in numbers))


def _read_inside(path: Path, numbers: list[int], inside: Window) -> tuple[np.ndarray, np.ndarray]:
    window = RasterioWindow(inside.col, inside.row, inside.width, inside.height)
    try:
        source = opened(path)
        values = source.read(numbers, window=window)
        all_valid = all(MaskFlags.all_valid in source.mask_flag_enums[band_index - 1] for band_index in numbers)
        valid = np.ones(values.shape, bool) if all_valid else source.read_masks(numbers, window=window) > 0
    except (RasterioError, OSError) as error:
        raise EngineFault(
            f"{path} cannot be read ({error}): the file is damaged or was removed; put it back"
        ) from error
    return values, valid & np.isfinite(values) if values.dtype.kind == "f" else valid


def opened(path: Path) -> rasterio.DatasetReader:
    """The file, held open for this thread; opened anew where it has changed on disk."""
    return _handles.get(path)


def _open(path: Path) -> rasterio.DatasetReader:
    try:
        return raster_file.open_file(path)
    except RasterioError as error:
        raise EngineFault(f"{path} cannot be opened as a GeoTIFF ({error}): it is damaged or not a raster") from error
    except ValueError as error:
        raise EngineFault(str(error)) from error


def _crs_text(crs: rasterio.crs.CRS) -> str:
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_wkt()


class _Handles(threading.local):
    """Open files of one thread (GDAL handles must not be shared between threads), the least used closed first."""

    def __init__(self) -> None:
        self.open: OrderedDict[Path, tuple[tuple[int, int, int], rasterio.DatasetReader]] = OrderedDict()

    def get(self, path: Path) -> rasterio.DatasetReader:
        current = signature(path)
        entry = self.open.get(path)
        if entry is None or entry[0] != current:
            if entry is not None:
                entry[1].close()
            entry = self.open[path] = (current, _open(path))
        self.open.move_to_end(path)
        if len(self.open) > MAX_OPEN_PER_THREAD:
            self.open.popitem(last=False)[1][1].close()
        return entry[1]


_handles = _Handles()
