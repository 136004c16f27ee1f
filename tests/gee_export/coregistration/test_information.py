"""Mutual information as a second opinion: shifts of known size, and images that have nothing in common."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy import ndimage
from sklearn.metrics import mutual_info_score

from isamap.gee_export.base.grid import Raster
from isamap.gee_export.coregistration.coregister import SEARCH_PX
from isamap.gee_export.coregistration.information import _information, information_shift
from tests.support.ground_pairs import SHIFT_PX, noise, pair, raster
from tests.support.shared_data import SHARED, needs_shared


def test_the_figure_is_scikit_learns():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 6, 4000)
    second = (first + rng.integers(0, 3, 4000)) % 6
    counts = np.zeros((1, 1, 6, 6))
    np.add.at(counts, (0, 0, first, second), 1)
    assert _information(counts)[0] == pytest.approx(mutual_info_score(first, second))


@pytest.mark.parametrize("moved", [(0, 0), (3, -2), (-9, 5)])
def test_a_roll_by_whole_pixels_is_found(moved):
    right, down = moved
    fixed = pair(128, SHIFT_PX, 1)[0]
    values = np.roll(fixed.values_BHW, (down, right), axis=(1, 2))
    shift = information_shift([(fixed, raster(values, "A B"))], search_px=16)
    assert (shift.right_px, shift.up_px) == pytest.approx((right, -down), abs=0.05) and shift.is_sure


@pytest.mark.parametrize("side", [96, 160])
def test_radar_beside_an_optical_image_is_found_on_small_areas(side):
    shift = information_shift([pair(side, SHIFT_PX, 1)], search_px=16)
    assert (shift.right_px, shift.up_px) == pytest.approx((2.3, -1.6), abs=0.2) and shift.is_sure


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_unrelated_images_have_no_sure_shift(seed):
    cases = (noise(seed, 128), noise(seed + 50, 128)), (pair(128, SHIFT_PX, seed)[0], pair(128, SHIFT_PX, seed + 9)[1])
    for case in cases:
        shift = information_shift([case], search_px=16)
        assert shift is None or not shift.is_sure


def test_an_image_without_texture_has_none():
    assert information_shift([(noise(0, 96), raster(np.full((1, 96, 96), 3.0), "VV"))], search_px=16) is None


def test_a_hole_of_extreme_values_does_not_count():
    fixed, moving = pair(160, SHIFT_PX, 2)
    valid = np.ones((160, 160), bool)
    valid[50:90, 40:100] = False
    holed = Raster(moving.geobox, moving.bands, np.where(valid, moving.values_BHW, 1e6).astype(np.float32), valid[None])
    shift = information_shift([(fixed, holed)], search_px=16)
    assert (shift.right_px, shift.up_px) == pytest.approx((2.3, -1.6), abs=0.2)


def image(path: Path, bands: list[int] | None) -> Raster:
    with rasterio.open(path) as source:
        values = source.read(bands).astype(np.float32)
    return raster(np.where(np.isfinite(values), values, 0), " ".join(f"b{band}" for band in range(len(values))))


@needs_shared
@pytest.mark.parametrize(("right", "down"), [(0.3, -0.2), (2.6, 1.5), (-6.4, 4.8)])
def test_a_known_shift_of_real_radar_is_found(right, down):
    """TerraMind 433D: what the shift adds to the pair's own offset."""
    (optical,), (radar,) = (list((SHARED / "terramind" / name).glob("433D*")) for name in ("S2L2A", "S1RTC"))
    fixed, moving = image(optical, [2, 3, 4, 8]), image(radar, None)
    values = np.stack([ndimage.shift(band, (down, right), mode="nearest") for band in moving.values_BHW])
    moved = Raster(moving.geobox, moving.bands, values.astype(np.float32), moving.valid_BHW)
    before, after = (information_shift([(fixed, radar)], search_px=SEARCH_PX) for radar in (moving, moved))
    difference = after.right_px - before.right_px, before.up_px - after.up_px
    assert difference == pytest.approx((right, down), abs=0.1)


def test_tiles_count_together():
    fixed, moving = pair(256, SHIFT_PX, 3)
    halves = [
        tuple(
            Raster(side.geobox[rows, :], side.bands, side.values_BHW[:, rows], side.valid_BHW[:, rows])
            for side in (fixed, moving)
        )
        for rows in (slice(0, 128), slice(128, 256))
    ]
    shift = information_shift(halves, search_px=16)
    assert (shift.right_px, shift.up_px) == pytest.approx((2.3, -1.6), abs=0.15) and shift.is_sure
