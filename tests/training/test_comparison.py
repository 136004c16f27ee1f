"""Interval and probability of a difference between two methods, by formulas, by scipy and by counting."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from isamap.training.accuracy.comparison import (
    MethodCounts,
    _of_exchanges,
    difference,
    holm,
    least_probability,
    probability,
)

CLASSES = ("pervious", "impervious")


def sample(rates_SN: np.ndarray, size: int = 10_000) -> MethodCounts:
    """Blocks of equal numbers of both classes, seen right by these rates."""
    hit = np.rint(rates_SN * size).astype(np.int64)
    return MethodCounts(np.stack([np.stack([hit, size - hit], -1), np.stack([size - hit, hit], -1)], -2), CLASSES)


def normal(*shape: int, seed: int, deviation: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, deviation, shape)


def test_of_paired_blocks_it_is_as_wide_as_the_differences_are():
    """200 blocks: hard and easy ones differ by 0.1, the rows in each by 0.01; 1.96 standard errors of the latter."""
    hard = normal(1, 200, seed=1, deviation=0.1)
    apart = normal(1, 200, seed=2, deviation=0.01)
    low, high = difference(sample(0.7 + hard + apart), sample(0.7 + hard), "oa")
    assert (low + high) / 2 == pytest.approx(apart.mean(), abs=2e-4)
    assert high - low == pytest.approx(2 * 1.96 * apart.std() / 200**0.5, rel=0.1)


def test_seeds_are_drawn_for_each_row():
    """30 seeds, blocks all alike: standard errors of both means add."""
    a, b = (0.7 + normal(30, 1, seed=seed, deviation=0.05).repeat(50, axis=1) for seed in (1, 2))
    low, high = difference(sample(a), sample(b), "oa")
    assert high - low == pytest.approx(2 * 1.96 * (a[:, 0].var() / 30 + b[:, 0].var() / 30) ** 0.5, rel=0.1)


def test_without_blocks_to_draw_or_a_measure_of_them_there_is_none():
    single, two = sample(np.array([[0.5]])), sample(np.array([[0.5, 0.6]]))
    assert difference(single, single, "oa") is None
    assert difference(two, two, "gflop") is None


def iou_difference(a_NKK: np.ndarray, b_NKK: np.ndarray) -> float:
    """Of class 1, by hand."""
    a, b = a_NKK.sum(axis=0), b_NKK.sum(axis=0)
    return a[1, 1] / (a[1].sum() + a[0, 1]) - b[1, 1] / (b[1].sum() + b[0, 1])


def test_with_few_blocks_p_is_that_of_every_exchange():
    """Six blocks, all 64 exchanges one by one in plain loops."""
    a, b = (sample(0.7 + normal(1, 6, seed=seed, deviation=0.05) + shift) for seed, shift in ((1, 0.04), (2, 0.0)))
    single, two = a.counts_SNKK[0], b.counts_SNKK[0]
    observed, as_large = abs(iou_difference(single, two)), 0
    for exchange in range(64):
        swapped = np.array([(exchange >> block) & 1 for block in range(6)], bool)[:, None, None]
        actual = iou_difference(np.where(swapped, two, single), np.where(swapped, single, two))
        as_large += abs(actual) >= observed - 1e-12
    assert 1 < as_large < 32
    assert _of_exchanges(a, b, "iou_impervious") == pytest.approx(as_large / 64)


def test_five_blocks_that_all_speak_for_one_method_are_no_proof():
    """The bootstrap alone is sure of it: no draw lies on the other side."""
    better, worse = sample(np.full((1, 5), 0.8)), sample(np.full((1, 5), 0.7))
    low, _ = difference(better, worse, "oa")
    assert low > 0
    assert probability(better, worse, "oa") == least_probability(5) == 2 / 32


@pytest.mark.long
def test_of_many_blocks_p_is_that_of_a_paired_t_test():
    """200 blocks of equal size: OA is the mean of the blocks' own; scipy's test on them."""
    hard, apart = normal(1, 200, seed=1, deviation=0.1), normal(1, 200, seed=4, deviation=0.02)
    a, b = 0.7 + hard + apart + 0.001, 0.7 + hard
    expected = scipy.stats.ttest_rel(a[0], b[0]).pvalue
    assert 0.01 < expected < 0.2
    assert probability(sample(a), sample(b), "oa") == pytest.approx(expected, rel=0.25)


@pytest.mark.long
def test_methods_that_are_alike_are_called_different_as_rarely_as_promised():
    """200 pairs of equal methods on eight blocks: p below 5 % in 5 % of them, and not much more."""
    rng = np.random.default_rng(5)
    rates = np.clip(rng.normal(0.7, 0.08, (200, 2, 1, 8)), 0.05, 0.95)
    often = np.mean([(probability(sample(a, 500), sample(b, 500), "oa") or 0) < 0.05 for a, b in rates])
    assert often <= 0.09


def test_seeds_that_disagree_hide_a_difference():
    """Three seeds each, 0.05 apart in all blocks alike; means 0.01 apart. The first seeds alone would be sure."""
    a, b = (np.repeat([[rate - 0.05], [rate], [rate + 0.05]], 30, axis=1) for rate in (0.71, 0.70))
    assert probability(sample(a[:1]), sample(b[:1]), "oa") < 0.01
    assert probability(sample(a), sample(b), "oa") > 0.3


def test_holm_multiplies_by_the_number_of_comparisons_left():
    """Written out: sorted, times how many are left, never below the one before, at most 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []
