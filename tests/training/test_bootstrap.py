"""Intervals by block bootstrap against scipy's, a plain loop, and what a 95 % interval promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.metrics import block_counts, confusion_counts, scores

NAMES = ("pervious", "impervious")


def blocks(count: int, rng: np.random.Generator) -> np.ndarray:
    """Counts of `count` blocks, each with its own share of mistakes."""
    wrong = rng.beta(2, 18, size=(count, 2))
    pixels = rng.integers(500, 2000, size=(count, 2))
    missed = np.rint(pixels * wrong).astype(np.int64)
    return np.stack(
        [
            np.stack([pixels[:, 0] - missed[:, 0], missed[:, 0]], -1),
            np.stack([missed[:, 1], pixels[:, 1] - missed[:, 1]], -1),
        ],
        axis=1,
    )


@pytest.mark.long
@given(hnp.arrays(np.int64, (4, 3, 3), elements=st.integers(0, 50)))
@settings(max_examples=40, deadline=None)
def test_many_matrices_at_once_are_scored_as_one_by_one(counts):
    """isamap.training.accuracy.metrics.scores is the definition; undefined measures are told apart, not numbers."""
    actual = bootstrap.measures(counts, ("a", "b", "c"))
    for at, confusion in enumerate(counts):
        expected = scores(confusion)
        named = {"kappa": expected.kappa, "miou": expected.miou, "mean_f1": expected.mean_f1}
        named |= {
            f"{key}_{n}": getattr(c, key)
            for n, c in zip("abc", expected.classes, strict=True)
            for key in ("iou", "pa", "ua", "f1")
        }
        for name, value in named.items():
            values, defined = actual[name]
            if defined[at]:
                assert values[at] == pytest.approx(value, abs=1e-12), name
            else:
                assert not value, name


def test_samples_are_sums_of_whole_blocks_drawn_with_replacement():
    """Blocks that are powers of a base tell how often each was drawn: as many in all as there are."""
    counts = np.zeros((6, 2, 2), np.int64)
    counts[:, 0, 0] = 10 ** np.arange(6)
    drawn = bootstrap.resampled(counts, 200, seed=1)[:, 0, 0]
    digits = np.stack([drawn // 10**location % 10 for location in range(6)])
    assert (digits.sum(axis=0) == 6).all()
    assert digits.mean() == pytest.approx(1, abs=0.1) and digits.max() >= 3


def test_more_blocks_than_fit_into_memory_give_the_same_samples(monkeypatch):
    counts = blocks(30, np.random.default_rng(6))
    full = bootstrap.resampled(counts, 50, seed=2)
    monkeypatch.setattr(bootstrap, "MOST_AT_ONCE", 7 * 30)
    assert bootstrap.resampled(counts, 50, seed=2).tolist() == full.tolist()


def test_the_interval_is_scipys():
    """scipy.stats.bootstrap of the ratio that overall accuracy is, percentile method; both drawn 4,000 times."""
    counts = blocks(25, np.random.default_rng(3))
    right, total = counts[:, 0, 0] + counts[:, 1, 1], counts.sum(axis=(1, 2))
    expected = stats.bootstrap(
        (right, total),
        lambda r, t, axis: r.sum(axis=axis) / t.sum(axis=axis),
        n_resamples=4000,
        paired=True,
        method="percentile",
        random_state=np.random.default_rng(5),
    ).confidence_interval
    actual = bootstrap.intervals(counts, NAMES, draws=4000)["oa"]
    width = expected.high - expected.low
    assert actual == pytest.approx((expected.low, expected.high), abs=0.08 * width)


def test_the_interval_is_that_of_a_plain_loop():
    counts, rng = blocks(8, np.random.default_rng(7)), np.random.default_rng(8)
    drawn = [scores(counts[rng.integers(0, 8, 8)].sum(axis=0)).classes[1].iou for _ in range(2000)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    actual = bootstrap.intervals(counts, NAMES, draws=2000)["iou_impervious"]
    assert actual == pytest.approx((low, high), abs=0.1 * (high - low))


@pytest.mark.long
def test_the_truth_lies_within_in_about_95_of_100_cases():
    """40 blocks drawn 200 times from one law: the law's own accuracy is inside in 90 % or more, not always."""
    rng = np.random.default_rng(11)
    truth = scores(blocks(200_000, rng).sum(axis=0)).oa
    inside = 0
    for _ in range(200):
        low, high = bootstrap.intervals(blocks(40, rng), NAMES, draws=400)["oa"]
        inside += low <= truth <= high
    assert 0.90 <= inside / 200 <= 0.985


def test_one_block_says_nothing_of_how_sure():
    assert set(bootstrap.intervals(blocks(1, np.random.default_rng(0)), NAMES).values()) == {None}


def test_a_class_that_never_occurs_has_no_interval():
    counts = np.zeros((5, 3, 3), np.int64)
    counts[:, 0, 0] = counts[:, 1, 1] = 10
    actual = bootstrap.intervals(counts, ("a", "b", "c"))
    assert actual["iou_c"] is None and actual["iou_a"] == (1.0, 1.0)


@given(hnp.arrays(np.uint8, (5, 2, 3), elements=st.sampled_from([0, 1, 2, 255])), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_counts_by_block_are_those_of_its_patches(label, seed):
    import torch

    rng = np.random.default_rng(seed)
    predicted, block = rng.integers(0, 3, label.shape), rng.integers(0, 3, 5)
    actual = block_counts(predicted, label, block, (3, 3, 3))
    for at in range(3):
        mine = block == at
        expected = confusion_counts(torch.from_numpy(predicted[mine]), torch.from_numpy(label[mine]), 3)
        assert actual[at].tolist() == expected.tolist()
