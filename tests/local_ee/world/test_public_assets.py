"""Google's public rasters in the simulated world: ids, bands, types and dates as the catalog's pages say
(https://developers.google.com/earth-engine/datasets/catalog/LANDSAT_LC08_C02_T1_L2 and its kin), pixels by rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from shapely.geometry import Point

from local_ee.evaluation import sources
from local_ee.raster.window import Window, crop
from local_ee.world.public_facts import AssetFacts, BandFacts, assets, begins

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
    if name.rpartition("/")[0] not in world.public_ids:
        pytest.skip("not in the list of facts")
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


def test_a_scene_is_clear_by_its_own_bits(world):
    """Landsat 8 Collection 2 data format: bits 0 to 4 are fill and clouds."""
    image = world.image(f"{SURFACE}/LC08_044034_20140318")
    window = crop(image.bands[0].grid, Window(3500, 3500, 4, 4))
    values, masks = image.read(("QA_PIXEL",), window)
    assert masks.all() and not (values & 0b11111).any()


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


def test_every_public_image_says_that_it_is_simulated(world):
    names = [name for name in world.public_ids if assets()[name].is_image]
    assert all(world.image(name).properties["simulated"] == 1 for name in names)


def test_every_band_can_be_read_in_its_type(world):
    for name in world.public_ids:
        if assets()[name].revisits:
            continue
        begin = round(assets()[name].start.timestamp() * 1000)
        days = 2 if assets()[name].unit in ("minute", "hour") else 800
        image = world.image(name) or world.images(name, begin, begin + days * 86_400_000, None)[0]
        for band in image.bands:
            rows, columns = (side // 2 for side in band.grid.shape)
            values, masks = image.read((band.name,), crop(band.grid, Window(rows, columns, 2, 2)))
            assert values.dtype == band.dtype and masks.shape == (1, 2, 2), (name, band.name)


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
