"""Raster files of this machine as Rasters and back, in the numbers that they hold."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.atomic import write_whole
from isamap.gee_export.base.fill import Fill, says_missing, warp_marks
from isamap.gee_export.base.grid import Raster
from isamap.gee_export.base.named_raster import open_named
from isamap.gee_export.base.rasters import check_whole
from isamap.gee_export.base.validity import alpha_bands, valid_pixels
from isamap.gee_export.base.warp import warped

if TYPE_CHECKING:
    from rasterio import DatasetReader


def read(path: str | Path, onto: GeoBox | None = None) -> Raster:
    """All bands of a raster file; resampled (bilinear) where it lies on other pixels than `onto`.

    Pixels that are 0 in all of several bands are missing where the file says nothing of missing ones: the edge of fill
    would be matched like a shore. Of bytes they stay, since a picture may be black.
    ValueError for files that are missing, no raster, nowhere on Earth, rotated, or that do not touch `onto`.
    """
    from rasterio.enums import Resampling

    with _opened(path) as file:
        own = _grid(file, path)
        if onto is None or own == onto:
            return _filled(_raster(check_whole(file, path), own), file)
        if not own.geographic_extent.geom.intersects(onto.geographic_extent.geom):
            raise ValueError(f"{path} does not touch the other raster: there is nothing to compare")
        with warped(file, onto, Resampling.bilinear, warp_marks(file) if _has_fill(file) else {}) as laid:
            return _raster(laid, onto)


def write(raster: Raster, path: str | Path, *, like: str | Path) -> None:
    """A GeoTIFF of the raster with the type, no-data value, names, scales and tags of a file; never half written.

    Missing pixels hold the no-data value, or are marked by a mask where the file has none.
    """
    from rasterio.io import MemoryFile

    with _opened(like) as file:
        dtype, nodata = np.dtype(file.dtypes[0]), file.nodata
        metadata = file.descriptions, file.scales, file.offsets, file.tags()
    values = np.rint(raster.values_BHW) if dtype.kind in "iu" else raster.values_BHW
    values = np.where(raster.valid_BHW, values, 0 if nodata is None else nodata).astype(dtype)
    height, width = raster.geobox.shape
    grid_options = {"crs": str(raster.geobox.crs), "transform": raster.geobox.affine, "height": height, "width": width}
    options = {"driver": "GTiff", "compress": "deflate", "tiled": True, "count": len(values), "dtype": dtype.name}
    with MemoryFile() as memory:
        with memory.open(**grid_options, **options, nodata=nodata) as target:
            target.descriptions, target.scales, target.offsets = (of_bands[: len(values)] for of_bands in metadata[:3])
            target.update_tags(**{key: text for key, text in metadata[3].items() if key != "AREA_OR_POINT"})
            target.write(values)
            if nodata is None and not raster.valid_BHW.all():
                target.write_mask(raster.valid_BHW.all(axis=0))
        write_whole(Path(path), bytes(memory.getbuffer()))


def _raster(file: DatasetReader, grid: GeoBox) -> Raster:
    numbers = [n for n in file.indexes if n not in alpha_bands(file)]
    stored = file.read(numbers)
    # Integers of 32 bits do not fit float32's 24 bits of mantissa.
    values = stored.astype(np.float32 if stored.dtype.itemsize < 4 or stored.dtype == np.float32 else np.float64)
    valid = valid_pixels(file, numbers, stored) & np.isfinite(values)
    names = tuple(file.descriptions[n - 1] or f"band{n}" for n in numbers)
    return Raster(grid, names, np.where(valid, values, 0), valid)


def _has_fill(file: DatasetReader) -> bool:
    """Whether 0 in all bands is no measurement: of several bands that are no bytes, and that nothing marks."""
    return file.count > 1 and "uint8" not in file.dtypes and not says_missing(file, file.indexes)


def _filled(raster: Raster, file: DatasetReader) -> Raster:
    if not _has_fill(file):
        return raster
    everything = Fill((tuple(range(len(raster.bands))),))
    return replace(raster, valid_BHW=everything.without(raster.values_BHW, raster.valid_BHW))


def _grid(file: DatasetReader, path: str | Path) -> GeoBox:
    if file.crs is None or file.transform.is_identity:
        raise ValueError(f"{path} does not say where it lies: give it a coordinate system and a transform")
    if file.transform.b or file.transform.d:
        raise ValueError(f"{path} has rotated pixels: warp it north-up first (gdalwarp)")
    return GeoBox(file.shape, file.transform, str(file.crs))


@contextmanager
def _opened(path: str | Path):
    from rasterio.errors import RasterioError

    if not Path(path).is_file():
        raise ValueError(f"raster file {path} was not found: check the path")
    try:
        with open_named(path) as file:
            yield file
    except RasterioError as error:
        raise ValueError(f"{path} is no raster that can be read: {error}") from error
