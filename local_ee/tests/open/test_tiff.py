"""The parser of foreign tables: what rasterio says of good files, one sentence for bad ones, and never more memory."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile

from local_ee.open import own_header, tiff

GRID = GeoBox((70, 90), rasterio.Affine(10, 0, 500000, 0, -10, 3300040), "EPSG:32650")
TILE = {"tiled": True, "blockxsize": 32, "blockysize": 16}
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def written(values: np.ndarray, **profile) -> bytes:
    bands = values[None] if values.ndim == 2 else values
    place = {"crs": "EPSG:32650", "transform": GRID.affine} | {
        k: profile.pop(k) for k in ("crs", "transform") if k in profile
    }
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype.name}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", **place, **shape, **{**TILE, **profile}) as file:
            file.write(bands)
        return memory.read()


def numbers(dtype: str, bands: int = 1) -> np.ndarray:
    drawn = np.random.default_rng(3)
    if dtype.startswith("f"):
        return drawn.normal(size=(bands, *GRID.shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return drawn.integers(limits.min, limits.max, (bands, *GRID.shape), dtype=dtype, endpoint=True)


def read(content: bytes) -> np.ndarray:
    """All pixels, tile by tile, under our own header."""
    level = tiff.read_table(content, len(content)).levels[0]
    out = np.zeros((level.bands, level.down * level.tile_height, level.across * level.tile_width), level.dtype)
    for row in range(level.down):
        for col in range(level.across):
            for band in range(level.bands) if level.planar else (slice(None),):
                number = level.number(row, col, band if level.planar else 0)
                at = int(level.offsets[number])
                tile = own_header.decoded(level, content[at : at + int(level.counts[number])])
                place = np.s_[
                    row * level.tile_height : (row + 1) * level.tile_height,
                    col * level.tile_width : (col + 1) * level.tile_width,
                ]
                out[(band, *place)] = tile[0] if level.planar else tile
    return out[:, : level.height, : level.width]


@pytest.mark.parametrize("bigtiff", ["NO", "YES"])
@pytest.mark.parametrize("endianness", ["LITTLE", "BIG"])
@pytest.mark.parametrize("dtype", TYPES)
def test_pixels_of_every_type_and_order_of_bytes(dtype: str, endianness: str, bigtiff: str):
    values = numbers(dtype)
    predictor = 3 if dtype.startswith("f") else 2
    content = written(values, ENDIANNESS=endianness, BIGTIFF=bigtiff, compress="deflate", predictor=predictor)
    np.testing.assert_array_equal(read(content), values)


@pytest.mark.parametrize("interleave", ["band", "pixel"])
@pytest.mark.parametrize("compress", ["deflate", "lzw", "zstd", None])
def test_bands_together_or_apart_under_each_compression(compress: str | None, interleave: str):
    values = numbers("int8", 5)
    np.testing.assert_array_equal(read(written(values, compress=compress, interleave=interleave)), values)


def test_place_projection_and_no_data_are_as_rasterio_says():
    table = tiff.read_table(content := written(numbers("int16"), nodata=-32768), len(content))
    assert (table.affine, table.epsg, table.nodata) == (tuple(GRID.affine)[:6], 32650, -32768)


@pytest.mark.parametrize(
    "transform", [rasterio.Affine(10, 0, 500000, 0, 10, 3300040), rasterio.Affine(0.1, 0, 3, 0, -0.2, 4)]
)
def test_south_up_and_degrees(transform: rasterio.Affine):
    content = written(numbers("uint8"), crs="EPSG:4326", transform=transform)
    table = tiff.read_table(content, len(content))
    assert table.affine == pytest.approx(tuple(transform)[:6]) and table.epsg == 4326


def test_places_that_are_pixel_centres_are_half_a_pixel_off():
    """GDAL writes AREA_OR_POINT=Point with tie points at centres and reads the corner back."""
    with MemoryFile() as memory:
        shape = {"count": 1, "height": 70, "width": 90, "dtype": "uint8", "crs": "EPSG:4326", **TILE}
        with memory.open(driver="GTiff", transform=rasterio.Affine(0.1, 0, 3, 0, -0.1, 4), **shape) as file:
            file.update_tags(AREA_OR_POINT="Point")
            file.write(numbers("uint8"))
        content = memory.read()
    assert tiff.read_table(content, len(content)).affine == pytest.approx((0.1, 0, 3, 0, -0.1, 4))


def test_overviews_follow_the_finest_level():
    with MemoryFile() as memory:
        shape = {"count": 1, "height": 70, "width": 90, "dtype": "uint8", "crs": "EPSG:4326"}
        with memory.open(driver="COG", transform=GRID.affine, blocksize=128, overview_count=2, **shape) as file:
            file.write(numbers("uint8"))
        content = memory.read()
        sizes = [memory.open().shape, *(memory.open(overview_level=level).shape for level in (0, 1))]
    table = tiff.read_table(content, len(content))
    assert [(level.height, level.width) for level in table.levels] == sizes


def test_a_table_beyond_the_bytes_says_how_many_it_needs():
    content = written(numbers("uint16"))
    sizes, size = [], 64
    while True:
        try:
            tiff.read_table(content[:size], len(content))
            break
        except tiff.Incomplete as more:
            assert more.size > size
            size = more.size
            sizes.append(size)
    assert sizes and size <= len(content)


def table_of(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """A classic TIFF of one table at byte 8: (tag, type, count, value or pointer)."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + struct.pack("<I", following) + b"\0" * 200


