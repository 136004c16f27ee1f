"""Files read by rows of blocks: rasterio's own pixels, hidden by any mark of the file, each block decoded once."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp
from rasterio.windows import Window as RioWindow

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.named_raster import open_named
from isamap.inference.inputs import block_rows
from isamap.inference.inputs.block_rows import BlockRows

INTEGERS, FLOATS = ("uint8", "int16", "uint16", "int32", "uint32"), ("float32", "float64")
LAYOUTS = (
    {"tiled": True, "blockxsize": 16, "blockysize": 32, "interleave": "pixel"},
    {"tiled": True, "blockxsize": 32, "blockysize": 16, "interleave": "band"},
    {"tiled": False, "blockysize": 1},
    {"tiled": False, "blockysize": 7, "interleave": "band"},
)
NODATA = {"uint8": 255, "int16": -32768, "uint16": 0, "int32": -9999, "uint32": 7}


@st.composite
def files(draw) -> dict:
    """A file's profile and what its masks come from."""
    dtype = draw(st.sampled_from(INTEGERS + FLOATS))
    nodatas = (None, NODATA[dtype]) if dtype in INTEGERS else (None, float("nan"), -9999.0, 0.1, -3.4028234663852886e38)
    shape = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    return {
        "profile": {"dtype": dtype, "nodata": draw(st.sampled_from(nodatas)), **draw(st.sampled_from(LAYOUTS))},
        "shape": (draw(st.integers(1, 4)), *shape),
        "mask": draw(st.sampled_from(("none", "alpha", "internal", "none"))),
        "seed": draw(st.integers(0, 99)),
    }


def written(folder, file: dict):
    """A file of numbers many of which are its no-data or hardly differ from it."""
    profile, (count, height, width) = file["profile"], file["shape"]
    rng, nodata, dtype = np.random.default_rng(file["seed"]), profile["nodata"], np.dtype(profile["dtype"])
    stored = rng.integers(0, 9, (count, height, width)).astype(dtype)
    if nodata is not None:
        near = [nodata]
        if dtype.kind == "f" and np.isfinite(nodata):
            ulp = np.spacing(dtype.type(nodata))
            near += [nodata + k * ulp for k in (1, 2, 3, 8)] + [nodata * (1 + k * 1.2e-7) for k in (1, 2, 3, 4, 5)]
        choice = rng.integers(0, 3 * len(near), stored.shape)
        for index, at in enumerate(near):
            with np.errstate(over="ignore"):
                stored[choice == index] = np.asarray(at).astype(dtype)
    if dtype.kind == "f":
        stored[rng.random(stored.shape) < 0.05] = np.nan
        stored[rng.random(stored.shape) < 0.05] = np.inf
    path = folder / "file.tif"
    path.unlink(missing_ok=True)
    size = {"count": count, "height": height, "width": width, "compress": "deflate"}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", driver="GTiff", **size, **profile) as out:
        out.write(stored)
        if file["mask"] == "alpha":
            out.colorinterp = [*[ColorInterp.gray] * (count - 1), ColorInterp.alpha]
        elif file["mask"] == "internal":
            out.write_mask(rng.random((height, width)) > 0.3)
    return path


def unhidden(dataset, numbers, where=None):
    """What no mark of the file hides: GDAL's mask, the no-data value under a mask, and alpha in any number of bands."""
    valid = dataset.read_masks(numbers, window=where) != 0
    if dataset.nodata is not None and rasterio.enums.MaskFlags.nodata not in dataset.mask_flag_enums[0]:
        values = dataset.read(numbers, window=where)
        valid &= ~(np.isnan(values) if np.isnan(dataset.nodata) else values == np.asarray(dataset.nodata))
    if dataset.colorinterp[-1] == ColorInterp.alpha:
        valid &= dataset.read(dataset.count, window=where) > 0
    return valid


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(files(), st.integers(1, 40), st.sampled_from([16, 2048]))
def test_pixels_are_those_of_rasterio_and_every_mark_hides_them(tmp_path, monkeypatch, file, step, piece):
    monkeypatch.setattr(block_rows, "PIECE_PX", piece)
    with open_named(written(tmp_path, file)) as dataset:
        numbers = list(range(dataset.count, 0, -1))
        expected, masks = dataset.read(numbers), unhidden(dataset, numbers)
        rows, height = BlockRows(dataset, numbers), dataset.height
        starts = range(0, height, step)
        parts = [rows.read(Window(row, 0, min(step, height - row), dataset.width)) for row in starts]
        np.testing.assert_array_equal(np.concatenate([stored for stored, _ in parts], axis=1), expected)
        np.testing.assert_array_equal(np.concatenate([valid for _, valid in parts], axis=1), masks)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(files(), st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=5))
def test_windows_may_lie_anywhere_and_come_in_any_order(tmp_path, file, corners):
    with open_named(written(tmp_path, file)) as dataset:
        numbers = list(range(1, dataset.count + 1))
        rows = BlockRows(dataset, numbers)
        for top, left, height, width in corners:
            row, col = (int(share * (side - 1)) for share, side in ((top, dataset.height), (left, dataset.width)))
            most = dataset.height - row, dataset.width - col
            window = Window(
                row, col, *(1 + int(share * (m - 1)) for share, m in zip((height, width), most, strict=True))
            )
            where = RioWindow(window.col, window.row, window.width, window.height)
            stored, valid = rows.read(window)
            np.testing.assert_array_equal(stored, dataset.read(numbers, window=where))
            np.testing.assert_array_equal(valid, unhidden(dataset, numbers, where))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_window_that_ends_above_rows_that_are_kept(tmp_path):
    """The rows of a second block row are kept from the window before; the next window needs none of them."""
    profile = {"dtype": "uint8", "nodata": None, "tiled": True, "blockxsize": 16, "blockysize": 32}
    file = {"profile": profile | {"interleave": "pixel"}, "shape": (1, 43, 1), "mask": "none", "seed": 0}
    with open_named(written(tmp_path, file)) as dataset:
        rows, expected = BlockRows(dataset, [1]), dataset.read([1])
        for height in (1, 43, 22):
            np.testing.assert_array_equal(rows.read(Window(0, 0, height, 1))[0], expected[:, :height])


