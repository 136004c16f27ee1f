"""Splits: no pixel in two of them, shares as asked, few patches lost (user-wishes.md row 17)."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gee_export import split
from gee_export.grid import positions
from gee_export.split import Rule


def painted(division, height, width):
    """For each split, how often its patches cover every pixel."""
    cover = {name: np.zeros((height, width), int) for name in ("train", "val", "test")}
    for window, name in division.patches:
        cover[name][window.slices] += 1
    return cover


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(40, 400),
    width=st.integers(40, 400),
    size=st.integers(8, 40),
    stride=st.integers(5, 60),
    seed=st.integers(0, 99),
    most=st.none() | st.integers(1, 80),
)
def test_no_pixel_lies_in_two_splits(height, width, size, stride, seed, most):
    windows = list(positions(height, width, size, stride))
    division = split.blocks(windows, stride, Rule(seed=seed, max_patches=most))
    cover = painted(division, height, width)
    assert sum((c > 0).astype(int) for c in cover.values()).max() <= 1
    assert {window for window, _ in division.patches} <= set(windows)
    assert most is None or len(division.patches) <= most


def test_the_random_split_shares_pixels_and_says_so():
    division = split.at_random(list(positions(1000, 1000, 128, 80)), 80, Rule())
    cover = painted(division, 1000, 1000)
    assert ((cover["train"] > 0) & (cover["test"] > 0)).any()
    assert "leaks" in division.info["note"]


def test_wuhan_keeps_nine_patches_in_ten_in_the_papers_shares():
    windows = list(positions(6048, 6048, 128, 80))
    assert len(windows) == 5625  # formats.md section 1
    division = split.blocks(windows, 80, Rule())
    counts = Counter(name for _, name in division.patches)
    assert len(division.patches) >= 0.9 * 5625
    assert division.info["left_out"] == 5625 - len(division.patches)
    for name, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        assert counts[name] / len(division.patches) == pytest.approx(share, rel=0.2)


def test_the_seed_decides():
    windows = list(positions(2000, 2000, 128, 80))
    assert split.blocks(windows, 80, Rule(seed=1)) == split.blocks(windows, 80, Rule(seed=1))
    assert split.blocks(windows, 80, Rule(seed=1)).patches != split.blocks(windows, 80, Rule(seed=2)).patches


@pytest.mark.parametrize("most", [24, 200, 400, 1000])
def test_a_limited_export_fills_every_split_from_whole_blocks(most):
    windows = list(positions(6048, 6048, 128, 80))
    division = split.blocks(windows, 80, Rule(max_patches=most))
    counts = Counter(name for _, name in division.patches)
    assert 0.8 * most <= len(division.patches) <= most
    assert counts["val"] >= 0.05 * most and counts["test"] >= 0.05 * most and counts["train"] >= 0.6 * most


def test_the_paper_divides_eight_to_one_to_one():
    """S002 section III-A: 5,603 patches, 8:1:1 at random."""
    division = split.at_random(list(positions(6048, 6048, 128, 80)), 80, Rule())
    assert Counter(name for _, name in division.patches) == {"train": 4500, "val": 562, "test": 563}


def test_a_lone_patch_trains_and_the_note_says_why():
    division = split.blocks(list(positions(128, 128, 128, 80)), 80, Rule())
    assert [name for _, name in division.patches] == ["train"]
    assert "too small" in division.info["note"]


@pytest.mark.parametrize("ratios", [(0, 1, 1), (8, -1, 1), (8, 1)])
def test_nonsense_ratios_are_refused(ratios):
    with pytest.raises(ValueError, match="ratios"):
        Rule(ratios=ratios)


def test_unknown_kinds_name_the_known_ones():
    with pytest.raises(ValueError, match="blocks, random"):
        split.check("blcks")
