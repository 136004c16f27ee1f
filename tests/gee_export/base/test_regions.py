"""Regions and periods: names, boxes, lattices, and the sentences for what cannot be."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from shapely.geometry import Polygon

from isamap.gee_export.base import geometry_file, regions
from isamap.gee_export.base.grid import grid_of, lattice_window, positions
from isamap.gee_export.base.regions import Month, Period, Region


def test_wuhan_is_the_square_of_formats_md():
    region = regions.named("wuhan")
    assert (region.epsg, region.bounds_m) == (32650, (212750, 3355880, 273230, 3416360))
    assert len(list(positions(*grid_of(region).shape, 128, 80))) == 5625


def test_every_shipped_region_has_a_grid_or_says_which_have():
    for name in regions.names():
        if name == "yreb":
            with pytest.raises(ValueError, match="provinces one by one: shanghai"):
                regions.named(name)
        elif name == "china":
            with pytest.raises(ValueError, match="take a part of it by --bbox or --geometry"):
                regions.named(name)
        else:
            assert regions.named(name).area_km2 > 1000


def test_an_unknown_region_offers_near_names():
    with pytest.raises(ValueError, match="unknown region 'wuhn': did you mean wuhan"):
        regions.named("wuhn")


@given(st.floats(-179, 170), st.floats(-79, 80), st.floats(0.02, 1), st.floats(0.02, 1))
def test_a_box_is_covered_and_its_origin_is_a_multiple_of_ten_metres(west, south, width, height):
    box = (west, south, west + width, south + height)
    region = regions.from_bbox(box)
    assert all(value % 10 == 0 for value in region.bounds_m)
    to_metres = Transformer.from_crs(4326, region.epsg, always_xy=True)
    left, bottom, right, top = region.bounds_m
    for x, y in ((box[0], box[1]), (box[2], box[1]), (box[0], box[3]), (box[2], box[3])):
        east, north = to_metres.transform(x, y)
        assert left <= east <= right and bottom <= north <= top


def test_a_part_keeps_the_lattice_of_its_region():
    wuhan = regions.named("wuhan")
    box = wuhan.part((114.2, 30.5, 114.3, 30.6))
    window = lattice_window(box)
    assert box.origin_m == wuhan.origin_m and box.epsg == wuhan.epsg
    assert (box.bounds_m[0] - 212750) / 10 == window.col and (3416360 - box.bounds_m[3]) / 10 == window.row


@pytest.mark.parametrize(
    ("bbox", "words"),
    [
        ((179, 10, -179, 11), "crosses the antimeridian"),
        ((100, 10, 125, 11), "degrees wide"),
        ((10, 84.5, 11, 85), "UTM is defined"),
        ((10, -81, 11, -80.5), "UTM is defined"),
        ((10, 11, 11, 10), "expected W S E N"),
        ((10, 20, float("nan"), 21), "finite"),
    ],
)
def test_boxes_that_no_grid_holds_are_refused(bbox, words):
    with pytest.raises(ValueError, match=words):
        regions.from_bbox(bbox)


def test_a_part_outside_its_region_is_refused():
    with pytest.raises(ValueError, match="outside region 'wuhan'"):
        regions.named("wuhan").part((120, 30.5, 120.1, 30.6))


def test_an_area_over_the_limit_is_refused():
    with pytest.raises(ValueError, match="at most 2,500,000 km2"):
        Region("huge", 32650, (0, 0, 2_000_000, 2_000_000), (0, 2_000_000))


def test_a_geometry_file_gives_its_outline(tmp_path):
    triangle = {"type": "Polygon", "coordinates": [[[114.2, 30.5], [114.3, 30.5], [114.3, 30.6], [114.2, 30.5]]]}
    path = tmp_path / "My Area.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": triangle}]}))
    region = geometry_file.from_geometry(path)
    assert region.name == "my-area" and region.outline.area == pytest.approx(0.005)
    assert geometry_file.from_geometry(path, within=regions.named("wuhan")).origin_m == (212750, 3416360)


@pytest.mark.parametrize("text", ["2019-13", "2019", "June", "2019-06-01"])
def test_a_month_is_year_and_month(text):
    with pytest.raises(ValueError, match="expected YYYY-MM"):
        Month.parse(text)


@pytest.mark.parametrize(("text", "meant"), [("21-01", "2021-01"), ("19-6", "2019-6")])
def test_a_year_of_two_digits_is_asked_back(text, meant):
    with pytest.raises(ValueError, match=f"two digits: did you mean {meant}"):
        Month.parse(text)


@given(st.dates(date(2015, 1, 1), date(2030, 1, 1)))
def test_a_months_period_ends_where_the_next_begins(day):
    period = Month(day.year, day.month).period
    assert period.start <= day < period.end and period.end.day == 1 and (period.end - period.start).days <= 31


def test_a_period_names_its_months():
    assert Period.between("2019-05-01", "2019-08-30").label == "201905p04"
    assert Month(2019, 6).period.label == "201906" and str(Month(2019, 6).period) == "2019-06"


def test_a_period_before_the_missions_is_refused():
    with pytest.raises(ValueError, match="before the missions"):
        _ = Month(2013, 6).period


def test_an_outline_along_the_edge_of_its_region_is_inside():
    """Its longitude/latitude box would reach outside: the square is turned against the meridians."""
    wuhan = regions.named("wuhan")
    left, bottom, right, top = wuhan.bounds_m
    to_degrees = Transformer.from_crs(wuhan.epsg, 4326, always_xy=True)
    corners = [(left + 50, bottom + 50), (right - 50, bottom + 50), (right - 50, top - 50), (left + 50, top - 50)]
    outline = Polygon([to_degrees.transform(x, y) for x, y in corners])
    inner = wuhan.outlined(outline.buffer(-0.01))
    assert inner.bounds_m[0] > left and inner.outline is not None
    with pytest.raises(ValueError, match=r"outline of .* reaches outside region 'wuhan'"):
        wuhan.outlined(outline.buffer(0.1))


@pytest.mark.parametrize(
    ("text", "first", "last", "label"),
    [
        ("2019-06", "2019-06-01", "2019-06-30", "201906"),
        ("2019", "2019-01-01", "2019-12-31", "201901p12"),
        ("2019-summer", "2019-06-01", "2019-08-31", "201906p03"),
        ("2019-jja", "2019-06-01", "2019-08-31", "201906p03"),
        ("2020-DJF", "2019-12-01", "2020-02-29", "201912p03"),
        ("2019-spring", "2019-03-01", "2019-05-31", "201903p03"),
        ("2019-SON", "2019-09-01", "2019-11-30", "201909p03"),
        ("2019-05-01..2019-08-30", "2019-05-01", "2019-08-30", "201905p04"),
    ],
)
def test_periods_are_months_years_seasons_or_days(text, first, last, label):
    """docs/reference/formats.md, "Patch dataset" (labels); a winter has the year of its January, so it crosses the new
    year.
    """
    period = Period.parse(text)
    assert period == Period.between(first, last) and period.label == label


@given(st.dates(date(2015, 1, 1), date(2024, 12, 1)), st.integers(0, 800))
def test_a_period_reads_what_it_prints(first, days):
    period = Period(first, date.fromordinal(first.toordinal() + 1 + days))
    assert Period.parse(str(period)) == period


@pytest.mark.parametrize("text", ["", "19", "2019-monsoon", "2019-06-01", "june", "2019-06-01..", "+2019", "0001"])
def test_what_is_no_period_is_refused(text):
    with pytest.raises(ValueError, match=r"expected|begins"):
        Period.parse(text)
