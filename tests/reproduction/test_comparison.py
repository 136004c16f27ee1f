"""Intervals of a difference between two rows."""

from __future__ import annotations

import numpy as np
import pytest

from reproduction.comparison import Sample, difference

CLASSES = ("pervious", "impervious")


def sample(rates_SN: np.ndarray, size: int = 10_000) -> Sample:
    """Blocks of equal numbers of both classes, seen right by these rates."""
    hit = np.rint(rates_SN * size).astype(np.int64)
    return Sample(np.stack([np.stack([hit, size - hit], -1), np.stack([size - hit, hit], -1)], -2), CLASSES)


def normal(*shape: int, seed: int, deviation: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, deviation, shape)


def test_of_paired_blocks_it_is_as_wide_as_the_differences_are():
    """200 blocks: hard and easy ones differ by 0.1, the rows in each by 0.01; 1.96 standard errors of the latter."""
    hard = normal(1, 200, seed=1, deviation=0.1)
    apart = normal(1, 200, seed=2, deviation=0.01)
    low, high = difference(sample(0.7 + hard + apart), sample(0.7 + hard), "oa", same_blocks=True)
    assert (low + high) / 2 == pytest.approx(apart.mean(), abs=2e-4)
    assert high - low == pytest.approx(2 * 1.96 * apart.std() / 200**0.5, rel=0.1)


def test_of_blocks_apart_both_rows_add():
    a, b = (0.7 + normal(1, 200, seed=seed, deviation=0.05) for seed in (1, 2))
    low, high = difference(sample(a), sample(b), "oa", same_blocks=False)
    assert high - low == pytest.approx(2 * 1.96 * (a.var() / 200 + b.var() / 200) ** 0.5, rel=0.1)


def test_seeds_are_drawn_for_each_row():
    """30 seeds, blocks all alike: standard errors of both means add."""
    a, b = (0.7 + normal(30, 1, seed=seed, deviation=0.05).repeat(50, axis=1) for seed in (1, 2))
    low, high = difference(sample(a), sample(b), "oa", same_blocks=True)
    assert high - low == pytest.approx(2 * 1.96 * (a[:, 0].var() / 30 + b[:, 0].var() / 30) ** 0.5, rel=0.1)


def test_of_a_row_with_itself_it_is_none_wide():
    row = sample(0.7 + normal(1, 20, seed=1, deviation=0.1))
    assert difference(row, row, "miou", same_blocks=True) == (0, 0)


def test_without_blocks_to_draw_or_a_measure_of_them_there_is_none():
    one, two = sample(np.array([[0.5]])), sample(np.array([[0.5, 0.6]]))
    assert difference(one, one, "oa", same_blocks=True) is None
    assert difference(two, two, "gflop", same_blocks=True) is None
