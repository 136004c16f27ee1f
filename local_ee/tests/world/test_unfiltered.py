"""Collections without a filter: their size, their first images and their limits, as the client asks for them."""

from __future__ import annotations

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import CLIENT, info
from local_ee.world import landsat

pytestmark = CLIENT


@pytest.mark.parametrize(
    ("name", "size"),
    [("MODIS/061/MCD12Q1", 24), ("JRC/GSW1_4/MonthlyHistory", 454), ("WORLDCLIM/V1/MONTHLY", 12)],
)
def test_size_without_a_filter(world, name, size):
    """From the dates and intervals of the catalog's pages; MCD12Q1 from 2001 on, as long as the world lasts."""
    assert info(ee.ImageCollection(name).size(), world) == size


def test_an_hourly_collection_is_counted_without_being_listed(world):
    """ECMWF_ERA5_LAND_HOURLY from 1950-01-01T01:00 on: one image an hour until the end of 2024."""
    hours = (75 * 365 + 19) * 24
    assert info(ee.ImageCollection("ECMWF/ERA5_LAND/HOURLY").size(), world) == hours - 1


@pytest.mark.parametrize("name", ["COPERNICUS/S3/OLCI", "NOAA/GOES/16/MCMIPF", "LANDSAT/LC08/C02/T1_L2"])
def test_the_first_image_without_a_filter(world, name):
    first = info(ee.ImageCollection(name).first().id(), world)
    assert info(ee.Image(f"{name}/{first}").bandNames().size(), world) > 3


def test_the_first_image_of_a_mapped_collection(world):
    assert info(ee.ImageCollection("ECMWF/ERA5_LAND/HOURLY").select("temperature_2m").first().bandNames(), world) == [
        "temperature_2m"
    ]


def test_the_first_scenes_of_a_day_are_made_alone(world, monkeypatch):
    """Xee asks for the first 64 of 1,800 scenes a day of Landsat; all of them took 12 s to make."""
    made: list[str] = []
    image = landsat._image
    monkeypatch.setattr(landsat, "_image", lambda *scene: made.append(scene[1]) or image(*scene))
    day = ee.ImageCollection("LANDSAT/LC08/C02/T1").filterDate("2017-01-01", "2017-01-02")
    assert info(day.limit(3).aggregate_array("system:index").size(), world) == 3
    assert len(made) == 3


def test_a_limit_without_a_filter(world):
    collection = ee.ImageCollection("ECMWF/ERA5_LAND/HOURLY").limit(3)
    assert info(collection.aggregate_array("system:index"), world) == ["19500101T01", "19500101T02", "19500101T03"]


def test_a_list_without_a_filter(world):
    images = ee.ImageCollection("MODIS/061/MOD13A2").toList(2, 5)
    assert info(ee.Image(images.get(0)).id(), world) == "2000_05_08"


def test_too_many_images_to_print_are_refused_in_googles_words(world):
    with pytest.raises(EngineError, match="aborted after accumulating over 5000 elements"):
        info(ee.ImageCollection("ECMWF/ERA5_LAND/HOURLY"), world)


def test_images_of_some_bands_are_counted_as_all_are(world):
    """geetools' test_dateRange_with_daterange: a year of Landsat 8 after select()."""
    collection = ee.ImageCollection("LANDSAT/LC08/C02/T1").filterDate("2018-01-01", "2019-01-01")
    assert info(collection.select(["B4", "B5"]).size(), world) == info(collection.size(), world) > 30_000


def test_too_many_images_to_compute_with_ask_for_filters(world):
    with pytest.raises(EngineError, match=r"Computation timed out.*filter it by date"):
        info(ee.ImageCollection("ECMWF/ERA5_LAND/HOURLY").sort("system:time_start", False).size(), world)


def test_a_feature_of_a_public_table(world):
    states = ee.FeatureCollection("TIGER/2018/States").filter(ee.Filter.eq("NAME", "Nevada"))
    assert info(states.first().get("STATEFP"), world) == "32"


@pytest.mark.parametrize(
    "asset",
    [ee.Image, ee.ImageCollection, ee.FeatureCollection],
)
def test_unknown_ids_are_refused_in_googles_words(world, asset):
    with pytest.raises(EngineError, match=r"asset 'NASA/NO_SUCH/ID' not found \(does not exist or caller does not"):
        info(asset("NASA/NO_SUCH/ID"), world)


def test_a_composite_of_landsat_has_no_grid_of_its_own(world):
    """guides/projections: a composite is in EPSG:4326 with pixels of a degree; it has no footprint."""
    composite = ee.Image("LANDSAT/COMPOSITES/C02/T1_L2_8DAY_NDVI/20211211")
    (band,) = info(composite, world)["bands"]
    assert (band["crs"], band["crs_transform"]) == ("EPSG:4326", [1, 0, 0, 0, 1, 0]) and "dimensions" not in band
    assert "system:footprint" not in info(composite, world)["properties"]
    assert info(composite.geometry().isUnbounded(), world)


def test_a_composite_of_landsat_has_pixels_where_they_are_asked_for(world):
    composite = ee.Image("LANDSAT/COMPOSITES/C02/T1_L2_8DAY_NDVI/20211211")
    near = ee.Geometry.Point([20, -30]).buffer(200)
    values = info(composite.reduceRegion(ee.Reducer.count(), near, 30), world)
    assert 100 < values["NDVI"] < 200


def test_scenes_of_a_path_and_row_are_listed_where_they_lie(world):
    """guides/reducers_reduce_image_collection: WRS_PATH 44, WRS_ROW 34 and dates, no bounds."""
    scenes = ee.ImageCollection("LANDSAT/LC08/C02/T1_TOA").filterDate("2014-03-01", "2014-08-01")
    chosen = scenes.filter(ee.Filter.eq("WRS_PATH", 44)).filter(ee.Filter.eq("WRS_ROW", 34))
    names = info(chosen.aggregate_array("system:index"), world)
    assert names[:2] == ["LC08_044034_20140302", "LC08_044034_20140318"]
    assert len(names) == 10  # every 16 days


def test_scenes_of_a_tile_are_listed_where_it_lies(world):
    june = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterDate("2019-06-01", "2019-07-01")
    named = june.filter(ee.Filter.eq("MGRS_TILE", "50RKU"))
    near = june.filterBounds(ee.Geometry.Point(114.9, 30.3)).filter(ee.Filter.eq("MGRS_TILE", "50RKU"))
    indices = info(named.aggregate_array("system:index"), world)
    assert indices == info(near.aggregate_array("system:index"), world) and len(indices) > 5


@pytest.mark.parametrize(("path", "row"), [(0, 34), (44, 500), (44.5, 34)])
def test_a_path_and_row_that_is_not_there_has_no_place(path, row):
    assert landsat.bounds_of(path, row) is None


def test_half_of_the_images_look_in_each_direction(world):
    """datasets/catalog/JAXA_GCOM-C_L3_LAND_LAI_V3 filters SATELLITE_DIRECTION by 'D' (descending)."""
    month = ee.ImageCollection("JAXA/GCOM-C/L3/LAND/LAI/V3").filterDate("2021-12-01", "2022-01-01")
    counts = info(month.aggregate_histogram("SATELLITE_DIRECTION"), world)
    assert set(counts) == {"A", "D"} and min(counts.values()) > 5
