"""Requests planned within the server's limits, and what arrives as rasters."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from isamap.gee_export.requests import pixels
from isamap.gee_export.requests.channel import Channel
from isamap.gee_export.requests.pixels import largest_side, plan, request_bytes

GRID = GeoBox((300, 500), Affine(10, 0, 212750, 0, -10, 3416360), "EPSG:32650")
BAND = (Channel("B2"),)


def floats(count):
    return [Channel(f"b{index}") for index in range(count)]


def test_the_mask_byte_is_counted_as_the_server_does():
    """docs/reference/wishes.md, "Wish 3"; google/Xee issue 50: 48 x 512 x 256 doubles were refused as
    56,623,104 bytes.
    """
    assert request_bytes(512, 256, [Channel("b", "float64")] * 48) == 56_623_104


@pytest.mark.parametrize(
    ("bands", "side"),
    [(floats(12), 915), (floats(14), 847), ([Channel("b", "uint16")] * 10, 1295), ([Channel("b", "uint8")], 5016)],
)
def test_the_largest_square_requests(bands, side):
    """The planner's table in docs/reference/earth-engine.md, "Request limits"."""
    assert largest_side(bands) == side


@given(height=st.integers(1, 40_000), width=st.integers(1, 9_000), bands=st.integers(1, 30))
def test_a_plan_covers_every_pixel_once_within_the_limits(height, width, bands):
    windows = plan((height, width), floats(bands))
    assert sum(w.height * w.width for w in windows) == height * width
    assert {(w.row, w.col) for w in windows if w.row_end > height or w.col_end > width} == set()
    assert all(request_bytes(w.height, w.width, floats(bands)) <= pixels.REQUEST_LIMIT_BYTES for w in windows)
    starts = sorted({w.row for w in windows}), sorted({w.col for w in windows})
    assert len(windows) == len(starts[0]) * len(starts[1])


def test_oversized_requests_never_leave_the_machine():
    """docs/reference/wishes.md, "Wish 3" and "Wish 4"."""
    with pytest.raises(ValueError, match="50,331,648"):
        pixels.check_request(GeoBox((1024, 1024), GRID.affine, GRID.crs), floats(12))
    with pytest.raises(ValueError, match="32768 a side"):
        pixels.check_request(GeoBox((1, 40_818), GRID.affine, GRID.crs), BAND)  # google/Xee issue 85


@pytest.mark.parametrize("missing", [pixels.FILL, np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_missing(missing):
    """Missing is a mask, never NaN between functions."""
    read = np.zeros((2, 3), [("B2", "f4"), ("VV", "f4")])
    read["VV"][1, 2] = missing
    raster = pixels.raster(read, GRID[:2, :3], [Channel("B2"), Channel("VV")])
    assert not raster.valid_BHW[1, 1, 2] and raster.valid_BHW.sum() == 11
    assert raster.values_BHW[1, 1, 2] == 0
