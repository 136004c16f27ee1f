"""Differences over seeds and blocks: against t tests of scipy, and their error rate by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from isamap.training.accuracy.comparison import MethodCounts
from isamap.training.accuracy.contrast import contrast, same_pixels
from tests.support.simulated_methods import KEY, Spread, called_different, pairs

CLASSES = ("pervious", "impervious")
SIZE = 1000


def sample(right_SN: np.ndarray) -> MethodCounts:
    """Of each seed and block so many of SIZE pervious pixels right: overall accuracy is a plain mean over blocks."""
    right_SN = np.asarray(right_SN, np.int64)
    counts = np.zeros((*right_SN.shape, 2, 2), np.int64)
    counts[..., 0, 0], counts[..., 0, 1] = right_SN, SIZE - right_SN
    return MethodCounts(counts, CLASSES)


@pytest.fixture
def blocks() -> np.ndarray:
    """Pixels right in twelve blocks."""
    return np.random.default_rng(1).integers(500, 900, 12)


def test_without_seeds_it_is_the_paired_t_test(blocks):
    other = blocks + np.random.default_rng(2).integers(-40, 60, 12)
    outcome = contrast(sample([blocks]), sample([other]), "oa", trained=(False, False))
    expected = stats.ttest_rel(blocks / SIZE, other / SIZE)
    bounds = expected.confidence_interval()
    assert outcome.p == pytest.approx(expected.pvalue)
    assert (outcome.low, outcome.high) == pytest.approx((bounds.low, bounds.high))


def test_seeds_that_move_all_blocks_alike_give_welchs_t_test(blocks):
    """Blocks' differences are constant, so that nothing but the seeds varies."""
    left, right = np.array([0, 30, 12]), np.array([80, 64, 55, 90])
    outcome = contrast(sample(blocks + left[:, None]), sample(blocks + right[:, None]), "oa")
    expected = stats.ttest_ind(left, right, equal_var=False)
    assert outcome.p == pytest.approx(expected.pvalue)


def test_methods_on_other_ground_give_welchs_t_test_of_blocks(blocks):
    other = np.random.default_rng(3).integers(500, 900, 9)
    outcome = contrast(sample([blocks]), sample([other]), "oa", trained=(False, False))
    assert outcome.p == pytest.approx(stats.ttest_ind(blocks, other, equal_var=False).pvalue)


def test_one_seed_of_a_training_decides_nothing(blocks):
    assert contrast(sample([blocks]), sample([blocks + 90]), "oa") is None


def test_a_product_has_no_seeds_to_vary(blocks):
    """Seeds move all blocks alike: their differences from the product are a sample of one mean."""
    moved = np.array([40, 95, 61])
    outcome = contrast(sample(blocks + moved[:, None]), sample([blocks]), "oa", trained=(True, False))
    assert outcome.p == pytest.approx(stats.ttest_1samp(moved, 0).pvalue)


def test_few_blocks_decide_nothing():
    assert contrast(sample([[500] * 4] * 3), sample([[900] * 4] * 3), "oa") is None


def test_pixels_are_the_same_where_every_block_has_the_same_reference(blocks):
    assert same_pixels(sample([blocks]), sample([blocks[::-1]]))
    assert not same_pixels(sample([blocks]), sample([blocks[1:]]))


@pytest.mark.long
@pytest.mark.parametrize(("blocks_count", "seeds"), [(10, 3), (60, 2), (60, 3), (60, 5)])
def test_equal_methods_are_called_different_in_about_five_percent(blocks_count, seeds):
    """Of 400 simulated pairs at a rate of 5 %, more than 8 % would be chance in 1 of 200 tries."""
    rate = np.mean([
        called_different(contrast(left, right, KEY)) for left, right in pairs(blocks_count, seeds, 0.0, 400, Spread())
    ])  # fmt: skip
    assert 0.01 <= rate <= 0.08


def test_a_large_difference_is_seen_with_three_seeds_and_sixty_blocks():
    seen = [called_different(contrast(left, right, KEY)) for left, right in pairs(60, 3, 0.4, 50, Spread())]
    assert np.mean(seen) > 0.9
