"""The one way in which raster files are opened: drivers named, nothing read beside the file, sizes bounded first.

GDAL follows what a file says: a VRT, an overview or a mask named in it may be any file of this machine or any address
(https://gdal.org/en/stable/user/security.html). So what is merely found is a GeoTIFF alone, and only a file that the
user names himself may be of other formats, have masks beside it, or be a VRT (named_raster.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rasterio import DatasetReader

HEADS = {  # a driver's name in GDAL -> the first bytes of its files
    "GTiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JP2OpenJPEG": (b"\0\0\0\x0cjP  ", b"\xffO\xffQ"),
    "HFA": (b"EHFA_HEADER_TAG",),
}
# More than any driver's first bytes.
HEAD_BYTES = 1024
GEOTIFF = ("GTiff",)
# Nothing beside the file is looked for, and no address is ever asked (no file has this name).
ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "CPL_VSIL_CURL_ALLOWED_FILENAME": "none"}
VALUES = 1 << 30  # bands x rows x columns of any file
VALUES_PER_BYTE = 2_000  # of a larger one; deflate holds no more than about 1,030 values a byte
BLOCK_BYTES = 1 << 28  # decoded at once, whatever the window; a Sentinel-2 band in one strip has 241 MB
WHOLE_BYTES = 1 << 32  # of a file that is read in one piece
POINTERS = {"OVERVIEWS": "OVERVIEW_FILE", "GEOLOCATION": "X_DATASET"}  # tags by which a GeoTIFF names other files


def open_raster(path: str | Path) -> DatasetReader:
    """A GeoTIFF that a dataset, a bucket or a folder holds; what lies beside it is not read.

    ValueError where it names other files, declares too many values for its bytes, has blocks too large, or has a mask
    file beside it; RasterioError where it is no GeoTIFF.
    """
    path = Path(path)
    if path.with_name(f"{path.name}.msk").exists():
        raise ValueError(f"{path} has a mask file beside it, which is not read: put the mask into the GeoTIFF")
    return checked(opened(path, GEOTIFF, ALONE), path, path.stat().st_size)


def open_overview(path: str | Path, level: int) -> DatasetReader:
    """An overview of a GeoTIFF as a file of its own, 0 the finest; errors as `open_raster`."""
    path = Path(path)
    return checked(opened(path, GEOTIFF, ALONE, overview_level=level), path, path.stat().st_size)


def open_picture(path: str | Path) -> DatasetReader:
    """A GeoTIFF or PNG of a downloaded archive, small enough to be read at once; errors as `open_raster`."""
    path = Path(path)
    return check_whole(checked(opened(path, ("GTiff", "PNG"), ALONE), path, path.stat().st_size), path)


@contextmanager
def open_bytes(content: bytes, name: str) -> Iterator[DatasetReader]:
    """A GeoTIFF's bytes; errors as `open_raster`, naming the file that they are of."""
    import rasterio
    from rasterio.io import MemoryFile

    if not content:
        raise ValueError(f"{name} is empty, no GeoTIFF")
    with rasterio.Env(**ALONE), MemoryFile(content) as memory, memory.open(driver=GEOTIFF[0]) as file:
        yield check_whole(checked(file, name, len(content)), name)


def check_whole(file: DatasetReader, name: object) -> DatasetReader:
    """The file, unchanged; ValueError where its pixels would not fit into memory together."""
    size = file.width * file.height * sum(_item_bytes(dtype) for dtype in file.dtypes)
    if size > WHOLE_BYTES:
        raise ValueError(f"{name} holds {size:,} bytes of pixels; at most {WHOLE_BYTES:,} are read at once: cut it")
    return file


def checked(file: DatasetReader, name: object, stored_bytes: int) -> DatasetReader:
    """The file, north up, closed where ValueError says what is wrong with it; reads no pixel."""
    from isamap.gee_export.base.north_up import north_up

    try:
        _check_pointers(file, name)
        _check_values(file, name, stored_bytes)
        _check_blocks(file, name)
    except BaseException:
        # Closed by hand: rasterio keeps a refused file open until garbage is collected.
        file.close()
        raise
    return north_up(file)


def opened(path: Path, drivers: Sequence[str], options: dict[str, str], **how: int) -> DatasetReader:
    """The file by the one of the drivers whose first bytes it has; not checked yet: give it to `checked`.

    how: options of the driver.
    """
    import rasterio

    # GDAL takes /vsicurl/ and its kin for addresses, also where a path was meant.
    absolute_path = path.absolute()
    if absolute_path.parts[1:2] and absolute_path.parts[1].lower().startswith("vsi"):
        raise ValueError(
            f"{path} is an address that GDAL would follow, no file: give a path outside /{absolute_path.parts[1]}"
        )
    with rasterio.Env(**options):
        return rasterio.open(absolute_path, driver=driver_of(path, drivers) or drivers[0], **how)


def driver_of(path: Path, drivers: Sequence[str]) -> str | None:
    """The one of the drivers whose first bytes the file has, or None."""
    return next((driver for driver in drivers if head_of(path).startswith(HEADS[driver])), None)


def head_of(path: Path) -> bytes:
    """A file's first bytes; none of a file that cannot be read, about which GDAL will say more."""
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError:
        return b""


def _check_pointers(file: DatasetReader, name: object) -> None:
    for domain, key in POINTERS.items():
        if key in {tag.upper() for tag in file.tags(ns=domain)}:
            raise ValueError(f"{name} names another file in its tag {key}, which is not followed: remove the tag")


def _check_values(file: DatasetReader, name: object, stored_bytes: int) -> None:
    values, limit = file.count * file.height * file.width, max(VALUES, VALUES_PER_BYTE * stored_bytes)
    if values > limit:
        raise ValueError(
            f"{name} declares {values:,} values ({file.count} x {file.height} x {file.width}) in {stored_bytes:,} "
            f"bytes; at most {limit:,} are read of such a file: cut it into smaller ones (gdal_translate -srcwin)"
        )


def _check_blocks(file: DatasetReader, name: object) -> None:
    pixel_bytes = [_item_bytes(dtype) for dtype in file.dtypes]
    together = file.interleaving is not None and file.interleaving.name == "pixel"
    each = [sum(pixel_bytes)] * len(pixel_bytes) if together else pixel_bytes
    size = max((math.prod(shape) * item for shape, item in zip(file.block_shapes, each, strict=True)), default=0)
    if size > BLOCK_BYTES:
        raise ValueError(
            f"{name} is stored in blocks of {size:,} bytes; at most {BLOCK_BYTES:,} are read: "
            "rewrite it in tiles (gdal_translate -co TILED=YES)"
        )


def _item_bytes(dtype: str) -> int:
    import numpy as np

    return np.dtype(dtype.replace("complex_int16", "int32")).itemsize
