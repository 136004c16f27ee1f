"""Patches of several regions: held out whole, never on one another's ground across splits, limited together."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyproj import Transformer

import isamap
from isamap.gee_export import export_patches
from isamap.gee_export.base import regions
from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.layout import laid_out
from isamap.gee_export.export.plan import ExportPlan
from isamap.gee_export.export.report import ExportReport
from isamap.gee_export.export.request_tiles import RequestTiles
from isamap.gee_export.patches.sampling import Sampling
from isamap.gee_export.patches.split_rule import SplitRule

JUNE = regions.Month(2019, 6).period


def square(name, left=0, top=0, side_px=800, epsg=32650):
    left, top = 500_000 + 10 * left, 3_400_000 - 10 * top
    return RegionGrid.of(Region(name, epsg, (left, top - 10 * side_px, left + 10 * side_px, top), (left, top)))


def job(*region_grids, **options):
    return ExportJob(region_grids, (JUNE,), **({"size": 64, "stride": 40} | options))


def footprints(region_grid, split_result):
    """Patches in degrees, by split, each a polygon with straight edges drawn in eight."""
    turn = Transformer.from_crs(str(region_grid.lattice.crs), 4326, always_xy=True)
    actual = {"train": [], "val": [], "test": []}
    for window, split in split_result.patches:
        box = shapely.segmentize(shapely.box(*region_grid.geobox(window).boundingbox), 80)
        actual[split].append(shapely.transform(box, lambda points: np.column_stack(turn.transform(*points.T))))
    return {split: shapely.union_all(shapes) for split, shapes in actual.items()}


@pytest.mark.long
@settings(max_examples=12, deadline=None)
@given(
    left=st.integers(-700, 700),
    top=st.integers(-700, 700),
    side=st.integers(300, 900),
    zones=st.sampled_from([(32650, 32650), (32650, 32651), (32649, 32650)]),
    hold_out=st.sampled_from([(), ("one",), ("two",)]),
    kind=st.sampled_from(["blocks", "random"]),
)
@example(left=300, top=300, side=600, zones=(32650, 32651), hold_out=("two",), kind="blocks")
@example(left=300, top=300, side=600, zones=(32650, 32650), hold_out=("two",), kind="random")
def test_no_ground_is_in_two_splits_of_overlapping_regions(left, top, side, zones, hold_out, kind):
    """docs/reference/wishes.md, "Wish 17", over regions and UTM zones; a random split leaks within its regions, but not
    into test.
    """
    single = square("one", epsg=zones[0])
    box = square("any", left, top, side, zones[0]).region.bounds_wsen
    two = RegionGrid.of(regions.from_bbox(box, name="two", epsg=zones[1]))
    layout = laid_out(job(single, two, split=kind, rule=SplitRule(hold_out=hold_out)))
    if kind == "random" and not hold_out:
        return
    shapes = {region_grid.name: footprints(region_grid, layout[region_grid.name]) for region_grid in (single, two)}
    for split, second in (("train", "val"), ("train", "test"), ("val", "test"), ("val", "train"), ("test", "train")):
        assert shapes["one"][split].intersection(shapes["two"][second]).area == 0
    if hold_out:
        (stored,) = hold_out
        remainder = "two" if stored == "one" else "one"
        assert {split for _, split in layout[stored].patches} == {"test"}
        assert "test" not in {split for _, split in layout[remainder].patches}
        assert "overlapping" not in layout[stored].info


def test_what_overlaps_is_counted_and_told():
    single, two = square("one"), square("two", 300, 300)
    plan = ExportPlan.of(job(single, two, rule=SplitRule(hold_out=("one",))))
    lost = plan.split_results["two"].info["overlapping"]
    everywhere = list(two.positions(64, 40))
    under = [window for window in everywhere if window.row < 500 and window.col < 500]
    assert lost == pytest.approx(len(under), rel=0.15)  # some of them touched two splits already


def test_a_city_is_held_out_whole():
    """CroFuseNet: Wuhan to Nanjing; the others keep their ratio of train to val."""
    region_grids = [square(name, left) for name, left in (("wuhan", 0), ("nanjing", 5000), ("hefei", 9000))]
    layout = laid_out(job(*region_grids, rule=SplitRule(hold_out=("nanjing",))))
    assert Counter(split for _, split in layout["nanjing"].patches) == {
        "test": len(list(region_grids[1].positions(64, 40)))
    }
    counts = Counter(split for name in ("wuhan", "hefei") for _, split in layout[name].patches)
    assert set(counts) == {"train", "val"} and counts["train"] / counts["val"] == pytest.approx(8, rel=0.35)


@pytest.mark.parametrize("kind", ["blocks", "random"])
@pytest.mark.parametrize("hold_out", [(), ("b",)])
def test_a_limit_over_regions_and_periods_fills_every_split(kind, hold_out):
    region_grids = [square(name, left, side_px=1500) for name, left in (("a", 0), ("b", 5000), ("c", 9000))]
    months = tuple(regions.Month(2019, month).period for month in (5, 6))
    request = ExportJob(
        tuple(region_grids), months, size=64, stride=40, split=kind, rule=SplitRule(max_patches=300, hold_out=hold_out)
    )
    plan = ExportPlan.of(request)
    counts = Counter(location.split for location in plan.patches)
    assert 200 <= len(plan.patches) <= 300 and set(counts) == {"train", "val", "test"}
    assert len({location.id for location in plan.patches}) == len(plan.patches)
    per_period = Counter(location.region_period.period.label for location in plan.patches)
    assert per_period["201905"] == per_period["201906"]
    if hold_out:
        assert {location.region_period.region_grid.name for location in plan.patches if location.split == "test"} == {
            "b"
        }


def test_a_limit_that_whole_blocks_do_not_reach_is_told():
    request = job(square("a", side_px=1500), rule=SplitRule(max_patches=301))
    plan = ExportPlan.of(request)
    text = str(ExportReport.planned(request, plan, "out"))
    assert len(plan.patches) < 301
    assert f"note: {len(plan.patches)} patches of at most 301: --max-patches takes whole blocks" in text


def test_scattered_patches_are_not_fetched_with_all_the_ground_between_them():
    """JointSeg's points 3 km apart: patches of 128 are a fifth of the ground."""
    region_grid = square("wide", side_px=6000)
    requested = ExportJob((region_grid,), (JUNE,), sampling=Sampling("points"), server="earth-engine")
    plan = ExportPlan.of(requested)
    fetched = sum(request.window.height * request.window.width for request in plan.requests)
    expected = len(plan.patches) * 128**2
    assert expected <= fetched < 0.75 * 6000**2
    for location in plan.patches:
        covered = [plan.requests[n].window.overlap(location.window) for n in location.needs]
        assert sum(window.height * window.width for window in covered) == 128**2


