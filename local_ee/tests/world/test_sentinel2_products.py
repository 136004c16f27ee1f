"""Sentinel-2's four collections: the same scenes with the numbers and bands of each one's page."""

from __future__ import annotations

import numpy as np
import pytest

from local_ee.world.atmosphere import optical_depth, path_reflectance
from local_ee.world.public_facts import assets
from tests.support.places import WUHAN_WSEN, Month
from tests.support.world_pixels import short
from tests.support.world_spots import COUNTRY, HANKOU, window

SR, S2 = "COPERNICUS/S2_SR", "COPERNICUS/S2"
SR_HARMONIZED, S2_HARMONIZED = f"{SR}_HARMONIZED", f"{S2}_HARMONIZED"
# Digests of a clear window of S2_SR_HARMONIZED, written before the other products shared its scenes.
CLEAR = {"B1": "9fd810c4a8ce04a2", "B2": "873d092f1d9c19f0", "B8": "b4b141a78e900b4e", "B11": "d52be96ba193503d"}
CLEAR |= {"SCL": "b78a90e5cbf34d1a"}
OLD, NEW, NEWEST = Month(2020, 6), Month(2022, 6), Month(2024, 6)


def scene_in(world, collection, period):
    """The first scene on the tile of Hankou's window."""
    images = world.images(collection, period.start_ms, period.end_ms, WUHAN_WSEN)
    return next(image for image in images if image.properties["MGRS_TILE"] == "50RKU")


def pixels(world, collection, period, name, spot=HANKOU):
    image = scene_in(world, collection, period)
    return image.read((name,), window(image, name, spot, (40, 50)))


def values_of(world, collection, period, name):
    return pixels(world, collection, period, name)[0][0].astype(int)


@pytest.mark.parametrize("name", CLEAR)
def test_pixels_of_the_harmonized_ground_stay_as_they_were(world, name):
    values, masks = pixels(world, SR_HARMONIZED, OLD, name)
    assert masks.all() and short(values, masks) == CLEAR[name]


@pytest.mark.parametrize("collection", [SR, S2, S2_HARMONIZED])
def test_collections_hold_the_same_scenes(world, collection):
    """S2_CLOUD_PROBABILITY's page joins its images with theirs by system:index."""
    listed = [
        [image.properties["system:index"] for image in world.images(name, OLD.start_ms, OLD.end_ms, WUHAN_WSEN)]
        for name in (collection, "COPERNICUS/S2_CLOUD_PROBABILITY")
    ]
    assert listed[0] == listed[1] != []


@pytest.mark.parametrize(("collection", "harmonized"), [(SR, SR_HARMONIZED), (S2, S2_HARMONIZED)])
def test_numbers_before_2022_are_those_of_the_harmonized(world, collection, harmonized):
    np.testing.assert_array_equal(values_of(world, collection, OLD, "B4"), values_of(world, harmonized, OLD, "B4"))


@pytest.mark.parametrize(
    ("collection", "harmonized", "name"),
    [(SR, SR_HARMONIZED, "B4"), (SR, SR_HARMONIZED, "B11"), (S2, S2_HARMONIZED, "B8"), (S2, S2_HARMONIZED, "B10")],
)
def test_numbers_since_2022_are_higher_by_1000(world, collection, harmonized, name):
    """Pages of S2_SR and S2: processing baseline 04.00."""
    higher = values_of(world, collection, NEW, name) - values_of(world, harmonized, NEW, name)
    assert set(np.unique(higher)) == {1000}


@pytest.mark.parametrize("name", ["SCL", "AOT", "MSK_CLDPRB", "TCI_R"])
def test_what_is_no_reflectance_is_not_shifted(world, name):
    np.testing.assert_array_equal(values_of(world, SR, NEW, name), values_of(world, SR_HARMONIZED, NEW, name))


def test_bands_of_level_2a_are_those_of_the_page(world):
    names = [band.name for band in scene_in(world, SR_HARMONIZED, OLD).bands]
    assert names[:12] == ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"]
    assert names[12:] == [
        "AOT", "WVP", "SCL", "TCI_R", "TCI_G", "TCI_B", "MSK_CLDPRB", "MSK_SNWPRB", "QA10", "QA20", "QA60",
        "MSK_CLASSI_OPAQUE", "MSK_CLASSI_CIRRUS", "MSK_CLASSI_SNOW_ICE",
    ]  # fmt: skip


def test_bands_of_level_1c_are_those_of_the_page(world):
    names = [band.name for band in scene_in(world, S2, OLD).bands]
    assert names[9:] == [
        "B9", "B10", "B11", "B12", "QA10", "QA20", "QA60", "MSK_CLASSI_OPAQUE", "MSK_CLASSI_CIRRUS",
        "MSK_CLASSI_SNOW_ICE",
    ]  # fmt: skip


