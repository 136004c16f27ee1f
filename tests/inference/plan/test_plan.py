"""The plan of maps: tiles, requests and bytes counted by hand, hours from rates, computing against the free hours."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import mapping

from isamap.gee_export.base import zones
from isamap.gee_export.export.archive_load import ArchiveLoad
from isamap.gee_export.export.eecu import TIERS, ComputingCost, number
from isamap.inference.plan.plan import plan_map
from isamap.inference.plan.rates import Rate, encode
from isamap.inference.plan.zone_count import by_zone
from isamap.inference.tiles.tiling import tile_windows

WUHAN_KM2 = 60.48**2
SIX = 6 * 5  # bytes of a pixel of six float bands, a mask byte each


def test_the_tiles_of_a_square_are_those_that_it_touches():
    """212,750 to 273,230 m and 3,355,880 to 3,416,360 m on squares of 20,480 m: columns 10 to 13, rows 163 to 166."""
    plan = plan_map(region="wuhan", month="2019-06")
    columns = math.ceil(273_230 / 20_480) - math.floor(212_750 / 20_480)
    rows = math.ceil(3_416_360 / 20_480) - math.floor(3_355_880 / 20_480)
    assert plan.tiles == rows * columns == 16
    assert plan.area_km2 == pytest.approx(WUHAN_KM2)


def test_requests_and_bytes_of_one_tile(tmp_path):
    """2,048 px and a margin of 128 on each side: 2,304, in blocks of at most 512 five by five."""
    plan = plan_map(geometry=_most_of_a_tile(tmp_path / "tile.geojson"), month="2019-06")
    assert (plan.tiles, plan.requests) == (1, 25)
    assert plan.request_bytes == 2304**2 * SIX


@pytest.mark.parametrize(("first_px", "requests"), [(0, 1), (200, 4)], ids=["in one block", "over four"])
def test_a_cut_tile_is_fetched_in_whole_blocks(first_px, requests, tmp_path):
    """100 px in a tile of 512, seen 128 px around: 768 px in blocks of 384, two by two."""
    left, top = 60 * 5120 + 10 * first_px, 660 * 5120 - 10 * first_px
    ground = _square(tmp_path / "cut.geojson", left, top - 1000, 1000)
    plan = plan_map(geometry=ground, month="2019-06", tile_px=512)
    assert (plan.tiles, plan.requests, plan.request_bytes) == (1, requests, requests * 384**2 * SIX)


def _most_of_a_tile(path: Path) -> str:
    """A square of 20,470 m in a tile of 20,480 m, in metres of its zone."""
    return _square(path, 11 * 20_480 + 5, 164 * 20_480 + 5, 20_470)


def _square(path: Path, left: float, bottom: float, side: float) -> str:
    square = mapping(shapely.box(left, bottom, left + side, bottom + side))
    crs = {"type": "name", "properties": {"name": "EPSG:32650"}}
    feature = {"type": "Feature", "properties": {}, "geometry": square}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]}))
    return str(path)


def test_every_period_is_a_map():
    once, twice = (plan_map(region="wuhan", period=periods) for periods in (["2019"], ["2019", "2021"]))
    assert twice.maps == 2 and twice.tiles == once.tiles
    assert twice.requests == 2 * once.requests and twice.storage_bytes == 2 * once.storage_bytes


def test_results_grow_with_the_square_of_the_step():
    coarse, fine = (plan_map(region="wuhan", month="2019-06", step=step) for step in (10, 1))
    assert fine.storage_bytes == pytest.approx(100 * coarse.storage_bytes)
    assert coarse.storage_bytes == pytest.approx(WUHAN_KM2 * 1e4 * 2 * 4 / 3)


def test_a_tile_of_1_m_has_as_many_pixels_as_one_of_10_m():
    fine = plan_map(region="wuhan", month="2019-06", step=1)
    assert fine.tile_px * 10 / fine.step_m == 2560 and fine.tiles > 500


def test_computing_and_the_time_of_google_grow_with_the_period():
    month, year = (plan_map(region="wuhan", period=period) for period in ("2019-06", "2019"))
    assert year.computing.hours / month.computing.hours == pytest.approx(365 / 30)
    hours = [next(iter(plan.fetch_hours.values())) for plan in (month, year)]
    assert hours[1] / hours[0] > 8


def test_one_sensor_needs_fewer_bytes():
    both, radar = (
        plan_map(region="wuhan", month="2019-06", sensors=sensors)
        for sensors in (["sentinel2", "sentinel1"], ["sentinel1"])
    )
    assert radar.request_bytes * 3 == both.request_bytes and radar.bands == ("VV", "VH")


def test_images_of_ones_own_are_not_fetched():
    plan = plan_map(region="wuhan", sensors="own", step=3)
    assert (plan.requests, plan.computing.hours, plan.fetch_hours) == (0, 0, {})
    assert "your own files" in str(plan)


@settings(max_examples=25, deadline=None)
@given(st.floats(70, 130), st.floats(-40, 60), st.floats(0.2, 2.5), st.floats(0.2, 2.0))
def test_no_ground_is_counted_twice_and_none_is_missing(west, south, width, height):
    """The ellipsoid's area is the oracle; metres of a zone's grid are true to 0.21 %, its area to 0.42 %."""
    box = shapely.box(west, south, west + width, south + height)
    counts = by_zone(zones.of_outline(box, name="box"), 1024, margin_px=0, channels=())
    ring = shapely.segmentize(box, 0.01)  # along the parallels, as a box in degrees is drawn
    area_m2, _ = Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(ring))
    assert sum(count.area_km2 for count in counts) == pytest.approx(area_m2 / 1e6, rel=0.005)


@pytest.mark.long
@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8), st.sampled_from([64, 200, 256]))
def test_tiles_counted_by_squares_are_the_tiles(corners, tile_px):
    """tile_windows, which looks at each, is the oracle; thin ground's area is true to some 0.001 %."""
    ground = shapely.convex_hull(shapely.MultiPoint([(119.7 + 0.6 * x, 30 + 0.4 * y) for x, y in corners]))
    assume(ground.area > 1e-4)
    areas = zones.of_outline(ground, name="hull")
    windows = tile_windows(areas, step_px=tile_px)
    counts = by_zone(areas, tile_px, margin_px=0, channels=())
    assert {count.zone: count.tiles for count in counts} == Counter(zones.zone_name(each.epsg) for each in windows)
    assert sum(count.area_km2 for count in counts) == pytest.approx(sum(each.area_km2 for each in windows), rel=1e-4)


