"""Structure features and the matching of windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from isamap.gee_export.coregistration.structure import Structure, structure
from isamap.gee_export.coregistration.tiepoints import SearchWindows, correlated, matched, peak_of
from tests.support.ground_pairs import STEP, grid


def texture(seed: int, side: int = 160) -> np.ndarray:
    rough = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 3)
    return rough / rough.std()


def of(values: np.ndarray, valid: np.ndarray | None = None) -> Structure:
    return structure(values[None], np.ones((1, *values.shape), bool) if valid is None else valid[None])


@pytest.mark.parametrize(
    "change",
    [np.negative, np.exp, lambda x: -np.exp(3 * x), lambda x: np.sign(x) * np.abs(x) ** 0.4],
    ids=["inverted", "decibels to power", "inverted power", "gamma"],
)
def test_structure_does_not_know_radiometry(change):
    """Rising or falling changes of grey values keep their ranks; only the direction of edges counts, not its sign."""
    plain = texture(1)
    assert np.abs(of(change(plain)).channels - of(plain).channels).max() < 0.02


def test_an_edge_shows_in_the_channel_across_it():
    """Channel k looks k * 20 degrees from the columns' direction."""
    step = np.where(np.arange(64) < 32, 0.0, 1.0)
    rows, cols = of(np.tile(step[:, None], (1, 64))).channels, of(np.tile(step, (64, 1))).channels
    assert cols[:, 32, 32].argmax() == 0
    assert rows[:, 32, 32].argmax() in (4, 5)  # 80 and 100 degrees


def test_nothing_is_made_of_missing_pixels():
    values, valid = texture(2), np.ones((160, 160), bool)
    valid[60:80, 60:80] = False
    hole = of(np.where(valid, values, 1e6), valid)
    assert not hole.usable[57:83, 57:83].any() and hole.usable[50, 50]
    assert not hole.channels[:, ~hole.usable].any()
    assert np.isfinite(hole.channels).all()


def test_a_flat_image_has_no_structure():
    assert not of(np.full((64, 64), 3.0)).channels.any()
    assert not of(np.zeros((64, 64)), np.zeros((64, 64), bool)).usable.any()


@given(st.integers(0, 2**16), st.integers(5, 12), st.integers(5, 12))
def test_correlation_is_that_of_every_window(seed, height, width):
    """Against numpy window by window."""
    rng = np.random.default_rng(seed)
    template, area = rng.normal(size=(2, height, width)), rng.normal(size=(2, height + 4, width + 6))
    actual = correlated(template, area)
    for row, col in ((0, 0), (4, 6), (2, 3)):
        piece = area[:, row : row + height, col : col + width]
        a, b = (stack - stack.mean(axis=(1, 2), keepdims=True) for stack in (template, piece))
        assert actual[row, col] == pytest.approx((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()), abs=1e-5)


@given(st.floats(-0.45, 0.45), st.floats(-0.45, 0.45))
def test_the_peak_of_a_paraboloid_is_exact(right, down):
    rows, cols = np.mgrid[-5:6, -5:6]
    hill = (
        1 - 0.01 * ((cols - 1 - right) ** 2 + (rows + 2 - down) ** 2) - 0.004 * (cols - 1 - right) * (rows + 2 - down)
    )
    actual = peak_of(hill)
    assert actual[0] == pytest.approx(1 + right, abs=1e-6) and actual[1] == pytest.approx(-2 + down, abs=1e-6)


@pytest.mark.parametrize("slope", [(1, 0), (0, -1), (1, 1)])
def test_a_slope_has_no_peak(slope):
    rows, cols = np.mgrid[-5:6, -5:6]
    assert peak_of(slope[0] * rows + slope[1] * cols + 0.0) is None


def test_a_second_summit_lowers_the_ratio():
    rows, cols = np.mgrid[-8:9, -8:9]
    single = np.exp(-(rows**2 + cols**2) / 4)
    two = single + 0.9 * np.exp(-((rows - 6) ** 2 + (cols - 6) ** 2) / 4)
    assert peak_of(single)[3] > 5 and peak_of(two)[3] == pytest.approx(1 / 0.9, rel=0.01)


@pytest.mark.parametrize(("right", "down"), [(3, -2), (-5, 4), (0, 0)])
def test_whole_shifts_are_found_with_their_signs(right, down):
    """Content that moved to the right has a positive dx; downward a negative dy, for y points up."""
    ground = texture(5, 220)
    fixed = ground[30:190, 30:190]
    moving = ground[30 - down : 190 - down, 30 - right : 190 - right]
    points = matched(of(fixed), of(moving), grid(160), windows=SearchWindows(20, 20, 8))
    assert len(points) == points.tried > 20
    assert np.allclose(points.dx, right * STEP, atol=0.5) and np.allclose(points.dy, -down * STEP, atol=0.5)


def test_windows_with_holes_in_both_images_are_left_out():
    """A common edge of the data would match itself at no shift."""
    valid = np.ones((160, 160), bool)
    valid[:, :80] = False
    textured, both = of(texture(6), valid), of(texture(6))
    windows = SearchWindows(16, 16, 4)
    assert len(matched(textured, textured, grid(160), windows=windows)) < len(
        matched(textured, both, grid(160), windows=windows)
    )
    assert matched(textured, textured, grid(160), windows=windows).x.min() > 600_000 + 80 * STEP


@pytest.mark.parametrize("shape", [(32, 32), (100, 100), (60, 900), (2000, 2000)])
def test_windows_fit_into_any_image(shape):
    windows = SearchWindows.of(shape, half_px=48, search_px=16)
    for length in shape:
        centres = windows.centres(length)
        assert len(centres) >= 2
        assert centres[0] - windows.half_px - windows.search_px >= 0
        assert centres[-1] + windows.half_px + windows.search_px <= length


def test_impossible_windows_are_refused():
    with pytest.raises(ValueError, match="positive"):
        SearchWindows(0, 8, 8)
