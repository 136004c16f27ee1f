"""Where a foreign GeoTIFF keeps its tiles: its tables read by a bounded parser, of classic TIFF and BigTIFF.

Sources: TIFF 6.0 (Adobe 1992), sections 2, 8 and 15; BigTIFF, https://www.awaresystems.be/imaging/tiff/bigtiff.html;
GeoTIFF 1.1 (OGC 19-008r4), sections 7.1 and B.1; GDAL_NODATA, https://gdal.org/en/stable/drivers/raster/gtiff.html.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from local_ee.raster.window import Window

# Bounds of a file from outside, each far above what archives hold: none of its numbers may ask for the machine.
MOST_TABLES = 32  # levels of a pyramid, and what else a file may list
MOST_TAGS = 200
LONGEST_SIDE_PX = 1 << 20
LONGEST_TILE_PX = 1 << 13
MOST_TILES = 1 << 20
MOST_TILE_BYTES = 64 << 20  # stored
MOST_DECODED_BYTES = 256 << 20  # of a tile
MOST_BANDS = 256

UNCOMPRESSED, LZW, DEFLATE, OLD_DEFLATE, ZSTD = 1, 5, 8, 32946, 50000
COMPRESSIONS = frozenset({UNCOMPRESSED, LZW, DEFLATE, OLD_DEFLATE, ZSTD})
PREDICTORS = frozenset({1, 2, 3})
_TYPES = {  # TIFF type: numpy's, less the byte order
    1: "u1", 2: "S1", 3: "u2", 4: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 11: "f4", 12: "f8", 13: "u4", 16: "u8",
    17: "i8", 18: "u8",
}  # fmt: skip
_KINDS = {1: "u", 2: "i", 3: "f"}  # SampleFormat
_DTYPES = frozenset({"u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"})
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PLANAR = 254, 256, 257, 258, 259, 277, 284
_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _OFFSETS, _COUNTS, _FORMAT = 317, 322, 323, 324, 325, 339
_SCALE, _TIEPOINT, _TRANSFORM, _GEOKEYS, _NODATA = 33550, 33922, 34264, 34735, 42113
_REDUCED, _MASK = 1, 4  # NewSubfileType
_PROJECTED, _GEOGRAPHIC, _RASTER_TYPE, _USER_DEFINED, _POINT = 3072, 2048, 1025, 32767, 2


class Incomplete(Exception):
    """The table reaches beyond the bytes that are here; `size` bytes from the file's start may hold it."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


