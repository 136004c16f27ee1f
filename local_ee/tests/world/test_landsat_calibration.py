"""Raw Landsat scenes of the world can be calibrated: their coefficients give reflectances and temperatures."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import ee
import pytest

from local_ee.testing.evaluating import value
from local_ee.world import World
from local_ee.world.landsat_calibration import calibration, sun_elevation

pytestmark = pytest.mark.usefixtures("session")


def test_coefficients_of_both_quantities_agree():
    """A reflectance is pi times the radiance over the sun's irradiance: the ratio is one for slope and intercept."""
    properties = calibration("LT05")
    slopes = properties["REFLECTANCE_MULT_BAND_3"] / properties["RADIANCE_MULT_BAND_3"]
    intercepts = properties["REFLECTANCE_ADD_BAND_3"] / properties["RADIANCE_ADD_BAND_3"]
    assert slopes == pytest.approx(intercepts) == pytest.approx(math.pi / 1536)


@pytest.mark.parametrize(("latitude", "elevation"), [(23.44, 90), (0, 66.56), (60, 53.44)])
def test_at_noon_of_the_solstice_the_sun_is_over_the_tropic(latitude, elevation):
    noon = datetime(2020, 6, 21, 12, tzinfo=UTC)
    assert sun_elevation(noon, 0, latitude) == pytest.approx(elevation, abs=0.1)


def test_by_night_the_sun_is_below_the_horizon():
    assert sun_elevation(datetime(2020, 6, 21, 0, tzinfo=UTC), 0, 10) < 0


@pytest.mark.parametrize(
    ("scene", "band", "least", "most"),
    [
        ("LANDSAT/LC08/C02/T1/LC08_044034_20140318", "B4", 0.0, 0.7),
        ("LANDSAT/LC08/C02/T1/LC08_044034_20140318", "B10", 200, 330),
    ],
)
def test_a_raw_scene_is_calibrated_by_its_own_properties(scene, band, least, most):
    """guides/landsat01.py of Google's samples."""
    toa = ee.Algorithms.Landsat.TOA(ee.Image(scene)).select(band)
    number = value(toa.reduceRegion(ee.Reducer.first(), ee.Geometry.Point([-122.1, 37.3]), 30).get(band), World())
    assert least < number < most


@pytest.mark.parametrize("mission", ["LC08", "LC09", "LE07", "LT05", "LT04"] + [f"LM0{n}" for n in range(1, 6)])
def test_every_mission_says_its_sensor(mission):
    assert calibration(mission)["SENSOR_ID"] in ("OLI_TIRS", "ETM", "TM", "MSS")
