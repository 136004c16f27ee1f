"""Google's public tables in the simulated world: properties as the catalog's pages say, features by rule."""

from __future__ import annotations

import pytest
from shapely.geometry import Point

from local_ee.world import public_units
from local_ee.world.public_facts import assets

# A point well inside each country, and the capital or city that it is.
CITIES = (
    ("China", 114.3, 30.6), ("United States", -122.42, 37.77), ("Peru", -77.0, -12.0), ("India", 77.2, 28.6),
    ("Germany", 13.4, 52.5), ("France", 2.35, 48.85), ("Kenya", 36.8, -1.3), ("Brazil", -47.9, -15.8),
)  # fmt: skip


def named(rows, column, value):
    return [row for row in rows if row.properties[column] == value]


def at(rows, lon, lat):
    return [row for row in rows if row.geometry.contains(Point(lon, lat))]


@pytest.mark.parametrize(("country", "lon", "lat"), CITIES)
def test_a_city_lies_in_its_country(world, country, lon, lat):
    (row,) = at(world.table("USDOS/LSIB_SIMPLE/2017"), lon, lat)
    assert row.properties["country_na"] == country


def test_countries_do_not_overlap():
    shapes = [unit.outline for unit in public_units.countries()]
    total = sum(shape.area for shape in shapes)
    assert (
        sum(
            left.intersection(right).area
            for i, left in enumerate(shapes)
            for right in shapes[:i]
            if left.intersects(right)
        )
        < 1e-6 * total
    )


def test_states_have_the_codes_of_the_census(world):
    """U.S. Census Bureau: California's state FIPS code is 06, its postal code CA."""
    (row,) = named(world.table("TIGER/2018/States"), "NAME", "California")
    assert (row.properties["STATEFP"], row.properties["STUSPS"], row.properties["GEOID"]) == ("06", "CA", "06")


def test_the_state_of_san_francisco_is_california(world):
    (row,) = at(world.table("TIGER/2016/States"), -122.42, 37.77)
    assert row.properties["NAME"] == "California"


def test_units_of_the_second_level_lie_in_their_first(world):
    (hubei,) = named(world.table("FAO/GAUL/2015/level1"), "ADM1_NAME", "Hubei Sheng")
    cells = named(world.table("FAO/GAUL/2015/level2"), "ADM1_NAME", "Hubei Sheng")
    assert len(cells) > 8 and all(hubei.geometry.buffer(1e-9).contains(cell.geometry) for cell in cells)
    assert sum(cell.geometry.area for cell in cells) == pytest.approx(hubei.geometry.area)


def test_codes_tell_which_units_belong_together(world):
    level1 = {row.properties["ADM1_CODE"]: row.properties["ADM1_NAME"] for row in world.table("FAO/GAUL/2015/level1")}
    rows = world.table("FAO/GAUL_SIMPLIFIED_500m/2015/level2")[:300]
    assert all(level1[row.properties["ADM1_CODE"]] == row.properties["ADM1_NAME"] for row in rows)


@pytest.mark.parametrize(
    ("table", "form"),
    [
        ("WRI/GPPD/power_plants", "Point"),
        ("WCMC/WDPA/current/polygons", "Polygon"),
        ("TIGER/2016/Roads", "LineString"),
        ("WWF/HydroSHEDS/v1/Basins/hybas_6", "Polygon"),
        ("GOOGLE/Research/open-buildings/v3/polygons", "Polygon"),
    ],
)
def test_features_have_the_geometry_of_their_table(world, table, form):
    assert {row.geometry.geom_type for row in world.table(table)} == {form}


def test_basins_leave_no_place_out(world):
    rows = world.table("WWF/HydroSHEDS/v1/Basins/hybas_6")
    assert len(at(rows, 12.34, 47.11)) == len(at(rows, -60.2, -3.1)) == 1


def test_properties_are_those_of_the_page_in_their_types(world):
    """WRI_GPPD_power_plants."""
    row = world.table("WRI/GPPD/power_plants")[0]
    types = {name: type(value) for name, value in row.properties.items()}
    assert types["name"] is str and types["capacitymw"] is float and types["country"] is str
    assert row.properties["longitude"] == pytest.approx(row.geometry.x, abs=1e-4)


@pytest.mark.long
def test_every_table_has_features_that_say_they_are_simulated(world):
    tables = [name for name, asset in assets().items() if asset.form == "table"]
    for name in tables:
        rows = world.table(name)
        plain = {each for each, code in assets()[name].properties if code in "dis"}
        assert rows and all(row.properties["simulated"] == 1 for row in rows), name
        assert plain <= set(rows[0].properties) and all(row.geometry.is_valid for row in rows), name


def test_a_table_is_described_and_an_unknown_one_is_not(world):
    assert world.describe("TIGER/2018/States").type == "TABLE"
    assert world.describe("TIGER/1918/States") is None and world.table("TIGER/1918/States") is None


def test_a_release_of_the_protected_areas_is_there(world):
    """WCMC_WDPA_current_polygons: releases are WCMC/WDPA/YYYYMM/polygons."""
    assert world.describe("WCMC/WDPA/202307/polygons").type == "TABLE"
    assert "WDPAID" in world.table("WCMC/WDPA/202307/polygons")[0].properties


def test_a_collection_of_tables_lists_those_that_scripts_name(world):
    folder = "LARSE/GEDI/GEDI02_A_002"
    (member,) = world.contents(folder)
    assert world.describe(folder).type == "FOLDER" and member.type == "TABLE"
    assert world.table(member.id)[0].geometry.geom_type == "Point"


def test_the_example_of_the_charts_has_its_pages_columns(world):
    """guides/charts_feature: three ecoregions; series are columns such as 01_tmean, warm says whether January is."""
    regions = [row.properties for row in world.table("projects/google/charts_feature_example")]
    assert [row["label"] for row in regions] == ["Desert", "Forest", "Grassland"]
    assert [row["warm"] for row in regions] == [int(row["01_tmean"] > 0) for row in regions]
    assert all(f"{month:02d}_ppt" in row for row in regions for month in range(1, 13))


@pytest.mark.parametrize(
    ("table", "name", "unit", "place"),
    [
        ("FAO/GAUL/2015/level0", "ADM0_NAME", "Holy See", (12.4534, 41.9033)),
        ("FAO/GAUL/2015/level1", "ADM1_NAME", "Amazonas", (-71.5, -1.5)),
    ],
)
def test_a_unit_that_geetools_names_is_where_it_is(world, table, name, unit, place):
    assert len(at(named(world.table(table), name, unit), *place)) == 1
