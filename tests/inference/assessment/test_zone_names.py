"""Districts of one name, and of none: each its own row, or one where the user says so; areas are shapely's."""

from __future__ import annotations

import itertools
import json

import geopandas
import numpy as np
import pytest
import shapely

import isamap
from isamap.inference.assessment.areas import area
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.draw import sample_of
from isamap.inference.assessment.planning import plan_sample
from isamap.inference.assessment.request import AreaOptions, DrawOptions
from isamap.inference.assessment.zones import read_zones
from isamap.inference.serve.districts import districts_of
from isamap.inference.serve.limits import Limits

LEFT, TOP = 212750, 3416360  # of the map of `make_map`
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [0.1, 0], [0.1, 0.1], [0, 0.1], [0, 0]]]}


def strip(first: int, columns: int):
    """Whole columns of the map, 30 pixels high."""
    return shapely.box(LEFT + 10 * first, TOP - 300, LEFT + 10 * (first + columns), TOP)


@pytest.fixture
def write(tmp_path):
    """A GeoPackage of strips of 3, 5, 7 ... columns with names."""

    def make(*names, column="name"):
        ends = np.cumsum([0, *range(3, 3 + 2 * len(names), 2)])
        shapes = [strip(int(start), int(end - start)) for start, end in itertools.pairwise(ends)]
        table = geopandas.GeoDataFrame({column: list(names)}, geometry=shapes, crs=32650)
        table.to_file(tmp_path / "zones.gpkg")
        return str(tmp_path / "zones.gpkg")

    return make


def km2(report):
    """Mapped ground of each zone on the grid, which is 1.3 per mille larger than on the ellipsoid here."""
    by_zone = {}
    for row in report.rows:
        by_zone[row["zone"]] = by_zone.get(row["zone"], 0.0) + row["mapped_km2"]
    return by_zone


@pytest.fixture
def town(make_map):
    return make_map(np.zeros((30, 60), np.uint8))


def test_two_districts_of_one_name_are_two_rows_with_their_own_ground(town, write):
    report = area(town, AreaOptions(write("Centre", "Centre", "North")))
    expected = {name: strip(0, columns).area / 1e6 for name, columns in
                {"Centre (1)": 3, "Centre (2)": 5, "North": 7}.items()}  # fmt: skip
    assert km2(report) == pytest.approx(expected, rel=2e-3)


def test_that_a_name_is_shared_is_said_in_one_line(town, write, capsys):
    isamap.main(["area", str(town), "--by", write("Centre", "Centre", "North")])
    lines = [line for line in capsys.readouterr().out.splitlines() if "share the name 'Centre'" in line]
    assert len(lines) == 1 and "kept apart by their number in the file" in lines[0]


def test_districts_without_a_name_are_kept_apart(write):
    zones = read_zones(write("Centre", None, "", "North"))
    assert zones.names == ("Centre", "without a name (2)", "without a name (3)", "North")
    assert zones.notes == ("2 features have no name in the column 'name': called 'without a name (N)' by the number "
                           "in the file",)  # fmt: skip


def test_numbers_with_a_gap_stay_whole(write):
    assert read_zones(write(7, None, 12, column="id")).names == ("7", "without a name (2)", "12")


def test_a_district_that_is_really_called_so_keeps_its_name(write):
    assert read_zones(write("A", "A", "A (1)")).names == ("A (1) (1)", "A (2)", "A (1)")


def test_a_column_that_the_user_names_joins_the_parts_of_a_district(town, write):
    """As islands of one district: 3 and 5 columns of pixels are 8."""
    report = area(town, AreaOptions(write("Isles", "Isles", "North"), "name"))
    expected = {"Isles": strip(0, 8).area / 1e6, "North": strip(0, 7).area / 1e6}
    assert km2(report) == pytest.approx(expected, rel=2e-3)
    assert any("'Isles' in the column 'name': counted as one zone" in text for text in report.warnings)


def test_parts_without_a_name_are_never_joined(write):
    assert read_zones(write(None, None), "name").names == ("without a name (1)", "without a name (2)")


def test_clear_names_need_no_words(write):
    assert read_zones(write("Centre", "North")).notes == ()


def test_strata_of_one_name_are_two_and_their_sample_says_so(town, write):
    design = DrawOptions(points=20, strata=write("Centre", "Centre"), allocation="equal")
    sample = sample_of(open_class_map(town), design, 0)
    assert [(each.name, each.pixels) for each in sample.strata] == [("Centre (1)", 90), ("Centre (2)", 150)]
    assert any("share the name 'Centre'" in note for note in sample.notes)


def test_a_plan_names_its_strata_as_the_sample_does(town, write):
    report = plan_sample(town, points=20, strata=write("Centre", "Centre"))
    assert report.conjecture.names == ("Centre (1)", "Centre (2)") and "share the name 'Centre'" in str(report)


def test_districts_of_a_request_are_kept_apart():
    properties = [{"name": "Centre"}, {"name": "Centre"}, {"name": None}, {}]
    features = [{"type": "Feature", "properties": each, "geometry": SQUARE} for each in properties]
    zones = districts_of({"type": "FeatureCollection", "features": features}, Limits())
    assert zones.names == ("Centre (1)", "Centre (2)", "without a name (3)", "without a name (4)")
    assert len(zones.notes) == 2


def test_two_classes_of_one_name_are_refused(make_map):
    path = make_map(np.eye(30), classes="")
    with pytest.raises(
        ValueError, match=r"several values of .*map.tif are called 'built': give each a name of its own"
    ):
        open_class_map(path, ("built", "built"))


def test_the_geopackage_of_areas_has_a_row_for_each(town, write, tmp_path):
    area(town, AreaOptions(write("Centre", "Centre")), out=tmp_path / "areas.gpkg")
    table = geopandas.read_file(tmp_path / "areas.gpkg")
    assert table["zone"].tolist() == ["Centre (1)", "Centre (2)"]
    assert table.area.tolist() == pytest.approx([strip(0, 3).area, strip(3, 5).area])


def test_geoparquet_gives_the_areas_of_the_geopackage(town, write, tmp_path, capsys):
    geopandas.read_file(write("West", "East")).to_parquet(tmp_path / "zones.parquet")
    isamap.main(["area", str(town), "--by", str(tmp_path / "zones.gpkg"), "--out", str(tmp_path / "one.json")])
    isamap.main(["area", str(town), "--by", str(tmp_path / "zones.parquet"), "--out", str(tmp_path / "other.json")])
    one, other = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "other"))
    assert one == other and [row["zone"] for row in other["rows"]] == ["West", "West", "East", "East"]
