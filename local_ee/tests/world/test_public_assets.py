"""Google's public rasters in the simulated world: ids, bands, types and dates as the catalog's pages say
(https://developers.google.com/earth-engine/datasets/catalog/LANDSAT_LC08_C02_T1_L2 and its kin), pixels by rule."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from shapely.geometry import Point

from local_ee.evaluation import sources
from local_ee.raster.window import Window, crop
from local_ee.world.public_dates import begins
from local_ee.world.public_facts import AssetFacts, BandFacts, assets

SURFACE = "LANDSAT/LC08/C02/T1_L2"
# Scenes that exist, as Google's samples and other projects' tests name them: mission, path and row, day.
REAL = (
    "LANDSAT/LC08/C02/T1_TOA/LC08_044034_20140318",
    "LANDSAT/LC08/C02/T1_L2/LC08_191031_20200104",
    "LANDSAT/LC08/C02/T1_L2/LC08_173083_20180217",
    "LANDSAT/LC09/C02/T1_L2/LC09_173083_20230106",
    "LANDSAT/LC09/C02/T1_L2/LC09_043034_20211116",
    "LANDSAT/LE07/C02/T1_L2/LE07_173083_20220119",
    "LANDSAT/LT05/C02/T1_L2/LT05_173083_20051112",
    "LANDSAT/LT05/C02/T1_TOA/LT05_031034_20110619",
    "LANDSAT/LT04/C02/T1_L2/LT04_173083_19880310",
)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize("name", REAL)
def test_scenes_that_exist_are_there(world, name):
    image = world.image(name)
    assert image is not None and image.properties["DATE_ACQUIRED"].replace("-", "") == name[-8:]


def test_a_scene_of_another_day_is_not_there(world):
    assert world.image(f"{SURFACE}/LC08_044034_20140319") is None


def test_path_44_row_34_holds_san_francisco(world):
    """USGS: the scene of Google's samples."""
    assert world.image(f"{SURFACE}/LC08_044034_20140318").footprint.contains(Point(-122.42, 37.77))


def test_a_place_is_seen_every_16_days(world):
    box = (114.3, 30.5, 114.31, 30.51)
    found = world.images(SURFACE, ms("2020-06-01"), ms("2020-07-03"), box)
    paths = {image.properties["WRS_PATH"] for image in found}
    assert 1 <= len(paths) <= 2
    for path in paths:
        days = sorted(image.properties["system:time_start"] for image in found if image.properties["WRS_PATH"] == path)
        assert np.allclose(np.diff(sorted(set(days))) / 86_400_000, 16, atol=0.1)


def test_surface_reflectance_has_the_bands_of_its_page(world):
    image = world.image(f"{SURFACE}/LC08_044034_20140318")
    names = [band.name for band in image.bands]
    assert names[:7] == [f"SR_B{number}" for number in range(1, 8)]
    assert {"ST_B10", "QA_PIXEL", "QA_RADSAT"} <= set(names)
    assert {band.dtype for band in image.bands if band.name.startswith("SR_B")} == {"uint16"}
    assert image.properties["REFLECTANCE_MULT_BAND_4"] == 2.75e-05


def test_any_cut_of_a_window_gives_the_same_pixels(world):
    image = world.image(f"{SURFACE}/LC08_044034_20140318")
    grid = image.bands[0].grid
    whole, _ = image.read(("SR_B4",), crop(grid, Window(3000, 3000, 6, 8)))
    part, _ = image.read(("SR_B4",), crop(grid, Window(3002, 3003, 2, 4)))
    assert np.array_equal(whole[0, 2:4, 3:7], part[0])


def test_neighbouring_pixels_are_alike_and_far_ones_are_not(world):
    image = world.image("MODIS/061/MOD13A2/2020_06_09")
    values, _ = image.read(("NDVI",), crop(image.bands[0].grid, Window(6000, 20_000, 1, 4000)))
    line = values[0, 0].astype(float)
    assert np.abs(np.diff(line)).mean() < 0.1 * np.ptp(line)


def test_a_listing_is_of_its_time(world):
    found = world.images("MODIS/061/MOD13A2", ms("2020-01-01"), ms("2021-01-01"), None)
    indices = [image.properties["system:index"] for image in found]
    assert len(indices) == 23 and indices[:2] == ["2020_01_01", "2020_01_17"]


def test_a_collection_without_a_filter_has_its_first_image(world):
    first = world.images("MODIS/061/MOD13A2", None, None, None)[0]
    assert first.properties["system:index"] == "2000_02_18"


def first_of(world, name):
    """The image, or the collection's first."""
    return world.image(name) or world.images(name, None, None, None)[0]


@pytest.mark.long
def test_every_asset_has_an_image_that_says_it_is_simulated(world):
    missing = [name for name in world.public_ids if first_of(world, name).properties["simulated"] != 1]
    assert len(world.public_ids) > 950 and missing == []


