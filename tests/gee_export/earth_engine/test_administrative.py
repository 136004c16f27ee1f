"""Administrative units: found by name in tables of a folder, several of one name refused, outlines as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import shapely
from shapely.geometry import box, mapping

from isamap.gee_export.base import geometry_file
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.earth_engine import session as sessions
from isamap.gee_export.earth_engine.administrative import BOUNDARIES, administrative_unit, write_outline
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.export.request import ExportRequest
from isamap.inference.plan.plan import plan_map

pytestmark = pytest.mark.usefixtures("reconnected")
COLUMNS = {2015: ("ADM0_NAME", "ADM1_NAME", "ADM2_NAME"), 2025: ("GAUL0_NAME", "GAUL1_NAME", "GAUL2_NAME")}
# Invented boxes under names of the kind that the tables have.
UNITS = {
    0: [(("Cathay",), (110, 28, 120, 34)), (("Cathay Islands",), (121, 28, 122, 29)), (("Elsewhere",), (0, 0, 2, 2))],
    1: [
        (("Cathay", "Hubei Sheng"), (110, 29, 116, 33)),
        (("Cathay", "Hunan Sheng"), (110, 28, 114, 29)),
        (("Elsewhere", "Hunan"), (0, 0, 1, 1)),
    ],
    2: [
        (("Cathay", "Hubei Sheng", "Wuhan"), (114.0, 30.0, 114.5, 30.5)),
        (("Cathay", "Hubei Sheng", "Wuhan"), (114.5, 30.0, 114.6, 30.5)),
        (("Elsewhere", "Hunan", "Wuhan"), (0, 0, 0.5, 0.5)),
    ],
}


def write_tables(folder: Path, year: int, levels) -> None:
    home = folder / f"FAO/GAUL_SIMPLIFIED_500m/{year}"
    home.mkdir(parents=True)
    for level in levels:
        rows = [
            {
                "type": "Feature",
                "properties": dict(zip(COLUMNS[year], path, strict=False)),
                "geometry": mapping(box(*bounds)),
            }
            for path, bounds in UNITS[level]
        ]
        (home / f"level{level}.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": rows}))


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    write_tables(folder, 2015, (0, 1, 2))
    write_tables(folder, 2025, (1, 2))  # the catalog has no countries of 2025
    return folder


@pytest.fixture
def connected(tables, engine_home):
    with sessions.connect(catalog=tables, home=engine_home) as session:
        yield session


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("Cathay", ("Cathay",)),
        ("Hubei", ("Cathay", "Hubei Sheng")),
        ("hubei", ("Cathay", "Hubei Sheng")),
        ("Hubei Sheng", ("Cathay", "Hubei Sheng")),
        ("Cathay/Hunan", ("Cathay", "Hunan Sheng")),
        ("Elsewhere / Hunan", ("Elsewhere", "Hunan")),
        ("Cathay/Hubei/Wuhan", ("Cathay", "Hubei Sheng", "Wuhan")),
    ],
)
def test_a_unit_is_found_by_its_name(connected, name, path):
    assert administrative_unit(name).path == path


def test_the_outline_is_all_of_the_units_features(connected):
    outline = administrative_unit("Cathay/Hubei/Wuhan").outline
    assert outline.equals(shapely.union_all([box(*bounds) for _, bounds in UNITS[2][:2]]))


def test_tables_without_countries_give_them_by_their_parts(connected):
    unit = administrative_unit("Cathay", "gaul2025")
    assert unit.asset.endswith("2025/level1")
    assert unit.outline.equals(shapely.union_all([box(*bounds) for _, bounds in UNITS[1][:2]]))


def test_a_name_of_several_units_is_refused_with_their_paths(connected):
    with pytest.raises(ValueError, match=r"names 2 units .*: Cathay/Hunan Sheng, Elsewhere/Hunan; give one of them"):
        administrative_unit("Hunan")


def test_a_part_of_a_word_is_no_name(connected):
    with pytest.raises(ValueError, match=r"has no unit of that name.*--geometry FILE"):
        administrative_unit("Hub")


@pytest.mark.parametrize("name", ["", "/", "Cathay/", "a/b/c/d"])
def test_a_malformed_name_is_refused(name):
    with pytest.raises(ValueError, match=r"--admin .*COUNTRY/FIRST/SECOND"):
        administrative_unit(name)


def test_the_simulated_world_has_no_boundaries(engine_home):
    with (
        sessions.connect(home=engine_home),
        pytest.raises(Fault, match=r"no boundaries: add --project, or .*--geometry"),
    ):
        administrative_unit("Hubei")


def test_the_outlines_file_says_where_it_comes_from(tables, tmp_path):
    write_outline("Hubei", tmp_path / "hubei.geojson", catalog=tables)
    facts = json.loads((tmp_path / "hubei.geojson").read_text())["features"][0]["properties"]
    assert facts["asset"] == BOUNDARIES["gaul"].levels[1] and "not a legal boundary" in facts["source"]
    assert "non-commercial" in facts["licence"]


def test_the_outlines_file_is_a_geometry(tables, tmp_path):
    unit = write_outline("Hubei", tmp_path / "hubei.geojson", catalog=tables)
    assert geometry_file.read_outline(tmp_path / "hubei.geojson").equals(unit.outline)


def test_an_outline_is_geojson(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.geojson"):
        write_outline("Hubei", tmp_path / "hubei.shp")


def test_a_plan_takes_units(tables):
    plan = plan_map(admin=["Hubei"], month="2023-06", catalog=str(tables))
    assert [zone.zone for zone in plan.zones] == ["49n", "50n"] and "GAUL 2015" in plan.approximated


def test_an_export_takes_units(connected):
    """Its regions are those of the outline, one for each zone, under the unit's name."""
    _, areas, _ = ExportRequest.of(admin="Cathay/Hubei/Wuhan", month="2019-06").placed()
    (area,) = areas
    assert (area.name, area.epsg) == ("wuhan", 32650)
    assert area.outline.equals(administrative_unit("Cathay/Hubei/Wuhan").outline)


def test_an_export_asks_the_server_where_its_units_are(tables, tmp_path):
    """Connected before the places are known: what it lacks is the scenes, not the place."""
    with pytest.raises(Fault, match="COPERNICUS/S2_SR_HARMONIZED"):
        export_patches(admin="Cathay/Hubei/Wuhan", month="2019-06", catalog=tables, out=tmp_path / "data", label="none")


def test_units_and_other_places_exclude_each_other():
    with pytest.raises(ValueError, match="--admin says where by itself"):
        plan_map(admin="Hubei", region="hubei", month="2023-06")


@pytest.mark.parametrize("text", ["{", "[]", '{"features": 3}'])
def test_a_damaged_table_is_named(tmp_path, text):
    from local_ee.catalog.folder import FolderCatalog

    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "b.geojson").write_text(text)
    with pytest.raises(ValueError, match=r"b\.geojson is no GeoJSON"):
        FolderCatalog(tmp_path).table("A/b")


def test_a_table_of_a_folder_is_described_as_one(tables):
    from local_ee.catalog.folder import FolderCatalog

    assert FolderCatalog(tables).describe(BOUNDARIES["gaul"].levels[1]).type == "TABLE"
