"""The one way in which the engine opens and makes raster files: GeoTIFF only, nothing beside it, sizes bounded first.

GDAL follows what a file says: a VRT, an overview or a mask named in it may be any file of this machine or any address
(https://gdal.org/en/stable/user/security.html), so bytes that a client sent are never given to another driver.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, DatasetWriter, MemoryFile

DRIVER = "GTiff"
# Nothing beside the file is looked for, and no address is ever asked (no file has this name).
ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "CPL_VSIL_CURL_ALLOWED_FILENAME": "none"}
VALUES = 1 << 30  # bands x rows x columns of any file
VALUES_PER_BYTE = 2_000  # of a larger one; deflate holds no more than about 1,030 values a byte
BLOCK_BYTES = 1 << 28  # decoded at once, whatever the window; a Sentinel-2 band in one strip has 241 MB
POINTERS = {"OVERVIEWS": "OVERVIEW_FILE", "GEOLOCATION": "X_DATASET"}  # tags by which a GeoTIFF names other files


def open_file(path: Path, name: str | None = None) -> DatasetReader:
    """A GeoTIFF, called `name` in errors.

    ValueError where it names other files, declares too many values for its bytes, has blocks too large, or has a mask
    file beside it; RasterioError where it is no GeoTIFF.
    """
    name = name or str(path)
    if path.with_name(f"{path.name}.msk").exists():
        raise ValueError(f"{name} has a mask file beside it, which is not read: put the mask into the GeoTIFF")
    with rasterio.Env(**ALONE):
        file = rasterio.open(path.absolute(), driver=DRIVER)
    try:
        _check(file, name, path.stat().st_size)
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def open_bytes(content: bytes, name: str) -> Iterator[DatasetReader]:
    """A GeoTIFF in memory, bounded as `open_file`'s; ValueError also where it is no GeoTIFF or a block is damaged."""
    try:
        with rasterio.Env(**ALONE), MemoryFile(content) as memory, memory.open(driver=DRIVER) as file:
            _check(file, name, len(content))
            yield file
    except RasterioError as error:
        raise ValueError(f"{name} cannot be decoded ({error})") from error


def create(path: Path, **profile: Any) -> DatasetWriter:
    """A new GeoTIFF to write into."""
    return rasterio.open(path, "w", **{**profile, "driver": DRIVER})


def _check(file: DatasetReader, name: str, stored_bytes: int) -> None:
    for domain, key in POINTERS.items():
        if key in {tag.upper() for tag in file.tags(ns=domain)}:
            raise ValueError(f"{name} names another file in its tag {key}, which is not followed: remove the tag")
    values, limit = file.count * file.height * file.width, max(VALUES, VALUES_PER_BYTE * stored_bytes)
    if values > limit:
        raise ValueError(
            f"{name} declares {values:,} values ({file.count} x {file.height} x {file.width}) in {stored_bytes:,} "
            f"bytes; at most {limit:,} are read of such a file: cut it into smaller ones (gdal_translate -srcwin)"
        )
    if (size := _block_bytes(file)) > BLOCK_BYTES:
        raise ValueError(
            f"{name} is stored in blocks of {size:,} bytes; at most {BLOCK_BYTES:,} are read: "
            "rewrite it in tiles (gdal_translate -co TILED=YES)"
        )


def _block_bytes(file: DatasetReader) -> int:
    pixel_bytes = [np.dtype(dtype.replace("complex_int16", "int32")).itemsize for dtype in file.dtypes]
    if file.interleaving is not None and file.interleaving.name == "pixel":  # a block holds all bands
        pixel_bytes = [sum(pixel_bytes)] * len(pixel_bytes)
    return max((math.prod(s) * item for s, item in zip(file.block_shapes, pixel_bytes, strict=True)), default=0)
