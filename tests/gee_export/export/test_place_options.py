"""Names of places, and times that are asked for."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st
from pyproj import Geod

from isamap.gee_export.base.regions import Region
from isamap.gee_export.export.box import box_name
from isamap.gee_export.export.place_options import ExportPlaces, ExportTimes, OnePlace, described

BOX = (15.42, 47.05, 15.46, 47.08)
PIXEL_DEG = 0.0002  # over 10 m, along meridians everywhere and along parallels up to 60 degrees
boxes = st.builds(
    lambda lon, lat, width, height: (lon, lat, lon + width, lat + height),
    st.floats(-179, 170), st.floats(-60, 55), st.floats(0.001, 5), st.floats(0.001, 5),
)  # fmt: skip


def test_a_box_is_called_by_its_centre_and_sides():
    """3.04 = 0.04 degrees x 111.32 km x cos(47.065)."""
    assert box_name(BOX) == "n47.065e15.44-3.03x3.34km"
    assert box_name((-70.25, -33.5, -70.15, -33.4)) == "s33.45w70.2-9.29x11.13km"
    assert box_name((-0.01, -0.01, 0.01, 0.01)) == "n0e0-2.23km"


@given(boxes)
def test_names_of_boxes_are_legal_and_short(box):
    assert re.fullmatch(r"[ns][0-9.]+[ew][0-9.]+-[0-9.]+(x[0-9.]+)?km", box_name(box))
    assert len(box_name(box)) <= 40 and ".." not in box_name(box)


@given(boxes, st.integers(0, 3), st.floats(PIXEL_DEG, 1) | st.floats(-1, -PIXEL_DEG))
def test_boxes_that_differ_by_a_pixel_have_two_names(box, edge, shift):
    shifted = [*box]
    shifted[edge] += shift
    assume(
        shifted[0] < shifted[2] and shifted[1] < shifted[3] and max(map(abs, (box[1], box[3], *shifted[1::2]))) <= 60
    )
    assert box_name(tuple(shifted)) != box_name(box)


def test_a_place_of_a_box_has_the_name_of_the_box():
    assert [region.name for region in ExportPlaces(bbox=BOX).regions()] == [box_name(BOX)]


def test_a_name_overrides():
    assert [region.name for region in ExportPlaces(bbox=BOX, name="graz").regions()] == ["graz"]


def test_a_part_of_a_region_keeps_its_name():
    assert ExportPlaces(region=("wuhan",), bbox=(114.25, 30.53, 114.31, 30.58)).regions()[0].name == "wuhan"


def test_a_name_changes_nothing_but_the_name():
    (mine,), (own,) = ExportPlaces(bbox=BOX, name="graz").regions(), ExportPlaces(bbox=BOX).regions()
    assert replace(mine, name=own.name) == own


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a_b", "ü", "-a", "a" * 61, ".."])
def test_a_name_that_no_id_can_hold_is_refused(name):
    with pytest.raises(ValueError, match="letters, digits, dots and dashes"):
        ExportPlaces(bbox=BOX, name=name)


def test_one_name_for_several_places_is_refused():
    with pytest.raises(ValueError, match="--name a names one place, and there are 2"):
        ExportPlaces(region=("wuhan", "nanjing"), name="a").regions()


@pytest.mark.parametrize(
    "where", [ExportPlaces(bbox=BOX), ExportPlaces(region=("nanjing",)), ExportPlaces(region=("wuhan", "nanjing"))]
)
def test_a_place_without_a_time_is_refused(where):
    with pytest.raises(ValueError, match=r"nothing says when: give --month YYYY-MM, or --period"):
        ExportTimes().dated(where)


def test_a_region_object_without_a_time_is_refused():
    region = Region("wuhan", 32650, (0, 0, 1000, 1000), (0, 1000))
    with pytest.raises(ValueError, match="nothing says when"):
        ExportTimes().dated(ExportPlaces(region=(region,)))


def test_the_papers_region_has_the_papers_month_and_says_so(capsys):
    assert ExportTimes().dated(ExportPlaces(region=("wuhan",))) == ExportTimes(month=("2019-06",))
    assert capsys.readouterr().err.startswith("month 2019-06: the month of the CroFuseNet paper's dataset of Wuhan;")


def test_a_time_that_is_given_is_kept_and_nothing_is_printed(capsys):
    assert ExportTimes(month=("2020-06",)).dated(ExportPlaces(region=("wuhan",))) == ExportTimes(month=("2020-06",))
    assert capsys.readouterr().err == ""


def test_a_place_is_described_by_centre_zone_and_area():
    (region,) = ExportPlaces(bbox=BOX, name="graz").regions()
    assert described(region).startswith("graz: centre 47.06")
    assert "N 15.44" in described(region) and "UTM zone 33N (EPSG:32633)" in described(region)


@pytest.mark.parametrize("box", [(30.55, 114.29, 30.57, 114.31), (43.0, 81.0, 43.1, 81.1)])
def test_a_box_with_swapped_degrees_names_the_region_that_it_may_mean(box):
    assert ExportPlaces(bbox=box).swapped_inside is not None


def test_a_box_in_a_region_is_not_taken_for_a_swapped_one():
    assert ExportPlaces(bbox=(114.29, 30.55, 114.31, 30.57)).swapped_inside is None


def test_a_refused_box_says_that_its_degrees_may_be_swapped():
    with pytest.raises(ValueError, match=r"with latitude and longitude swapped it would lie in \w+"):
        ExportPlaces(bbox=(30.55, 114.29, 30.57, 114.31)).regions()


def test_a_zone_far_from_a_box_is_to_be_left_out():
    with pytest.raises(
        ValueError, match=r"--epsg 32650 is too far from the box, which lies in 32633: leave --epsg out"
    ):
        ExportPlaces(bbox=BOX, epsg=32650).regions()


@pytest.mark.parametrize(("name", "expected"), [(None, "n30.5e114-"), ("both", "both-")])
def test_a_box_over_two_zones_is_two_regions_of_its_name(name, expected):
    """114 E lies between zones 49 (to 114 E) and 50."""
    areas = ExportPlaces(bbox=(111.0, 30.0, 117.0, 31.0), name=name).regions()
    assert [area.epsg for area in areas] == [32649, 32650]
    assert [area.name.rpartition("-")[2] for area in areas] == ["49n", "50n"]
    assert all(area.name.startswith(expected) for area in areas)


def point_file(folder):
    path = folder / "station.geojson"
    path.write_text('{"type": "Point", "coordinates": [114.3, 30.5]}')
    return str(path)


def test_a_buffer_makes_a_disc_of_a_point(tmp_path):
    """500 m: 0.785 km2 on the ground, 32 segments a quarter within 0.1 %."""
    (region,) = ExportPlaces(geometry=(point_file(tmp_path),), buffer_m=500).regions()
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(region.outline))
    assert abs(area) == pytest.approx(np.pi * 500**2, rel=2e-3)


def test_a_map_has_the_outline_of_the_export(tmp_path):
    (region,) = ExportPlaces(geometry=(point_file(tmp_path),), buffer_m=500).regions()
    assert OnePlace(geometry=point_file(tmp_path), buffer_m=500).area.outline.equals(region.outline)
