"""Areas of change with intervals: a map of the changes, a sample of it, and the same estimators as of any map."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

import isamap
from isamap.inference.assessment.areas import AreaOptions, area, change
from isamap.inference.assessment.change_map import write_change_map
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.draw import DrawOptions, draw_sample
from tests.inference.assessment.conftest import UTM
from tests.inference.assessment.test_assessment import LEFT, TOP, answer

SHAPE = (120, 150)
NAMES = ("stable pervious", "pervious to impervious", "impervious to pervious", "stable impervious")


@pytest.fixture
def truths_HW() -> tuple[np.ndarray, np.ndarray]:
    """A city that has grown by a third; nothing goes back."""
    before, after = np.zeros((2, *SHAPE), np.uint8)
    before[:, :45] = 1
    after[:, :60] = 1
    return before, after


@pytest.fixture
def pair(make_map, truths_HW) -> tuple[Path, Path]:
    """Maps that both err: the earlier one misses some ground, the later one has too much."""
    before, after = (truth.copy() for truth in truths_HW)
    before[::10, :45] = 0
    after[::15, 60:] = 1
    after[5, 70:90] = 255
    return make_map(before, "before.tif"), make_map(after, "after.tif", period_start="2020-06-01")


@pytest.fixture
def change_path(pair, tmp_path) -> Path:
    return write_change_map(*pair, tmp_path / "change.tif").path


@pytest.fixture
def truth(make_map, truths_HW, tmp_path):
    """The true changes as a map of their own."""
    paths = [make_map(truth, f"truth-{at}.tif") for at, truth in enumerate(truths_HW)]
    return open_class_map(write_change_map(*paths, tmp_path / "truth-change.tif").path)


@pytest.fixture
def answered(change_path, truth, tmp_path) -> Path:
    draw_sample(change_path, tmp_path / "sample", design=DrawOptions("stratified", 400), seed=2)
    return answer(tmp_path / "sample", truth)


def pixel_km2(mask_HW: np.ndarray) -> float:
    return mask_HW.sum() * 1e-4


def test_the_map_of_changes_holds_every_pixels_change(pair, change_path):
    with rasterio.open(pair[0]) as a, rasterio.open(pair[1]) as b, rasterio.open(change_path) as made:
        before, after, value = a.read(1).astype(int), b.read(1), made.read(1)
        assert made.nodata == 255 and made.transform == a.transform and made.descriptions == ("change",)
    np.testing.assert_array_equal(value, np.where(after == 255, 255, before * 2 + after))
    assert open_class_map(change_path).classes == NAMES


def test_no_map_of_changes_is_written_for_two_places(make_map, tmp_path):
    away = make_map(np.ones((20, 20)), "away.tif", transform=UTM * Affine.translation(5000, 0))
    with pytest.raises(ValueError, match="shares no ground"):
        write_change_map(make_map(np.ones((20, 20)), "here.tif"), away, tmp_path / "change.tif")
    assert not (tmp_path / "change.tif").exists()


def test_the_intervals_hold_the_true_change_which_the_counts_miss(pair, answered, truths_HW):
    rows = {(row["from"], row["to"]): row for row in change(*pair, sample=answered).rows}
    is_known = rasterio.open(pair[1]).read(1) != 255
    grown = rows["pervious", "impervious"]
    truth_km2 = pixel_km2((truths_HW[0] == 0) & (truths_HW[1] == 1) & is_known)
    assert grown["low_km2"] < truth_km2 < grown["high_km2"]
    assert grown["mapped_km2"] > 1.2 * truth_km2 and not grown["low_km2"] < grown["mapped_km2"] < grown["high_km2"]


def test_the_estimates_are_those_of_the_map_of_changes(pair, change_path, answered):
    """One set of estimators: `isamap area` of the change map gives the same numbers."""
    of_map = [row["km2"] for row in area(change_path, sample=answered).rows]
    assert [row["km2"] for row in change(*pair, sample=answered).rows] == of_map


def test_with_a_sample_nothing_says_that_pixels_were_only_counted(pair, answered):
    assert "the errors of both add up" in str(change(*pair))
    assert "the errors of both add up" not in str(change(*pair, sample=answered))


def test_by_polygon_every_change_has_an_interval(pair, answered, make_zones):
    west, middle, east = LEFT, LEFT + 750, LEFT + 1500
    rings = {
        name: [(a, TOP - 1200), (b, TOP - 1200), (b, TOP), (a, TOP)]
        for name, a, b in (("west", west, middle), ("east", middle, east))
    }
    rows = change(*pair, AreaOptions(make_zones(rings)), sample=answered).rows
    assert {row["zone"] for row in rows} == {"west", "east"} and len(rows) == 8
    grown = next(row for row in rows if (row["zone"], row["from"], row["to"]) == ("west", "pervious", "impervious"))
    assert grown["low_km2"] <= grown["km2"] <= grown["high_km2"]


def test_a_sample_of_other_changes_is_refused(pair, answered, make_map, truths_HW):
    second = make_map(truths_HW[1], "other.tif")
    with pytest.raises(ValueError, match=r"does not show the changes from .* write their map with --map CHANGE\.tif"):
        change(pair[0], second, sample=answered)


def test_a_sample_of_a_map_is_no_sample_of_changes(pair, tmp_path):
    draw_sample(pair[1], tmp_path / "plain", design=DrawOptions("simple", 30), seed=0)
    with pytest.raises(ValueError, match="does not show the changes"):
        change(*pair, sample=tmp_path / "plain")


def test_the_commands_lead_from_two_maps_to_intervals(pair, truth, tmp_path, capsys):
    words = ["change", str(pair[0]), str(pair[1])]
    assert isamap.main([*words, "--map", str(tmp_path / "c.tif")]) == 0
    assert "pervious to impervious: " in capsys.readouterr().out
    sample = ["assess", "sample", str(tmp_path / "c.tif"), "--out", str(tmp_path / "s"), "--points", "200"]
    assert isamap.main(sample) == 0
    answer(tmp_path / "s", truth)
    assert isamap.main([*words, "--sample", str(tmp_path / "s"), "--out", str(tmp_path / "c.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "c.csv").open()))
    assert len(rows) == 4 and {"low_km2", "high_km2", "from", "to"} <= rows[0].keys()


def test_tiles_have_no_grid_for_a_map_of_changes(make_map, truths_HW, pair, tmp_path):
    make_map(truths_HW[0], "tiles/a.tif")
    make_map(truths_HW[0], "tiles/b.tif", transform=rasterio.Affine(10, 0, LEFT + 1500, 0, -10, TOP))
    with pytest.raises(ValueError, match=r"give the \.vrt of its tiles"):
        write_change_map(tmp_path / "tiles", pair[1], tmp_path / "c.tif")
    with pytest.raises(ValueError, match=r"ends in \.tif"):
        write_change_map(*pair, tmp_path / "c.png")