def test_air_brightens_dark_ground_in_the_blue(world):
    """Rayleigh's scattering of sunlight in June: some .08 of reflectance at 443 nm, a tenth of that at 833 nm."""
    blue = values_of(world, S2_HARMONIZED, OLD, "B1") - values_of(world, SR_HARMONIZED, OLD, "B1")
    near = values_of(world, S2_HARMONIZED, OLD, "B8") - values_of(world, SR_HARMONIZED, OLD, "B8")
    assert 0 < np.median(blue) < 900 and np.median(near) < 0


def test_the_optical_depth_of_air_is_that_of_the_tables():
    """Bodhaine et al. (1999), On Rayleigh optical depth calculations: about .097 at 550 nm and .36 at 400 nm."""
    assert optical_depth(0.55) == pytest.approx(0.097, rel=0.02)
    assert optical_depth(0.40) == pytest.approx(0.36, rel=0.02)


def test_a_lower_sun_shines_through_more_air():
    assert path_reflectance("B2", 60) > 1.2 * path_reflectance("B2", 20)


def test_cirrus_does_not_see_the_ground(world):
    """B10, 1375 nm: water vapour takes all light of the ground; under a clear sky only noise is left."""
    city, country = (pixels(world, S2_HARMONIZED, OLD, "B10", spot)[0][0].astype(float) for spot in (HANKOU, COUNTRY))
    clear = [field[field < 60] for field in (city, country)]
    assert all(field.size > 100 for field in clear)
    assert abs(clear[0].mean() - clear[1].mean()) < 2


@pytest.mark.parametrize(("period", "valid"), [(OLD, False), (NEW, False), (NEWEST, True)])
def test_cloud_classes_begin_in_2024(world, period, valid):
    """S2_SR_HARMONIZED's page: masked out before February 2024. geedim's test_projection: they have no grid then."""
    image = scene_in(world, SR_HARMONIZED, period)
    band = next(each for each in image.bands if each.name == "MSK_CLASSI_OPAQUE")
    assert (band.grid.crs == image.bands[0].grid.crs) == valid
    box = window(image, band.name, HANKOU, (40, 50)) if valid else band.grid
    assert image.read((band.name,), box)[1].all() == valid


def test_cloud_classes_agree_with_qa60(world):
    """S2_SR_HARMONIZED's page: QA60 is made of the bands MSK_CLASSI since 2024-02-28."""
    images = world.images(SR_HARMONIZED, NEWEST.start_ms, NEWEST.end_ms, WUHAN_WSEN)
    opaque, cirrus = [], []
    for image in (image for image in images if image.properties["MGRS_TILE"] == "50RKU"):
        box = window(image, "QA60", HANKOU, (60, 60))
        bits, opacity, thin = image.read(("QA60", "MSK_CLASSI_OPAQUE", "MSK_CLASSI_CIRRUS"), box)[0]
        np.testing.assert_array_equal(bits, opacity * 1024 + thin * 2048)
        opaque.append(opacity.mean())
        cirrus.append(thin.mean())
    assert max(opaque) > 0 and max(cirrus) > 0


def test_true_colours_saturate_at_a_fifth(world):
    """ESA's Level-2A format: 255 is a reflectance of 0.2."""
    red, colour = (values_of(world, SR_HARMONIZED, OLD, name) for name in ("B4", "TCI_R"))
    np.testing.assert_array_equal(colour, np.minimum(np.rint(red * 255 / 2000), 255))


def test_a_scene_is_seen_from_within_the_swath(world):
    """ESA: a swath of 290 km from 786 km: at most some 11 degrees from the zenith, and its neighbours' overlap."""
    images = world.images(S2, OLD.start_ms, OLD.end_ms, WUHAN_WSEN)
    angles = {image.properties["MEAN_INCIDENCE_ZENITH_ANGLE_B8"] for image in images}
    assert 0 <= min(angles) < max(angles) < 14


def test_the_sun_is_brightest_in_january(world):
    """The Earth is nearest to the sun on about 3 January: 3.4 % more light than the mean."""
    january, june = (
        scene_in(world, S2, month).properties["REFLECTANCE_CONVERSION_CORRECTION"] for month in (Month(2020, 1), OLD)
    )
    assert january == pytest.approx(1.034, abs=0.001) and june < 0.98


@pytest.mark.parametrize("collection", [SR, S2])
def test_properties_have_the_names_of_the_page(world, collection):
    names = set(scene_in(world, collection, OLD).properties) - {"simulated"}
    listed = {name for name, _ in assets()[collection].properties}
    assert names - listed == {"system:index", "system:time_start", "system:time_end"}