@pytest.mark.long
def test_the_first_image_of_every_collection_has_an_id_that_is_there(world):
    absent = [name for name in world.public_ids if world.image(first_of(world, name).id) is None]
    assert absent == []


@pytest.mark.long
def test_every_asset_can_be_read_in_its_type(world):
    for name in world.public_ids:
        image = first_of(world, name)
        for band in image.bands[:2]:
            rows, columns = (side // 2 for side in band.grid.shape)
            window = crop(band.grid, Window(rows, columns, 2, 2))
            values, masks = image.read((band.name,), window)
            assert values.dtype == band.dtype and masks.shape == (1, 2, 2), (name, band.name)
            assert np.isfinite(values).all(), (name, band.name)


@pytest.mark.parametrize(
    ("name", "bands", "start", "pixel_m"),
    [
        ("COPERNICUS/S2_SR_HARMONIZED", "B1 B2 B3 B4 B5 B6 B7 B8 B8A B9 B11 B12 AOT WVP SCL", "2017-03-28", 60),
        ("IDAHO_EPSCOR/GRIDMET", "pr rmax rmin sph srad th tmmn tmmx vs", "1979-01-01", 4638.3),
        ("USGS/SRTMGL1_003", "elevation", "2000-02-11", 30),
        ("MODIS/061/MCD12Q1", "LC_Type1 LC_Type2 LC_Type3 LC_Type4 LC_Type5", "2001-01-01", 500),
        ("ECMWF/ERA5_LAND/HOURLY", "dewpoint_temperature_2m temperature_2m skin_temperature", "1950-01-01", 11132),
        ("LANDSAT/LE07/C02/T1_L2", "SR_B1 SR_B2 SR_B3 SR_B4 SR_B5 SR_B7", "1999-05-28", 30),
    ],
)
def test_facts_are_those_of_the_pages(name, bands, start, pixel_m):
    """Bands in their order, the first day and the pixel size, copied by hand from the pages of the Data Catalog."""
    asset = assets()[name]
    names = bands.split()
    assert [band.name for band in asset.bands][: len(names)] == names
    assert f"{asset.start:%Y-%m-%d}" == start and asset.pixel_m == pixel_m


def test_scale_offset_and_unit_are_those_of_the_page():
    """LANDSAT_LC08_C02_T1_L2: 2.75e-05 and -0.2; ST_B10 in K."""
    bands = {band.name: band for band in assets()["LANDSAT/LC08/C02/T1_L2"].bands}
    assert (bands["SR_B4"].scale, bands["SR_B4"].offset) == (2.75e-05, -0.2)
    assert bands["ST_B10"].unit == "K"


def test_pixel_sizes_of_bands_differ_as_on_the_page(world):
    """COPERNICUS_S2_SR_HARMONIZED: bands of 10, 20 and 60 m."""
    sizes = {band.name: band.pixel_m for band in assets()["COPERNICUS/S2_SR_HARMONIZED"].bands}
    assert (sizes["B2"], sizes["B5"], sizes["B1"]) == (10, 20, None)


def test_deprecated_assets_answer_too(world):
    assert assets()["COPERNICUS/S2_SR"].status == "deprecated"
    assert world.describe("USGS/NLCD_RELEASES/2016_REL").type == "IMAGE_COLLECTION"


def test_classes_are_those_of_the_page(world):
    """ESA_WorldCover_v200: eleven classes from 10 to 100, with 95."""
    (band,) = assets()["ESA/WorldCover/v200"].bands
    assert band.classes == (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)


def test_pixels_have_the_classes_of_the_page(world):
    image = first_of(world, "USDA/NASS/CDL")
    grid = image.bands[0].grid
    values, _ = image.read(("cropland",), crop(grid, Window(5000, 5000, 20, 20)))
    assert set(np.unique(values)) <= {int(value) for value in assets()["USDA/NASS/CDL"].bands[0].classes}


@pytest.mark.parametrize(
    ("name", "band", "low", "high"),
    [("ECMWF/ERA5_LAND/HOURLY", "temperature_2m", 220, 325), ("IDAHO_EPSCOR/GRIDMET", "tmmx", 220, 330)],
)
def test_temperatures_look_like_temperatures(world, name, band, low, high):
    image = first_of(world, name)
    values, _ = image.read((band,), crop(image.bands[0].grid, Window(200, 300, 3, 3)))
    assert low < values.min() and values.max() < high


@pytest.mark.parametrize(
    "name",
    [
        "ESA/WorldCover/v100/2020",
        "USGS/NLCD_RELEASES/2016_REL/2016",
        "NOAA/DMSP-OLS/NIGHTTIME_LIGHTS/F182012",
        "USDA/NAIP/DOQQ/m_3712213_sw_10_1_20140613",
        "SKYSAT/GEN-A/PUBLIC/ORTHO/MULTISPECTRAL/s01_20150502T082736Z",
        "ISRIC/SoilGrids250m/v2_0/wv0010",
        "NOAA/GOES/16/FDCF/2019167024053900000",
        "JRC/GHSL/P2023A/GHS_POP/1990",
        "MODIS/061/MOD13A1/2014_05_09",
        "ECMWF/ERA5/MONTHLY/202006",
        "COPERNICUS/S2_HARMONIZED/20160625T100617_20160625T170310_T33UVR",
    ],
)
def test_images_that_googles_scripts_name_are_there(world, name):
    assert world.image(name).id == name


def test_a_named_scene_lies_on_its_tile(world):
    """Tile 10SEG is San Francisco's."""
    image = world.image("COPERNICUS/S2_SR/20210109T185751_20210109T185931_T10SEG")
    assert image.footprint.contains(Point(-122.42, 37.77)) and image.footprint.area < 2


def test_a_month_of_gedi_lies_on_its_tile(world):
    """geedim's tests name it: 18 degrees east, 36 degrees south."""
    image = world.image("LARSE/GEDI/GEDI02_A_002_MONTHLY/202112_018E_036S")
    assert image.footprint.intersects(Point(18, -36)) and image.properties["system:time_start"] == ms("2021-12-01")


@pytest.mark.parametrize("index", ["202113_018E_036S", "201001_018E_036S", "202112_218E_036S", "202112_018E"])
def test_another_month_of_gedi_is_not_there(world, index):
    assert world.image(f"LARSE/GEDI/GEDI02_A_002_MONTHLY/{index}") is None


def test_an_image_in_no_script_and_on_no_step_is_not_there(world):
    assert world.image("MODIS/061/MOD13A1/2014_05_10") is None
    assert world.image("USDA/NAIP/DOQQ/m_1") is None


def test_scenes_come_back_in_their_interval(world):
    """COPERNICUS_S3_OLCI: a revisit interval of 2 days."""
    box = (14.9, 44.9, 15.1, 45.1)
    scenes = world.images("COPERNICUS/S3/OLCI", ms("2020-06-01"), ms("2020-06-15"), box)
    times = [scene.properties["system:time_start"] for scene in scenes]
    assert len(scenes) == len(times) == 7 and set(np.diff(times)) == {2 * 86_400_000}


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("COPERNICUS/S3/OLCI", "2020-06-01", "2020-06-04"),
        ("NASA/HLS/HLSL30/v002", "2020-06-01", "2020-06-02"),
        ("LANDSAT/LC08/C02/T1_L2", "2020-06-01", "2020-06-02"),
        ("MODIS/061/MOD13A2", "2010-01-05", "2013-02-01"),
        ("ECMWF/ERA5_LAND/HOURLY", "2020-02-28", "2020-03-02"),
        ("ECMWF/ERA5_LAND/MONTHLY_AGGR", "1999-05-02", "2003-05-02"),
    ],
)
def test_what_is_counted_is_what_is_listed(world, name, start, end):
    images = world.images(name, ms(start), ms(end), None)
    listed = [image.id for image in images]
    assert len(images) == len(listed) == len(set(listed)) > 0


