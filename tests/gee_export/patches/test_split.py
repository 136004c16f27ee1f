"""Splits: no pixel in two of them, shares as asked, few patches lost (docs/reference/wishes.md, "Wish 17")."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isamap.gee_export.base.grid import positions
from isamap.gee_export.patches import split
from isamap.gee_export.patches.limit import Budget, limited
from isamap.gee_export.patches.split_rule import SplitRule


def painted(split_result, height, width):
    """For each split, how often its patches cover every pixel."""
    cover = {name: np.zeros((height, width), int) for name in ("train", "val", "test")}
    for window, name in split_result.patches:
        cover[name][window.slices] += 1
    return cover


def budget(most, rule=None):
    rule = rule or SplitRule()
    return Budget(most, rule.shares, rule.seed, rule.guard_px)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(40, 400),
    width=st.integers(40, 400),
    size=st.integers(8, 40),
    stride=st.integers(5, 60),
    rule=st.builds(SplitRule, seed=st.integers(0, 99), guard_px=st.sampled_from([0, 0, 7, 30])),
    most=st.none() | st.integers(1, 80),
)
def test_no_pixel_lies_in_two_splits_and_the_guard_between_them_is_empty(height, width, size, stride, rule, most):
    windows = list(positions(height, width, size, stride))
    if most is None or most >= len(windows):
        split_result = split.blocks(windows, stride, rule)
    else:
        split_result = limited({"here": windows}, stride, budget(most, rule))["here"]
        assert len(split_result.patches) <= most
    assert {window for window, _ in split_result.patches} <= set(windows)
    corners = np.array([(window.row, window.col) for window, _ in split_result.patches])
    names = np.array([name for _, name in split_result.patches])
    gaps = np.abs(corners[:, None] - corners[None]).max(axis=2) - size
    assert (gaps[names[:, None] != names[None]] >= rule.guard_px).all()


def test_the_random_split_shares_pixels_and_says_so():
    split_result = split.at_random(list(positions(1000, 1000, 128, 80)), 80, SplitRule())
    cover = painted(split_result, 1000, 1000)
    assert ((cover["train"] > 0) & (cover["test"] > 0)).any()
    assert "leaks" in split_result.info["note"]


def test_a_random_split_of_patches_that_lie_apart_leaks_nothing():
    split_result = split.at_random(list(positions(1000, 1000, 128, 128)), 128, SplitRule())
    assert "note" not in split_result.info


@pytest.mark.parametrize("guard_px", [0, 128])
def test_wuhan_keeps_nine_patches_in_ten_in_the_papers_shares(guard_px):
    """With the guard of docs/reference/networks.md, "Spatial splits" too."""
    windows = list(positions(6048, 6048, 128, 80))
    assert len(windows) == 5625  # docs/reference/formats.md, "Patch dataset"
    split_result = split.blocks(windows, 80, SplitRule(guard_px=guard_px))
    counts = Counter(name for _, name in split_result.patches)
    assert len(split_result.patches) >= 0.9 * 5625
    assert split_result.info["left_out"] == 5625 - len(split_result.patches)
    for name, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        assert counts[name] / len(split_result.patches) == pytest.approx(share, rel=0.2)


def test_the_seed_decides():
    windows = list(positions(2000, 2000, 128, 80))
    assert split.blocks(windows, 80, SplitRule(seed=1)) == split.blocks(windows, 80, SplitRule(seed=1))
    assert split.blocks(windows, 80, SplitRule(seed=1)).patches != split.blocks(windows, 80, SplitRule(seed=2)).patches


@pytest.mark.parametrize("most", [24, 200, 400, 1000])
def test_a_limited_export_fills_every_split_from_whole_blocks(most):
    split_result = limited({"here": list(positions(6048, 6048, 128, 80))}, 80, budget(most))["here"]
    counts = Counter(name for _, name in split_result.patches)
    assert 0.8 * most <= len(split_result.patches) <= most
    assert counts["val"] >= 0.05 * most and counts["test"] >= 0.05 * most and counts["train"] >= 0.6 * most


@pytest.mark.parametrize("most", [24, 60, 400])
def test_several_regions_fill_every_split_together(most):
    tracts = {name: list(positions(side, side, 128, 80)) for name, side in (("a", 3000), ("b", 2000), ("c", 4000))}
    actual = limited(tracts, 80, budget(most))
    counts = Counter(name for split_result in actual.values() for _, name in split_result.patches)
    assert 0.8 * most <= sum(counts.values()) <= most and min(counts[s] for s in ("train", "val", "test")) >= 1
    assert all(split_result.patches for split_result in actual.values())


def test_a_split_of_no_share_does_not_make_the_blocks_small():
    """Blocks are as large as the splits that are wanted allow: test ground keeps its distance to the rest."""
    windows = list(positions(6048, 6048, 128, 80))
    two = limited({"here": windows}, 80, Budget(400, np.array([0.8, 0.0, 0.2])))["here"]
    three = limited({"here": windows}, 80, Budget(400, np.array([0.8, 0.1, 0.1])))["here"]
    assert two.info["block_px"] > three.info["block_px"]


def test_a_number_too_small_for_three_splits_trains():
    actual = limited({name: list(positions(600, 600, 128, 80)) for name in "ab"}, 80, budget(2))
    assert [[name for _, name in actual[region].patches] for region in "ab"] == [["train"], ["train"]]
    assert "too small" in actual["a"].info["note"]


def test_the_paper_divides_eight_to_one_to_one():
    """CroFuseNet section II-B: 5,603 patches, 8:1:1 at random."""
    split_result = split.at_random(list(positions(6048, 6048, 128, 80)), 80, SplitRule())
    assert Counter(name for _, name in split_result.patches) == {"train": 4500, "val": 562, "test": 563}


def test_a_lone_patch_trains_and_the_note_says_why():
    split_result = split.blocks(list(positions(128, 128, 128, 80)), 80, SplitRule())
    assert [name for _, name in split_result.patches] == ["train"]
    assert "too small" in split_result.info["note"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ratios": (0, 1, 1)}, "ratios 0 1 1"),
        ({"ratios": (8, -1, 1)}, "ratios"),
        ({"ratios": (8, 1)}, "ratios 8 1"),
        ({"max_patches": 0}, "--max-patches 0"),
        ({"guard_px": -1}, "--guard-px -1"),
        ({"ratios": (8, 2, 0), "hold_out": ("a",)}, "last number above 0"),
    ],
)
def test_nonsense_rules_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        SplitRule(**options)
