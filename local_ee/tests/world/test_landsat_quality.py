"""Clouds of Landsat's scenes: the quality bands agree with CLOUD_COVER, with each other and with the sun."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from local_ee.raster.window import Window, crop
from local_ee.world.landsat_calibration import sun_azimuth
from local_ee.world.landsat_quality import CLOUD, SHADOW, SceneClouds

SCENES = (
    "LANDSAT/LC08/C02/T1_L2",
    "LANDSAT/LC09/C02/T1_TOA",
    "LANDSAT/LE07/C02/T1_L2",
    "LANDSAT/LT05/C02/T1",
)
PLACE = (114.2, 30.5, 114.3, 30.6)
DAYS = {"LT05": ("2000-05-01", "2000-09-01"), "": ("2022-05-01", "2022-09-01")}
SUN = (140.0, 45.0)
BOX = (5.0, 45.0, 7.0, 46.5)


def scene(world, collection):
    """A scene of a summer near Wuhan that is neither clear nor overcast."""
    start, end = (int(np.datetime64(day, "ms").astype(int)) for day in DAYS.get(collection.split("/")[1], DAYS[""]))
    images = world.images(collection, start, end, PLACE)
    return next(image for image in images if 20 < image.properties["CLOUD_COVER"] < 80)


def coarse(image, names, factor=32):
    """Values and masks of bands all over a scene, a point in 32 x 32."""
    grid = image.bands[0].grid
    shape = (grid.shape[0] // factor, grid.shape[1] // factor)
    return image.read(names, GeoBox(shape, grid.affine * grid.affine.scale(factor), grid.crs))


@pytest.mark.parametrize("name", SCENES)
def test_clouds_cover_what_the_scene_says(world, name):
    """QA_PIXEL's page: bit 3 is cloud; CLOUD_COVER is the percentage of the scene under cloud."""
    image = scene(world, name)
    values, masks = coarse(image, ("QA_PIXEL",))
    share = ((values[masks] & 8) > 0).mean() * 100
    assert share == pytest.approx(image.properties["CLOUD_COVER"], abs=3)


@pytest.mark.parametrize("name", SCENES)
def test_clear_pixels_have_none_of_the_bits_of_clouds(world, name):
    """QA_PIXEL's page: bit 6 is set where neither bit 1 (dilated cloud) nor bit 3 (cloud) is."""
    values, masks = coarse(scene(world, name), ("QA_PIXEL",))
    clear = (values[masks] & 64) > 0
    assert clear.any() and not (values[masks][clear] & 0b1010).any()


def test_high_confidence_goes_with_each_bit(world):
    """QA_PIXEL's page: bits 8-9, 10-11 and 14-15 are 3 where cloud, shadow and cirrus are sure."""
    values, _ = coarse(scene(world, SCENES[0]), ("QA_PIXEL",))
    for bit, confidence in ((3, 8), (4, 10), (2, 14)):
        sure = values[(values >> bit) & 1 == 1]
        assert sure.size > 0 and ((sure >> confidence) & 3 == 3).all()


def test_aerosol_is_high_by_clouds_only(world):
    """SR_QA_AEROSOL's page: bits 6-7 are the level, 3 is high."""
    quality, aerosol = coarse(scene(world, SCENES[0]), ("QA_PIXEL", "SR_QA_AEROSOL"))[0].astype(int)
    high = aerosol >> 6 == 3
    assert high[quality & 8 > 0].all() and 0 < high.mean() < 1


def test_landsat_7_says_the_same_twice(world):
    """SR_CLOUD_QA's page: bit 1 is cloud, bit 2 its shadow."""
    quality, older = coarse(scene(world, SCENES[2]), ("QA_PIXEL", "SR_CLOUD_QA"))[0].astype(int)
    np.testing.assert_array_equal(quality & 8 > 0, older & 2 > 0)
    np.testing.assert_array_equal(quality & 16 > 0, older & 4 > 0)


def test_any_cut_shows_the_same_clouds(world):
    image = scene(world, SCENES[0])
    grid = image.bands[0].grid
    all_of_it, _ = image.read(("QA_PIXEL",), crop(grid, Window(3000, 3000, 60, 80)))
    corner, _ = image.read(("QA_PIXEL",), crop(grid, Window(3020, 3030, 20, 40)))
    np.testing.assert_array_equal(all_of_it[0, 20:40, 30:70], corner[0])


def test_shadows_lie_away_from_the_sun():
    """A cloud 1500 m high under a sun at 45 degrees throws its shadow 1500 m off."""
    clouds = SceneClouds("LC08_000000_20200101", 20.0, SUN, BOX)
    lon, lat = np.meshgrid(np.linspace(5.5, 6.0, 150), np.linspace(45.5, 45.9, 150))
    shadowed = clouds.states(lon, lat) == SHADOW
    east, north = 1500 * np.sin(np.radians(SUN[0])) / 111_319.49, 1500 * np.cos(np.radians(SUN[0])) / 111_319.49
    toward = clouds.states(lon + east / np.cos(np.radians(45.75)), lat + north)
    assert shadowed.any() and (toward[shadowed] == CLOUD).mean() > 0.99


@pytest.mark.parametrize(("cover", "share"), [(0.0, 0.0), (100.0, 1.0)])
def test_no_cover_is_no_cloud_and_all_is_all(cover, share):
    clouds = SceneClouds("LC08_000000_20200101", cover, SUN, BOX)
    lon, lat = np.meshgrid(np.linspace(5.1, 6.9, 60), np.linspace(45.1, 46.4, 60))
    assert (clouds.states(lon, lat) == CLOUD).mean() == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize(("lat", "low", "high"), [(45.0, 90, 180), (-45.0, 0, 90)])
def test_the_morning_sun_stands_in_the_east(world, lat, low, high):
    """At 10 in the morning: in the south-east in the north, in the north-east in the south."""
    assert low < sun_azimuth(datetime(2020, 3, 21, 10, tzinfo=UTC), 0.0, lat) < high
