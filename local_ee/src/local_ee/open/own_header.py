"""A tile of a foreign file as a small TIFF whose header is written here: the only form in which GDAL sees them.

Source: TIFF 6.0 (Adobe 1992), sections 2, 8, 14 and 15.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress

import numpy as np

from local_ee import raster_file
from local_ee.open.tiff import DEFLATE, OLD_DEFLATE, Level

_SHORT, _LONG, _DOUBLE = 3, 4, 12
_PACKED = {_SHORT: "H", _LONG: "I", _DOUBLE: "d"}
_FORMATS = {"u": 1, "i": 2, "f": 3}
_STEP_BYTES = 64 << 10


def decoded(level: Level, stored: bytes) -> np.ndarray:
    """A tile's values [band, row, column]; ValueError where its bytes cannot be decoded."""
    with raster_file.open_bytes(under_own_header(level, stored), "a tile") as file:
        return file.read()


def check_unpacks(level: Level, stored: bytes) -> None:
    """ValueError where a deflated tile unpacks to more than a tile of its level has, found without holding it.

    What cannot be unpacked at all is told when it is decoded. LZW and ZSTD are not looked at: GDAL cuts them.
    """
    if level.compression in (DEFLATE, OLD_DEFLATE):
        with suppress(zlib.error):
            _check_inflates(stored, level.decoded_bytes)


def _check_inflates(stored: bytes, most_bytes: int) -> None:
    inflater, size = zlib.decompressobj(), 0
    for begin in range(0, len(stored), _STEP_BYTES):
        piece = stored[begin : begin + _STEP_BYTES]
        while piece and not inflater.eof:
            size += len(inflater.decompress(piece, _STEP_BYTES))
            if size > most_bytes:
                raise ValueError(f"a tile unpacks to more than the {most_bytes:,} bytes that it has")
            piece = inflater.unconsumed_tail


def under_own_header(level: Level, stored: bytes) -> bytes:
    """The TIFF: one image of one tile, no place, no text, no pointer out of it."""
    order = ">" if level.big_endian else "<"
    bands = 1 if level.planar else level.bands
    dtype = np.dtype(level.dtype)
    tags: dict[int, tuple[int, list[int]]] = {
        256: (_LONG, [level.tile_width]),
        257: (_LONG, [level.tile_height]),
        258: (_SHORT, [dtype.itemsize * 8] * bands),
        259: (_SHORT, [level.compression]),
        262: (_SHORT, [1]),  # 0 is black
        277: (_SHORT, [bands]),
        284: (_SHORT, [1]),  # the bands lie together
        317: (_SHORT, [level.predictor]),
        322: (_LONG, [level.tile_width]),
        323: (_LONG, [level.tile_height]),
        324: (_LONG, [0]),
        325: (_LONG, [len(stored)]),
        **({338: (_SHORT, [0] * (bands - 1))} if bands > 1 else {}),
        339: (_SHORT, [_FORMATS[dtype.kind]] * bands),
        33550: (_DOUBLE, [1, 1, 0]),  # some place, or rasterio warns that there is none
        33922: (_DOUBLE, [0] * 6),
    }
    tags[324] = (_LONG, [len(_directory(tags, order))])
    return _directory(tags, order) + stored


def _directory(tags: dict[int, tuple[int, list[int]]], order: str) -> bytes:
    """Header, table and the values that do not fit into it."""
    entries, long_values = [], b""
    values_at = 8 + 2 + 12 * len(tags) + 4
    for tag, (form, numbers) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(numbers)}{_PACKED[form]}", *numbers)
        if len(content) > 4:
            pointer = struct.pack(f"{order}I", values_at + len(long_values))
            long_values += content + b"\0" * (len(content) % 2)
        else:
            pointer = content.ljust(4, b"\0")
        entries.append(struct.pack(f"{order}HHI", tag, form, len(numbers)) + pointer)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", len(entries)) + b"".join(entries) + b"\0" * 4 + long_values