def test_the_engine_reads_no_facts_when_it_starts():
    """Facts are read when an asset is asked for: the start of the engine does not wait for them."""
    script = "import sys, local_ee.world.public_facts as f; from local_ee.world import World; World(); "
    script += "sys.exit(f._lines.cache_info().currsize)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("unit", "count", "expected"),
    [("month", 1, 12), ("year", 1, 1), ("day", 1, 366), ("day", 8, 46), ("hour", 6, 1464)],
)
def test_images_of_a_year(unit, count, expected):
    start, end = datetime(2000, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)
    asset = AssetFacts(
        "X", False, start, end, count, unit, False, 1000, (-180, -90, 180, 90), (BandFacts("b", "uint8"),)
    )
    year = begins(asset, datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC))
    assert len(year) == expected and year[0] == datetime(2020, 1, 1, tzinfo=UTC)


def test_images_begin_on_the_collections_first_day():
    start = datetime(2000, 2, 18, tzinfo=UTC)
    asset = AssetFacts("X", False, start, start + timedelta(days=40), 16, "day", False, 1, (-1, -1, 1, 1), ())
    assert [f"{each:%j}" for each in begins(asset, start, start + timedelta(days=99))] == ["049", "065", "081"]


def test_an_unknown_id_names_what_is_like_it(world):
    message = sources.not_found("ImageCollection", "MODIS/061/MOD13A9", world).message
    assert "not found (does not exist or caller does not have access)." in message
    assert "MODIS/061/MOD13A2" in message
