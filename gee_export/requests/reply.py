"""The pixels of a reply: an NPY body checked against what was asked, its bytes used as they lie."""

from __future__ import annotations

import io
import struct
from functools import lru_cache

import numpy as np
from numpy.lib import format as npy

from isamap.gee_export.base.errors import Fault

MAGIC_BYTES = 8  # six of the name, two of the version


def decode(body: bytearray, shape: tuple[int, int], pixel: np.dtype) -> np.ndarray:
    """The structured array (rows, columns) over the body's own bytes, writable.

    ConnectionError where the body is cut short or no NPY file (asking again may help), Fault where it is whole and
    holds something else than was asked.
    """
    found_shape, found_pixel, start = _header_of(body)
    expected = start + found_pixel.itemsize * int(np.prod(found_shape))
    # Length first: a body cut short may be asked again, anything else is wrong for good.
    if len(body) != expected:
        raise ConnectionError(f"the reply has {len(body):,} bytes where its header tells of {expected:,}")
    if found_shape != shape:
        raise Fault(f"Earth Engine sent {found_shape} pixels where {shape} were asked")
    if found_pixel != pixel:
        raise Fault(f"Earth Engine sent bands {found_pixel} where {pixel} were asked")
    return np.frombuffer(body, pixel, offset=start).reshape(shape)


def _header_of(body: bytearray) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, pixel type, and where the pixels begin."""
    try:
        version = npy.read_magic(io.BytesIO(body[:MAGIC_BYTES]))
        field = "<H" if version == (1, 0) else "<I"
        (length,) = struct.unpack_from(field, body, MAGIC_BYTES)
        start = MAGIC_BYTES + struct.calcsize(field) + length
        return *_parsed(bytes(body[MAGIC_BYTES:start]), version), start
    except (ValueError, struct.error) as error:
        raise ConnectionError(f"the reply is no NPY file: {bytes(body[:40])!r}") from error


@lru_cache(maxsize=64)
def _parsed(header: bytes, version: tuple[int, int]) -> tuple[tuple[int, ...], np.dtype]:
    """Requests of one shape have one header, so it is read once."""
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, pixel = read(io.BytesIO(header))
    if fortran and min(shape) > 1:
        raise ValueError("pixels in columns")
    return shape, pixel