def test_the_belt_is_divided_by_zone():
    plan = plan_map(region="yreb", sensors="own", tile_px=8192)
    assert [zone.zone for zone in plan.zones] == ["47n", "48n", "49n", "50n", "51n"]
    assert "boxes of its provinces" in plan.approximated


@pytest.fixture
def table(tmp_path):
    def written(**changes) -> str:
        facts = {"network": "unet 32", "input_m": 10.0, "output_m": 10.0, "km2_per_hour": 1000.0} | changes
        rate = Rate(**facts, device="d", units=2, runtime="torch", precision="fp32", program="p", date="2026-11-22")
        path = tmp_path / "rates.toml"
        path.write_text(encode([rate]))
        return str(path)

    return written


def test_hours_are_the_ground_by_the_rate(table):
    plan = plan_map(region="wuhan", period=["2019", "2021"], rates=table())
    assert list(plan.by_rate.values()) == [pytest.approx(2 * WUHAN_KM2 / 1000)]


def test_rates_of_other_steps_do_not_fit(table):
    plan = plan_map(region="wuhan", month="2019-06", rates=table(output_m=1.0))
    assert not plan.by_rate and "--measure SECONDS" in str(plan)


def test_the_free_hours_are_those_of_the_documentation():
    assert TIERS == {"Community": 150, "Contributor": 1000, "Partner": 100_000}
    shares = ComputingCost(effort=3600, rates_s=(30, 300)).months_by_tier
    assert shares == {"Community": 2.0, "Contributor": 0.3, "Partner": 0.003}


def test_the_text_says_what_is_assumed():
    """49 and 124 s of guides/computation_benchmarks lead; the local engine's 7.4 is nowhere."""
    plan = plan_map(region="wuhan", month="2019-06")
    text, hours = str(plan), [plan.computing.effort * seconds / 3600 for seconds in (49, 124)]
    assert f"EECU: {number(hours[0])} to {number(hours[1])} hours, if 49 to 124 s make" in text and "7.4" not in text
    assert "Google's benchmark" in text and "nobody promises it" in text
    assert (
        f"free hours a month, at most: Community {100 * hours[1] / 150:.2g} %" in text
        and "GB at most, before compression" in text
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0.021349, "0.0213"), (21.349, "21.3"), (21349.0, "21,300"), (999.6, "1e+03"), (0.0, "0")]
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "nothing says when"),
        ({"month": "2019-06"}, "nothing says where"),
        ({"region": "wuhan", "month": "2019-06", "step": 0}, "--step 0: expected metres"),
        ({"region": "wuhan", "month": "2019-06", "sensors": ["own", "sentinel2"]}, "own stands alone"),
        ({"region": "wuhan", "month": "2019-06", "sensors": ["radar"]}, "sensors.*sentinel2"),
        ({"region": "wuhan", "month": "2019-06", "tile_px": 8}, "tiles of 8 px a side"),
        ({"region": "wuhan", "month": "2019-06", "measure": 5}, "give its --checkpoint"),
        ({"region": "wuhan", "month": "2019-06", "workers": 0}, "--workers 0: expected 1 to 40"),
        ({"region": "wuhan", "month": "2019-06", "rates": "missing.toml"}, "missing.toml cannot be read"),
        ({"region": "wuhan", "month": "2019-06", "checkpoint": "runs/x", "step": 3}, "leave --step out"),
    ],
)
def test_what_cannot_be_planned_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        plan_map(**options)


def test_the_public_archives_send_whole_scenes_of_each_band():
    """By hand: 10-m bands 1.6 bytes x 6 scenes, B11 a quarter of that, radar 3.1 bytes x 4; 10 MB a second."""
    load = ArchiveLoad.of(["B2", "B11", "VV"], 2.5)
    assert load.bytes == pytest.approx((9.6 + 2.4 + 12.4) * 2.5e6)
    assert load.hours == pytest.approx(load.bytes / 10e6 / 3600)


def test_a_plan_of_the_public_archives_has_their_bytes_and_hours():
    plans = {catalog: plan_map(region="wuhan", month="2019-06", catalog=catalog) for catalog in ("world", "open")}
    further = set(plans["open"].fetch_hours) - set(plans["world"].fetch_hours)
    (words,) = further
    assert "GB from the public archives (assumed: 6 Sentinel-2" in words and words in str(plans["open"])
    effort = sum(zone.fetched_px for zone in plans["open"].zones) / 1e6 * plans["open"].period_months
    assert plans["open"].fetch_hours[words] == pytest.approx(ArchiveLoad.of(plans["open"].bands, effort).hours)


def test_a_plan_for_google_says_nothing_of_the_archives():
    assert not any(
        "archives" in name
        for name in plan_map(region="wuhan", month="2019-06", project="my-project", catalog="open").fetch_hours
    )
