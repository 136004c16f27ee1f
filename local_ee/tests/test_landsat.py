"""Landsat scenes (guides/landsat): radiances and temperatures by the handbook's formulas, cloud scores, composites."""

from __future__ import annotations

import math

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels, value

pytestmark = pytest.mark.usefixtures("session")

ROLES = ("B2", "B3", "B4", "B5", "B6", "B7", "B10")  # blue, green, red, near and short-wave infrared, thermal
PROPERTIES = {"SUN_ELEVATION": 30.0, "SENSOR_ID": "OLI_TIRS", "K1_CONSTANT_BAND_10": 774.8853}
PROPERTIES |= {"K2_CONSTANT_BAND_10": 1321.0789, "RADIANCE_MULT_BAND_10": 3.342e-4, "RADIANCE_ADD_BAND_10": 0.1}
PROPERTIES |= {f"REFLECTANCE_MULT_BAND_{n}": 2e-5 for n in range(2, 8)}
PROPERTIES |= {f"REFLECTANCE_ADD_BAND_{n}": -0.1 for n in range(2, 8)}
PROPERTIES |= {"RADIANCE_MULT_BAND_4": 0.01, "RADIANCE_ADD_BAND_4": -50.0}
CLEAR, CLOUD = (0.05, 0.08, 0.07, 0.3, 0.2, 0.1, 300), (0.5, 0.5, 0.5, 0.55, 0.4, 0.3, 280)


def raw(reflectances: tuple[float, ...], **properties: object) -> ee.Image:
    """A raw scene that TOA turns into these reflectances and this temperature, and a band of quality."""
    numbers = [(each * math.sin(math.radians(30)) + 0.1) / 2e-5 for each in reflectances[:-1]]
    radiance = PROPERTIES["K1_CONSTANT_BAND_10"] / (math.exp(PROPERTIES["K2_CONSTANT_BAND_10"] / reflectances[-1]) - 1)
    numbers.append((radiance - 0.1) / 3.342e-4)
    image = ee.Image([*map(round, numbers), 7]).toUint16().rename([*ROLES, "QA_PIXEL"])
    return image.set({**PROPERTIES, **properties})


def toa(reflectances: tuple[float, ...]) -> ee.Image:
    return ee.Image(list(reflectances)).rename(list(ROLES)).set("SENSOR_ID", "OLI_TIRS")


def at(image: ee.Image, name: str) -> float:
    return float(pixels(image.select(name))[0, 0])


def test_radiance_is_a_line_of_the_numbers():
    """RADIANCE_MULT x Q + RADIANCE_ADD (LSDS-1574, section 5.1)."""
    radiance = ee.Algorithms.Landsat.calibratedRadiance(raw(CLEAR))
    number = at(raw(CLEAR), "B4")
    assert at(radiance, "B4") == pytest.approx(0.01 * number - 50, rel=1e-6)


def test_translate_metadata_does_nothing():
    """A: "Does nothing." """
    image = raw(CLEAR)
    translated = ee.Image(ee.ApiFunction.call_("Landsat.translateMetadata", image))  # the client hides it
    assert info(translated) == info(image)
    assert at(translated, "B4") == at(image, "B4")


def test_quality_stays_as_it_is():
    assert at(ee.Algorithms.Landsat.TOA(raw(CLEAR)), "QA_PIXEL") == 7


@pytest.mark.parametrize(("name", "reflectance"), list(zip(ROLES[:-1], CLEAR[:-1], strict=True)))
def test_reflectance_is_that_of_a_sun_overhead(name, reflectance):
    assert at(ee.Algorithms.Landsat.TOA(raw(CLEAR)), name) == pytest.approx(reflectance, abs=3e-5)


def test_thermal_numbers_are_temperatures():
    assert at(ee.Algorithms.Landsat.TOA(raw(CLEAR)), "B10") == pytest.approx(300, abs=0.05)


def test_an_image_without_coefficients_is_refused():
    with pytest.raises(EngineError, match="REFLECTANCE_MULT_BAND_N"):
        value(ee.Algorithms.Landsat.TOA(ee.Image([1, 2]).rename(["B1", "B2"])))


def test_the_score_is_a_band_more():
    assert info(ee.Algorithms.Landsat.simpleCloudScore(toa(CLEAR)).bandNames()) == [*ROLES, "cloud"]


@pytest.mark.parametrize(
    ("reflectances", "score"),
    [
        (CLEAR, 0),
        (CLOUD, 100),  # NDSI 0.11 is far below 0.6
        ((0.2, *CLOUD[1:]), 50),  # blue half way from 0.1 to 0.3
        ((*CLOUD[:-1], 292), 80),  # two tenths of the way from 290 K to 300 K are missing
        ((0.5, 0.5, 0.5, 0.55, 0.1, 0.1, 280), 67),  # NDSI 2/3, of 0.8 to 0.6
    ],
)
def test_the_least_of_all_signs_of_clouds_counts(reflectances, score):
    assert at(ee.Algorithms.Landsat.simpleCloudScore(toa(reflectances)), "cloud") == score


def test_an_unknown_sensor_is_refused():
    with pytest.raises(EngineError, match="set the property SENSOR_ID"):
        value(ee.Algorithms.Landsat.simpleCloudScore(toa(CLEAR).set("SENSOR_ID", "MSS")))


def scenes() -> ee.ImageCollection:
    """Two clear looks and a cloudy one."""
    brighter = (0.07, 0.1, 0.09, 0.32, 0.22, 0.12, 310)
    return ee.ImageCollection([raw(CLEAR), raw(CLOUD), raw(brighter)])


def test_a_composite_leaves_clouds_out():
    composite = ee.Algorithms.Landsat.simpleComposite(scenes(), asFloat=True)
    assert at(composite, "B2") == pytest.approx((0.05 + 0.07) / 2, abs=1e-4)
    assert at(composite, "B10") == pytest.approx(305, abs=0.05)


def test_a_wider_range_of_scores_takes_clouds():
    composite = ee.Algorithms.Landsat.simpleComposite(scenes(), cloudScoreRange=100, percentile=100, asFloat=True)
    assert at(composite, "B2") == pytest.approx(0.5, abs=1e-4)


def test_bytes_are_reflectances_times_255_and_kelvins_less_100():
    composite = ee.Algorithms.Landsat.simpleComposite(scenes())
    assert (at(composite, "B6"), at(composite, "B10")) == (round(0.21 * 255), 205)


def test_a_composite_has_the_calibrated_bands():
    assert info(ee.Algorithms.Landsat.simpleComposite(scenes()).bandNames()) == list(ROLES)


def test_the_clearest_scenes_of_each_path_and_row_are_kept():
    covers = [(44, 34, 90), (44, 34, 10), (44, 34, 50), (45, 34, 99)]
    images = [raw(CLEAR, WRS_PATH=path, WRS_ROW=row, CLOUD_COVER=cover) for path, row, cover in covers]
    limited = ee.Algorithms.Landsat.pathRowLimit(ee.ImageCollection(images), 2)
    assert info(limited.aggregate_array("CLOUD_COVER")) == [10, 50, 99]


def test_the_total_keeps_the_clearest_of_all():
    images = [raw(CLEAR, WRS_PATH=path, WRS_ROW=1, CLOUD_COVER=cover) for path, cover in ((1, 30), (2, 20), (3, 10))]
    limited = ee.Algorithms.Landsat.pathRowLimit(ee.ImageCollection(images), 25, 2)
    assert info(limited.aggregate_array("CLOUD_COVER")) == [20, 10]