class Counter:
    """A dataset that counts how often each pixel is decoded, a block at a time."""

    def __init__(self, dataset) -> None:
        self._dataset, self.masks = dataset, 0
        self.decoded = np.zeros(dataset.shape, int)

    def __getattr__(self, name: str):
        return getattr(self._dataset, name)

    def read(self, numbers, window):
        rows, cols = self.block_shapes[0]
        top, left = window.row_off // rows * rows, window.col_off // cols * cols
        bottom = -(-(window.row_off + window.height) // rows) * rows
        right = -(-(window.col_off + window.width) // cols) * cols
        self.decoded[top:bottom, left:right] += 1
        return self._dataset.read(numbers, window=window)

    def read_masks(self, numbers, window):
        self.masks += 1
        return self._dataset.read_masks(numbers, window=window)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_block_is_decoded_once_and_nothing_for_its_mask(tmp_path, monkeypatch, layout):
    monkeypatch.setattr(block_rows, "PIECE_PX", 48)
    profile = {"dtype": "int16", "nodata": -1, **layout}
    path = written(tmp_path, {"profile": profile, "shape": (3, 150, 130), "mask": "none", "seed": 1})
    with open_named(path) as dataset:
        counter = Counter(dataset)
        rows = BlockRows(counter, [1, 3])
        for row in range(0, 150, 13):
            rows.read(Window(row, 0, min(13, 150 - row), 130))
        assert (counter.decoded == 1).all() and counter.masks == 0


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_rows_that_windows_have_passed_are_let_go(tmp_path):
    """Memory is that of a window and a row of blocks, however high the file is."""
    file = {"profile": {"dtype": "int16", "nodata": -1, **LAYOUTS[0]}, "shape": (1, 400, 40), "mask": "none", "seed": 1}
    with open_named(written(tmp_path, file)) as dataset:
        rows = BlockRows(dataset, [1])
        for row in range(0, 400, 20):
            rows.read(Window(row, 0, 20, 40))
            assert sum(chunk.stored_BHW.shape[1] for chunk in rows._chunks) <= 20 + 2 * 32


def of_size(width: int, block: tuple[int, int]) -> BlockRows:
    """The reader of an imagined file of ten int16 bands with no-data."""
    flags = [[block_rows.MaskFlags.nodata]] * 10
    facts = {"width": width, "height": 9000, "count": 10, "dtypes": ["int16"] * 10, "block_shapes": [block] * 10}
    facts |= {"indexes": range(1, 11), "colorinterp": [ColorInterp.gray] * 10}
    return BlockRows(SimpleNamespace(**facts, mask_flag_enums=flags, nodatavals=[-1] * 10), range(1, 11))


def test_the_cache_does_not_grow_with_the_width():
    assert of_size(30_000, (512, 512)).cache_bytes == of_size(3_000, (512, 512)).cache_bytes < 80 << 20


@pytest.mark.parametrize("block", [(512, 512), (256, 256), (1, 30_000)])
def test_the_cache_holds_a_piece_of_a_row_of_blocks(block):
    columns = min(max(1024, block[1]), 30_000)
    assert of_size(30_000, block).cache_bytes >= columns * block[0] * 10 * 2


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_blocks_of_samples_are_not_decoded_again(tmp_path, monkeypatch):
    """Nine small windows, then all rows: each block is decoded once, and its pixels are rasterio's."""
    monkeypatch.setattr(block_rows, "PIECE_PX", 48)
    path = written(tmp_path, {"profile": {"dtype": "int16", "nodata": -1, **LAYOUTS[0]}, "shape": (3, 150, 130),
                              "mask": "none", "seed": 1})  # fmt: skip
    with open_named(path) as dataset:
        counter = Counter(dataset)
        rows, expected = BlockRows(counter, [1, 3]), dataset.read([1, 3])
        samples = [Window(row, col, 8, 8) for row in (8, 70, 140) for col in (4, 66, 120)]
        for sample in samples:
            np.testing.assert_array_equal(rows.read(sample)[0], expected[:, *sample.slices])
        for row in range(0, 150, 13):
            strip = Window(row, 0, min(13, 150 - row), 130)
            np.testing.assert_array_equal(rows.read(strip)[0], expected[:, *strip.slices])
        assert (counter.decoded == 1).all()
        assert not rows._held


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_few_blocks_of_samples_are_held(tmp_path, monkeypatch):
    block_bytes = 2 * 32 * 16 * 2
    monkeypatch.setattr(block_rows, "HELD_BYTES", 3 * block_bytes)
    file = {
        "profile": {"dtype": "int16", "nodata": -1, **LAYOUTS[0]},
        "shape": (3, 150, 130),
        "mask": "none",
        "seed": 1,
    }
    with open_named(written(tmp_path, file)) as dataset:
        rows = BlockRows(dataset, [1, 3])
        for col in range(0, 128, 16):
            rows.read(Window(0, col, 8, 8))
        assert sum(block.nbytes for block in rows._held.values()) == 3 * block_bytes
