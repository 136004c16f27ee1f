"""No argument is accepted and ignored, unless ignoring it changes no documented result."""

from __future__ import annotations

import dis
import inspect

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.evaluation import registry
from local_ee.testing.evaluating import CLIENT, info, value
from local_ee.testing.scenes import month, utm

pytestmark = CLIENT

WITHOUT_EFFECT = {
    "maxError": "results are exact, which is within any error",
    "maxBuckets": "medians, modes and percentiles are exact",
    "minBucketWidth": "medians, modes and percentiles are exact",
    "maxRaw": "medians, modes and percentiles are exact",
    "parallelScale": "says how the work is spread over machines",
    "tileScale": "says how the work is spread over machines",
    "optimization": "says how the same values are computed",
    **dict.fromkeys(
        ("maxCandidates", "periodicPruning", "minDensity", "t1", "t2"), "of canopies, which are refused when asked for"
    ),
    **dict.fromkeys(("fast", "preserveOrder", "useKD"), "says how fast the same clusters are found"),
    "initialStepSize": "says how the same minimum is searched for",
    "geometryKey": "Google's list: Obsolete; has no effect.",
}


def unused(function) -> set[str]:
    """Parameters that the function's code never reads."""
    code = inspect.unwrap(function).__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    read = {step.argval for step in dis.get_instructions(code) if step.opname.startswith("LOAD_")}
    return set(names) - read - set(code.co_cellvars)


@pytest.mark.parametrize("name", registry.names())
def test_every_argument_is_used(name):
    assert unused(registry.find(name).function) <= set(WITHOUT_EFFECT)


def test_the_scan_sees_an_ignored_argument():
    assert unused(lambda used, ignored: used) == {"ignored"}


def test_distances_on_the_sphere_and_on_the_ellipsoid():
    """A degree of latitude at 45 N: 111,132 m on WGS84, 111,195 m on the sphere of the mean radius."""
    south, north = ee.Geometry.Point([10, 44.5]), ee.Geometry.Point([10, 45.5])
    assert info(south.distance(north)) == pytest.approx(111_132, abs=2)
    assert info(south.distance(north, spherical=True)) == pytest.approx(111_195, abs=2)


def test_the_edges_of_a_feature_in_a_projection():
    feature = ee.Feature(ee.Geometry.Polygon([[0, 0], [1, 0], [1, 1]]))
    assert info(feature.geometry(1, "EPSG:4326", False).geodesic()) is False


def test_another_version_of_an_image_is_not_found():
    catalog = month(1, utm(20, 20))
    name = info(ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").first(), catalog)["id"]
    assert info(ee.Image(name, -1).bandNames(), catalog)
    with pytest.raises(EngineError, match="not found"):
        value(ee.Image(name, 7), catalog)


def test_a_transform_as_text_is_the_transform():
    projection = ee.Projection("EPSG:32650", [10, 0, 200000, 0, -10, 3400000])
    again = ee.Projection("EPSG:32650", None, projection.transform())
    assert info(again)["transform"] == [10, 0, 200000, 0, -10, 3400000]


def test_a_wkt_that_names_its_code_is_that_code():
    import pyproj

    assert info(ee.Projection(pyproj.CRS("EPSG:27572").to_wkt("WKT1_GDAL")).crs()) == "EPSG:27572"