@dataclass(frozen=True)
class Level:
    """Pixels of a file at one resolution and where its tiles lie: offsets and byte counts by tile, 0 where absent.

    Tiles are counted row by row; where `planar`, all of the first band's come first.
    """

    height: int
    width: int
    tile_height: int
    tile_width: int
    bands: int
    dtype: str
    compression: int
    predictor: int
    planar: bool
    big_endian: bool
    offsets: np.ndarray
    counts: np.ndarray

    @property
    def across(self) -> int:
        """Tiles in a row."""
        return -(-self.width // self.tile_width)

    @property
    def down(self) -> int:
        """Rows of tiles."""
        return -(-self.height // self.tile_height)

    @property
    def decoded_bytes(self) -> int:
        """Of a tile in memory."""
        return self.tile_height * self.tile_width * np.dtype(self.dtype).itemsize * (1 if self.planar else self.bands)

    def tiles(self, window: Window) -> tuple[range, range]:
        """Rows and columns of the tiles under a window."""
        return (
            range(window.row // self.tile_height, -(-window.row_end // self.tile_height)),
            range(window.col // self.tile_width, -(-window.col_end // self.tile_width)),
        )

    def number(self, row: int, col: int, band: int = 0) -> int:
        """Which tile holds a place among the tiles, of a band (all of them where the bands lie together)."""
        return (band if self.planar else 0) * self.across * self.down + row * self.across + col


@dataclass(frozen=True)
class Table:
    """What a file says of itself: levels, finest first; affine (a, b, c, d, e, f) and EPSG code where it says them."""

    levels: tuple[Level, ...]
    affine: tuple[float, ...] | None
    epsg: int | None
    nodata: float | None

    @property
    def overviews(self) -> dict[int, int]:
        """By how many of the finest pixels a side one of theirs has (a power of 2): the numbers of coarser levels.

        Sides are halved and rounded up or down, as each writer likes; then the last pixels lie up to one beside.
        """
        finest, numbers = self.levels[0], {}
        for overview, level in enumerate(self.levels[1:], 1):
            factor = 1 << round(math.log2(finest.width / level.width))
            if all(abs(side - finest_side / factor) < 1 for side, finest_side in _sides(level, finest)):
                numbers[factor] = overview
        return numbers


def _sides(level: Level, finest: Level) -> tuple[tuple[int, int], tuple[int, int]]:
    return (level.height, finest.height), (level.width, finest.width)


def read_table(head: bytes, file_size: int) -> Table:
    """The table in a file's first bytes; Incomplete where they do not hold it, ValueError where it is not usable."""
    reader = _Reader(head, file_size)
    tables = reader.tables()
    main = next((tags for tags in tables if not int(tags.get(_SUBFILE, [0])[0]) & (_REDUCED | _MASK)), None)
    if main is None:
        raise ValueError("it holds no image")
    if any(int(tags.get(_SUBFILE, [0])[0]) & _MASK for tags in tables):
        raise ValueError("it holds a mask of its own, which no archive that is known here uses")
    finest = _level(main, reader)
    coarser = [
        _level(tags, reader, finest)
        for tags in tables
        if tags is not main and int(tags.get(_SUBFILE, [0])[0]) & _REDUCED
    ]
    levels = (finest, *sorted(coarser, key=lambda level: -level.width))
    return Table(levels, _affine(main), _epsg(main), _nodata(main))


class _Reader:
    """Reads numbers from the head, by the file's own byte order and sizes."""

    def __init__(self, head: bytes, file_size: int) -> None:
        self._head, self._size = head, file_size
        if head[:2] not in (b"II", b"MM"):
            raise ValueError("it is no TIFF")
        self.order = "<" if head[:2] == b"II" else ">"
        version = self._number("H", 2)
        if version not in (42, 43):
            raise ValueError("it is no TIFF")
        self._big = version == 43
        if self._big and (self._number("H", 4), self._number("H", 6)) != (8, 0):
            raise ValueError("it is no BigTIFF of 8-byte offsets")

    def tables(self) -> list[dict[int, np.ndarray]]:
        """The tags of each table by number; ValueError for a loop of pointers or too many."""
        at = self._number("Q", 8) if self._big else self._number("I", 4)
        seen: set[int] = set()
        tables = []
        while at:
            if at in seen or len(seen) == MOST_TABLES:
                raise ValueError(f"its tables lead in a circle, or are more than {MOST_TABLES}")
            seen.add(at)
            tags, at = self._tags(at)
            tables.append(tags)
        return tables

    def _tags(self, at: int) -> tuple[dict[int, np.ndarray], int]:
        count_form, entry_size, pointer = ("Q", 20, "Q") if self._big else ("H", 12, "I")
        count = self._number(count_form, at)
        if count > MOST_TAGS:
            raise ValueError(f"a table of {count} tags; at most {MOST_TAGS} are read")
        begin = at + struct.calcsize(count_form)
        tags: dict[int, np.ndarray] = {}
        for entry in range(begin, begin + count * entry_size, entry_size):
            tag = self._number("H", entry)
            if tag in _WANTED:
                tags[tag] = self._values(entry)
        return tags, self._number(pointer, begin + count * entry_size)

    def _values(self, entry: int) -> np.ndarray:
        form = _TYPES.get(self._number("H", entry + 2))
        if form is None:
            raise ValueError("a tag of a type that is not read")
        count = self._number("Q" if self._big else "I", entry + 4)
        at = entry + (12 if self._big else 8)
        dtype = np.dtype(self.order + form)
        if count > MOST_TILES:
            raise ValueError(f"a tag of {count:,} numbers; at most {MOST_TILES:,} are read")
        if count * dtype.itemsize > (8 if self._big else 4):
            at = self._number("Q" if self._big else "I", at)
        return np.frombuffer(self._bytes(at, count * dtype.itemsize), dtype)

    def _number(self, form: str, at: int) -> int:
        unpacked: int = struct.unpack(self.order_of(form), self._bytes(at, struct.calcsize(form)))[0]
        return unpacked

    def order_of(self, form: str) -> str:
        return ("<" if self._head[:2] == b"II" else ">") + form

    def _bytes(self, at: int, size: int) -> bytes:
        if at + size > self._size:
            raise ValueError(f"a pointer to byte {at + size:,} of a file of {self._size:,}")
        if at + size > len(self._head):
            raise Incomplete(at + size)
        return self._head[at : at + size]


_WANTED = frozenset({
    _SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _OFFSETS,
    _COUNTS, _FORMAT, _SCALE, _TIEPOINT, _TRANSFORM, _GEOKEYS, _NODATA,
})  # fmt: skip


def _level(tags: dict[int, np.ndarray], reader: _Reader, finest: Level | None = None) -> Level:
    height, width = _whole(tags, _HEIGHT, LONGEST_SIDE_PX), _whole(tags, _WIDTH, LONGEST_SIDE_PX)
    if _TILE_WIDTH not in tags:
        raise ValueError("its pixels lie in strips; expected tiles (a cloud-optimized GeoTIFF)")
    tile_height, tile_width = _whole(tags, _TILE_HEIGHT, LONGEST_TILE_PX), _whole(tags, _TILE_WIDTH, LONGEST_TILE_PX)
    bands = _whole(tags, _SAMPLES, MOST_BANDS, 1)
    level = Level(
        height,
        width,
        tile_height,
        tile_width,
        bands,
        _dtype(tags),
        _one_of(tags, _COMPRESSION, COMPRESSIONS, "compression"),
        _one_of(tags, _PREDICTOR, PREDICTORS, "predictor"),
        planar=_one_of(tags, _PLANAR, frozenset({1, 2}), "planar configuration") == 2 and bands > 1,
        big_endian=reader.order == ">",
        offsets=np.zeros(0, np.uint64),
        counts=np.zeros(0, np.uint64),
    )
    if finest is not None and (level.bands, level.dtype) != (finest.bands, finest.dtype):
        raise ValueError("its overviews hold other bands than its pixels")
    offsets, counts = _placed(tags, level)
    return replace(level, offsets=offsets, counts=counts)


def _placed(tags: dict[int, np.ndarray], level: Level) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and byte counts, as many as there are tiles, each within bounds."""
    tiles = level.across * level.down * (level.bands if level.planar else 1)
    if tiles > MOST_TILES or level.decoded_bytes > MOST_DECODED_BYTES:
        raise ValueError(f"{tiles:,} tiles of {level.decoded_bytes:,} bytes: more than is read")
    offsets, counts = (tags.get(tag, np.zeros(0, "u4")).astype(np.uint64) for tag in (_OFFSETS, _COUNTS))
    if len(offsets) != tiles or len(counts) != tiles:
        raise ValueError(f"{len(offsets):,} offsets and {len(counts):,} sizes for {tiles:,} tiles")
    if tiles and int(counts.max()) > MOST_TILE_BYTES:
        raise ValueError(f"a tile of {int(counts.max()):,} bytes; at most {MOST_TILE_BYTES:,} are read")
    return offsets, counts


def _whole(tags: dict[int, np.ndarray], tag: int, most: int, otherwise: int | None = None) -> int:
    values = tags.get(tag)
    if values is None or not len(values):
        if otherwise is None:
            raise ValueError(f"tag {tag} is missing")
        return otherwise
    if values.dtype.kind not in "ui" or not 1 <= int(values[0]) <= most:
        raise ValueError(f"tag {tag} is {values[0]!s:.20}; expected 1 to {most}")
    return int(values[0])


def _one_of(tags: dict[int, np.ndarray], tag: int, allowed: frozenset[int], name: str) -> int:
    value = _whole(tags, tag, 1 << 17, 1)
    if value not in allowed:
        raise ValueError(f"{name} {value}; expected one of {sorted(allowed)}")
    return value


def _dtype(tags: dict[int, np.ndarray]) -> str:
    bits, forms = set(tags.get(_BITS, np.ones(1)).tolist()), set(tags.get(_FORMAT, np.ones(1)).tolist())
    letter = _KINDS.get(int(min(forms))) if len(forms) == 1 else None
    name = f"{letter}{int(min(bits)) // 8}"
    if len(bits) != 1 or int(min(bits)) % 8 or name not in _DTYPES:
        raise ValueError(f"samples of {sorted(bits)} bits and formats {sorted(forms)}: not read")
    return np.dtype(name).name


def _affine(tags: dict[int, np.ndarray]) -> tuple[float, ...] | None:
    """Pixel corners to coordinates, (a, b, c, d, e, f); of a file whose places are pixel centres, moved by half one."""
    matrix, scale, tie = (
        tags.get(tag, np.zeros(0)).astype(np.float64).tolist() for tag in (_TRANSFORM, _SCALE, _TIEPOINT)
    )
    if len(matrix) == 16:
        a, b, c, d, e, f = matrix[0], matrix[1], matrix[3], matrix[4], matrix[5], matrix[7]
    elif len(scale) >= 2 and len(tie) == 6:
        a, b, d, e = scale[0], 0.0, 0.0, -scale[1]
        c, f = tie[3] - tie[0] * a, tie[4] - tie[1] * e
    else:
        return None
    if _geokeys(tags).get(_RASTER_TYPE) == _POINT:
        c, f = c - (a + b) / 2, f - (d + e) / 2
    affine = (a, b, c, d, e, f)
    return affine if all(map(math.isfinite, affine)) else None


def _epsg(tags: dict[int, np.ndarray]) -> int | None:
    keys = _geokeys(tags)
    code = keys.get(_PROJECTED, keys.get(_GEOGRAPHIC))
    return None if code in (None, 0, _USER_DEFINED) else code


def _geokeys(tags: dict[int, np.ndarray]) -> dict[int, int]:
    """The GeoKeys whose values stand in the directory itself."""
    numbers: list[Any] = tags.get(_GEOKEYS, np.zeros(0, "u2")).tolist()
    entries = (numbers[at : at + 4] for at in range(4, len(numbers) - 3, 4))
    return {int(key): int(value) for key, location, _, value in entries if location == 0}


def _nodata(tags: dict[int, np.ndarray]) -> float | None:
    values = tags.get(_NODATA)
    if values is None:
        return None
    try:
        return float(values.tobytes().split(b"\0")[0].decode("ascii"))
    except (UnicodeDecodeError, ValueError):
        raise ValueError("its no-data value is no number") from None
