"""Mutual information as a second opinion: shifts of known size, and images that have nothing in common."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from benchmarks import coregister_real as real
from benchmarks import coregister_warps as warps
from gee_export.base.grid import Raster
from gee_export.coregistration.information import _information, information_shift
from tests.support.ground_pairs import SHIFT_PX, noise, pair, raster

SHARED = Path(__file__).parents[3].parent / "shared" / "data"  # real samples beside the repository, never in it


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


@pytest.mark.skipif(not SHARED.is_dir(), reason="no real samples in ../shared/data")
@pytest.mark.parametrize("warp", [warp for warp in warps.WARPS if warp.name.startswith("shift")], ids=lambda w: w.name)
def test_a_known_shift_of_real_radar_is_found(warp):
    """TerraMind 433D: what the shift adds to the pair's own offset."""
    fixed, moving = next(pair[1:] for pair in real.pairs(SHARED) if "433D" in pair[0])
    before = warps.by_own_information(fixed, moving)
    after = warps.by_own_information(fixed, warps.warped_by(moving, warp))
    assert warps.inconsistency_px(warp, fixed, before, after) < 0.1


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