@pytest.mark.long
@settings(max_examples=30, deadline=None)
@given(ratio=st.integers(1, 10), most=st.integers(40, 300), side=st.integers(100, 500))
def test_a_finer_layer_covers_the_same_patches_in_its_own_pixels(ratio, most, side):
    split_result = laid_out(job(square("any", side_px=side), size=32, stride=20))["any"]
    tiling = RequestTiles.of(split_result, most, ratio)
    painted = np.zeros((side * ratio, side * ratio), np.uint8)
    for window in tiling.windows:
        assert max(window.height, window.width) <= most
        painted[window.slices] += 1
    assert painted.max() == 1
    for (window, _), needs in zip(split_result.patches, tiling.needs, strict=True):
        fine = Window(window.row * ratio, window.col * ratio, 32 * ratio, 32 * ratio)
        covered = [tiling.windows[index].overlap(fine) for index in needs]
        assert sum(piece.height * piece.width for piece in covered) == (32 * ratio) ** 2


PAGE = Path(__file__).parents[3] / "docs" / "export.md"
SHOWN = [line.partition("#")[0].strip() for line in PAGE.read_text().splitlines() if line.startswith("isamap export")]


@pytest.mark.long
@pytest.mark.parametrize("line", SHOWN)
def test_every_command_of_the_page_plans_an_export(line, capsys, tmp_path, monkeypatch):
    """graz.toml is what the page shows."""
    (tmp_path / "graz.toml").write_text(PAGE.read_text().partition("```toml\n")[2].partition("```")[0])
    monkeypatch.chdir(tmp_path)
    assert isamap.main(line.split()[1:]) == 0
    assert "would be in data/" in capsys.readouterr().out


@pytest.mark.long
def test_two_boxes_of_a_region_go_to_two_folders():
    boxes = [(114.2, 30.5, 114.3, 30.6), (114.2, 30.5, 114.4, 30.6)]
    first, second = (export_patches(region="wuhan", bbox=box, dry_run=True).out for box in boxes)
    assert first == "data/wuhan-2019-06-114.2_30.5_114.3_30.6" != second


def pieces(*boxes):
    """Regions of zones 50 and 51 that together are the place `town`."""
    ground = [shapely.box(*box) for box in boxes]
    grids = [regions.on_lattice(f"town-{zone}n", 32600 + zone, regions.in_metres(g, 32600 + zone).bounds, g)
             for zone, g in zip((50, 51), ground, strict=True)]  # fmt: skip
    return [RegionGrid.of(region) for region in grids]


WIDE, NARROW, EAST = (119.9, 30, 120, 30.1), (120, 30, 120.003, 30.1), (120, 30, 120.1, 30.1)


def test_a_zones_piece_without_a_patch_is_left_out_with_a_note():
    plan = ExportPlan.of(job(*pieces(WIDE, NARROW)))
    assert {patch.region_period.region.name for patch in plan.patches} == {"town-50n"}
    assert plan.split_results["town-51n"].info["note"].startswith("town-51n is left out")


def test_a_piece_that_is_left_out_changes_no_other_patch():
    wide, narrow = pieces(WIDE, NARROW)
    assert laid_out(job(wide, narrow))["town-50n"] == laid_out(job(wide))["town-50n"]


def test_a_place_without_any_patch_is_refused():
    with pytest.raises(ValueError, match="no patch of 64 x 64 at stride 40 fits"):
        laid_out(job(*pieces((119.997, 30, 120, 30.1), NARROW)))


def test_a_region_of_its_own_without_a_patch_is_refused_beside_others():
    with pytest.raises(ValueError, match="region 'small' has 20 x 20 pixels"):
        laid_out(job(square("one"), square("small", 5000, side_px=20)))


def test_the_name_of_a_place_holds_out_all_its_zones():
    layout = laid_out(job(*pieces(WIDE, EAST), square("one", -9000), rule=SplitRule(hold_out=("town",))))
    splits = {name: {split for _, split in split_result.patches} for name, split_result in layout.items()}
    assert splits == {"town-50n": {"test"}, "town-51n": {"test"}, "one": {"train", "val"}}


def test_the_manifest_names_the_regions_that_are_held_out():
    split = job(*pieces(WIDE, EAST), square("one"), rule=SplitRule(hold_out=("town",))).head().split
    assert split["hold_out"] == ["town-50n", "town-51n"]


def test_a_place_that_is_all_there_is_cannot_be_held_out():
    with pytest.raises(ValueError, match="names every region"):
        job(*pieces(WIDE, EAST), rule=SplitRule(hold_out=("town",)))
