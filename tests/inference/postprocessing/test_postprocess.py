"""Post-processing: OpenCV's CLAHE on whole blocks, holes, blocks on the ground, the contract of every step."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from isamap.gee_export.base import scheme
from isamap.inference.map_files.legend import Legend
from isamap.inference.postprocessing.postprocess import (
    BLOCK_PX,
    CLIP_LIMIT,
    CONTEST,
    POSTPROCESSING,
    PixelOffset,
    clahe,
    equalised,
    threshold_of,
)

SEVEN = Legend(scheme.SEVEN)


def probabilities(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth probability with dim and bright parts, float32."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal((height, width)), 9, mode="wrap")
    slope = np.linspace(-3, 0, width)
    return (1 / (1 + np.exp(-field / field.std() - slope))).astype(np.float32)


def of_classes(legend: Legend, height: int = 40, width: int = 30) -> np.ndarray:
    """Probabilities of all classes that sum to 1."""
    logits = 3 * np.random.default_rng(1).standard_normal((len(legend.names), height, width))
    powers = np.exp(logits)
    return (powers / powers.sum(axis=0)).astype(np.float32)


def test_whole_blocks_are_equalised_as_opencv_does():
    """LandCover3m section 3.3: probability as 0..255, blocks of 512 x 512 (OpenCV counts tiles)."""
    p_HW = probabilities(2 * BLOCK_PX, 3 * BLOCK_PX)
    grey_HW = np.rint(p_HW * 255).astype(np.uint8)
    expected = cv2.createCLAHE(clipLimit=CLIP_LIMIT, tileGridSize=(3, 2)).apply(grey_HW)
    np.testing.assert_array_equal(equalised(p_HW, np.ones(p_HW.shape, bool)), expected)


def test_one_block_is_a_clipped_histogram_equalisation():
    """The method's definition (Zuiderveld, 1994) written with numpy: clip, share what was cut off, cumulate."""
    p_HW = probabilities(BLOCK_PX, BLOCK_PX)
    grey_HW = np.rint(p_HW * 255).astype(int)
    counts = np.bincount(grey_HW.ravel(), minlength=256)
    limit = int(CLIP_LIMIT * BLOCK_PX**2 / 256)
    cut = np.maximum(counts - limit, 0).sum()
    level = np.cumsum(np.minimum(counts, limit) + cut / 256) * 255 / BLOCK_PX**2
    enhanced = equalised(p_HW, np.ones(p_HW.shape, bool))
    assert np.abs(enhanced - level[grey_HW]).max() <= 1  # OpenCV shares the remainder of cut / 256 out one by one


@pytest.mark.long
@pytest.mark.parametrize("place", [PixelOffset(), PixelOffset(100, 411), PixelOffset(-37, 5)])
def test_a_pixel_does_not_depend_on_how_the_map_is_cut(place):
    """docs/reference/performance.md, "P3": a row of blocks with one row of blocks around it is the same as the whole
    map.
    """
    p_HW = probabilities(1300, 700)
    known_HW = np.ones(p_HW.shape, bool)
    known_HW[300:700, 100:400] = False
    full = equalised(p_HW, known_HW, place)
    first = -(place.row % BLOCK_PX)
    for begin in range(first, len(p_HW), BLOCK_PX):
        top, bottom = max(begin - BLOCK_PX, 0), min(begin + 2 * BLOCK_PX, len(p_HW))
        enhanced = equalised(p_HW[top:bottom], known_HW[top:bottom], PixelOffset(place.row + top, place.col))
        rows = slice(max(begin, 0), min(begin + BLOCK_PX, len(p_HW)))
        np.testing.assert_array_equal(enhanced[rows.start - top : rows.stop - top], full[rows])