GOOD = [
    (256, 4, 1, 64),
    (257, 4, 1, 64),
    (258, 3, 1, 8),
    (322, 4, 1, 64),
    (323, 4, 1, 64),
    (324, 4, 1, 100),
    (325, 4, 1, 9),
]


def changed(*entries: tuple[int, int, int, int]) -> bytes:
    tags = {entry[0]: entry for entry in (*GOOD, *entries)}
    return table_of(sorted(tags.values()))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no TIFF|of 0"),
        (b"<html>sign in</html>" * 10, "no TIFF"),
        (b"II\x2b\0" + b"\0" * 60, "BigTIFF"),
        (table_of(GOOD, following=8), "circle"),
        (table_of([(256, 4, 1, 64)]), "tag 257"),
        (changed((259, 3, 1, 7)), "compression 7"),
        (changed((317, 3, 1, 9)), "predictor 9"),
        (changed((256, 4, 1, 1 << 30)), "tag 256"),
        (changed((322, 4, 1, 1 << 20)), "tag 322"),
        (changed((322, 4, 1, 16), (323, 4, 1, 16)), "offsets"),
        (changed((325, 4, 1, 1 << 31)), "tile of"),
        (changed((258, 3, 1, 12)), "12 bits|bits"),
        (changed((277, 3, 1, 60_000)), "tag 277"),
        (changed((324, 4, 1 << 29, 100)), "numbers"),
        (changed((324, 4, 1000, 0xFFFF0000)), "pointer"),
        (changed((254, 4, 1, 4)), "no image"),
        (changed((278, 4, 1, 8)).replace(struct.pack("<HH", 322, 4), struct.pack("<HH", 321, 4)), "strips"),
    ],
)
def test_bad_tables_are_one_sentence(content: bytes, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        tiff.read_table(content, max(len(content), 300))


def test_tables_that_point_to_each_other_end():
    first = struct.pack("<H", 0) + struct.pack("<I", 20)
    content = (b"II*\0\x08\0\0\0" + first).ljust(20, b"\0") + struct.pack("<H", 0) + struct.pack("<I", 8)
    with pytest.raises(ValueError, match="circle"):
        tiff.read_table(content, 1000)


@pytest.mark.parametrize("bigtiff", ["NO", "YES"])
def test_damaged_heads_are_refused_or_incomplete_and_nothing_else(bigtiff: str):
    content = written(numbers("uint16"), BIGTIFF=bigtiff, nodata=0)
    drawn = np.random.default_rng(11)
    for _ in range(400):
        damaged = bytearray(content[:900])
        for place in drawn.integers(0, 600, drawn.integers(1, 8)):
            damaged[place] = drawn.integers(256)
        try:
            table = tiff.read_table(bytes(damaged), len(content))
        except (ValueError, tiff.Incomplete):
            continue
        assert table.levels[0].counts.sum() < 1 << 40


def test_a_tile_that_is_none_is_a_sentence():
    level = tiff.read_table(content := written(numbers("uint16"), compress="deflate"), len(content)).levels[0]
    with pytest.raises(ValueError, match="cannot be decoded"):
        own_header.decoded(level, b"<html>" * 20)
