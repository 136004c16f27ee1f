"""Filter.withinDistance: of elements, and as the condition and measure of joins; distances by pyproj."""

from __future__ import annotations

import ee
import pytest
from pyproj import Geod

from local_ee.testing.evaluating import info

pytestmark = pytest.mark.usefixtures("session")
WGS84 = Geod(ellps="WGS84")


def points(*longitudes: float) -> ee.FeatureCollection:
    return ee.FeatureCollection([ee.Feature(ee.Geometry.Point(x, 30), {"x": x}) for x in longitudes])


def apart(first: float, second: float) -> float:
    return WGS84.inv(first, 30, second, 30)[2]


@pytest.mark.parametrize(("distance", "kept"), [(apart(0, 0.2) + 1, [0, 0.1, 0.2]), (apart(0, 0.2) - 1, [0, 0.1])])
def test_elements_within_a_distance_pass(distance, kept):
    near = ee.Filter.withinDistance(distance, ".geo", ee.Geometry.Point(0, 30))
    assert info(points(0, 0.1, 0.2, 1).filter(near).aggregate_array("x")) == kept


def test_a_join_saves_the_nearest_with_its_distance():
    """A Filter.withinDistance: "If used as a join condition, this distance is used as a join measure."."""
    near = ee.Filter.withinDistance(distance=1e5, leftField=".geo", rightField=".geo")
    joined = ee.Join.saveBest("nearest", "metres").apply(points(0), points(0.3, 0.2, 0.25), near)
    nearest = info(ee.Feature(ee.Feature(joined.first()).get("nearest")).toDictionary())
    assert nearest["x"] == 0.2 and nearest["metres"] == pytest.approx(apart(0, 0.2), rel=1e-6)


def test_a_place_inside_is_0_metres_away():
    near = ee.Filter.withinDistance(0, ".geo", ee.Geometry.Rectangle([-1, 29, 1, 31]))
    assert info(points(0, 5).filter(near).size()) == 1