def test_two_maps_share_the_blocks_that_both_hold():
    """Blocks are counted from the ground's origin: where a map begins decides only its outermost blocks."""
    p_HW = probabilities(2048, 1536)
    known_HW = np.ones(p_HW.shape, bool)
    full, piece = equalised(p_HW, known_HW), equalised(p_HW[100:], known_HW[100:], PixelOffset(100, 0))
    inner = slice(2 * BLOCK_PX, 2048)
    np.testing.assert_array_equal(piece[inner.start - 100 :], full[inner])
    assert (piece[: BLOCK_PX // 2] != full[100 : 100 + BLOCK_PX // 2]).any()


def test_unknown_pixels_do_not_count():
    """Whatever lies under the mask; and a block whose known half looks like the whole block gives the same levels."""
    p_HW = probabilities(BLOCK_PX, BLOCK_PX)
    known_HW = np.random.default_rng(0).random(p_HW.shape) < 0.5
    other_HW = np.where(known_HW, p_HW, 1).astype(np.float32)
    enhanced = equalised(p_HW, known_HW)
    np.testing.assert_array_equal(enhanced, equalised(other_HW, known_HW))
    full = equalised(p_HW, np.ones(p_HW.shape, bool))
    assert np.abs(enhanced.astype(int) - full)[known_HW].mean() < 1
    assert not enhanced[~known_HW].any()


def test_a_block_without_known_pixels_pulls_its_neighbours_towards_no_change():
    p_HW = probabilities(BLOCK_PX, 2 * BLOCK_PX)
    known_HW = np.ones(p_HW.shape, bool)
    known_HW[:, BLOCK_PX:] = False
    edge = np.abs(equalised(p_HW, known_HW)[:, BLOCK_PX - 1].astype(int) - np.rint(p_HW[:, BLOCK_PX - 1] * 255))
    alone = equalised(p_HW[:, :BLOCK_PX], known_HW[:, :BLOCK_PX])[:, -1]
    assert edge.mean() < np.abs(alone - np.rint(p_HW[:, BLOCK_PX - 1] * 255)).mean()


@pytest.mark.parametrize("legend", [CONTEST, Legend(("pervious", "impervious")), SEVEN])
@pytest.mark.parametrize("name", POSTPROCESSING)
def test_every_step_keeps_grid_and_input(name, legend):
    """The contract of post-processing steps: grid and mask are kept, the input is not written to."""
    probabilities_KHW = of_classes(legend)
    known_HW = np.random.default_rng(2).random(probabilities_KHW.shape[1:]) < 0.9
    stored = probabilities_KHW.copy(), known_HW.copy()
    probabilities_KHW.flags.writeable = known_HW.flags.writeable = False
    actual = POSTPROCESSING[name].step(probabilities_KHW, known_HW, legend, 0.5, PixelOffset(3, 4))
    assert actual.shape == probabilities_KHW.shape and actual.dtype == np.float32 and np.isfinite(actual).all()
    np.testing.assert_array_equal(probabilities_KHW, stored[0])
    np.testing.assert_array_equal(known_HW, stored[1])
    np.testing.assert_array_equal(actual[:, ~known_HW], probabilities_KHW[:, ~known_HW])


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 1.0])
def test_a_pixel_changes_only_to_or_from_impervious(threshold):
    """docs/reference/networks.md, "CLAHE", and the weights 2 and 1/2 on impervious alone, without renormalisation."""
    probabilities_KHW = of_classes(SEVEN, 200, 100)
    known_HW = np.ones(probabilities_KHW.shape[1:], bool)
    actual = clahe(probabilities_KHW, known_HW, SEVEN, threshold)
    before, after = probabilities_KHW.argmax(axis=0), actual.argmax(axis=0)
    changed = before != after
    assert ((before == SEVEN.impervious) | (after == SEVEN.impervious))[changed].all()
    assert changed.any()
    others = [i for i in range(7) if i != SEVEN.impervious]
    np.testing.assert_array_equal(actual[others], probabilities_KHW[others])
    assert set(np.unique(actual[SEVEN.impervious] / probabilities_KHW[SEVEN.impervious])) <= {0.5, 2.0}


def test_of_two_classes_the_thresholds_are_a_third_and_two_thirds():
    """docs/reference/networks.md, "CLAHE"."""
    p_HW = np.linspace(0.01, 0.99, 99, dtype=np.float32)[None]
    probabilities_2HW = np.stack([1 - p_HW, p_HW])
    known_HW = np.ones(p_HW.shape, bool)
    for threshold, limit in ((-1, 1 / 3), (2, 2 / 3)):  # everything on the mask, nothing on it
        wins = clahe(probabilities_2HW, known_HW, CONTEST, threshold).argmax(axis=0) == 1
        np.testing.assert_array_equal(wins, p_HW > limit)


def test_steps_without_their_threshold_are_refused(make_checkpoint):
    from isamap.training.checkpoints.checkpoint import load

    checkpoint = load(make_checkpoint())
    assert threshold_of(checkpoint, "none") == 0
    with pytest.raises(ValueError, match="isamap calibrate --post clahe"):
        threshold_of(checkpoint, "clahe")
    with pytest.raises(ValueError, match="choose one of none, clahe"):
        threshold_of(checkpoint, "sharpen")


@pytest.mark.long
def test_a_tile_with_its_margin_equals_the_whole_map():
    """docs/reference/performance.md, "P3": tiles that begin anywhere, bit for bit; with half the margin they do not."""
    p_HW = probabilities(3 * BLOCK_PX + 100, 4 * BLOCK_PX)
    known_HW = np.random.default_rng(2).random(p_HW.shape) < 0.9
    whole_HW = equalised(p_HW, known_HW, PixelOffset(77, 130))
    rows, cols = slice(1100, 1300), slice(1030, 1180)

    def tile(margin_px: int) -> np.ndarray:
        top, left = max(rows.start - margin_px, 0), max(cols.start - margin_px, 0)
        wide = slice(top, rows.stop + margin_px), slice(left, cols.stop + margin_px)
        enhanced = equalised(p_HW[wide], known_HW[wide], PixelOffset(77 + top, 130 + left))
        return enhanced[rows.start - top :, cols.start - left :][:200, :150]

    reach_px = POSTPROCESSING["clahe"].reach_px
    np.testing.assert_array_equal(tile(reach_px), whole_HW[rows, cols])
    assert (tile(reach_px // 4) != whole_HW[rows, cols]).any()
