"""Images of features (apidocs ee-featurecollection-reducetoimage, ee-featurecollection-distance), against Shapely and
distances on a sphere."""

from __future__ import annotations

from itertools import pairwise

import ee
import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from local_ee.errors import EngineError
from local_ee.testing.evaluating import CLIENT, info, pixels
from local_ee.testing.scenes import utm

pytestmark = CLIENT

GRID = utm(12, 14)
LEFT, TOP = GRID.affine.c, GRID.affine.f
SHAPES_XY = [  # in metres from the corner, downwards negative
    shapely.Polygon([(12, -13), (71, -22), (64, -88), (18, -57)]),
    shapely.Polygon([(50, -40), (118, -47), (96, -109), (53, -96)]),
    shapely.LineString([(5, -111), (63, -73), (131, -78)]),
    shapely.Point(104, -23),
    shapely.Point(101, -27),
]
NUMBERS = [3, 5.5, 7, 2, 4]


def features() -> ee.FeatureCollection:
    placed = [shapely.transform(shape, lambda xy: xy + np.array([LEFT, TOP])) for shape in SHAPES_XY]
    return ee.FeatureCollection(
        [ee.Feature(geometry(shape), {"n": n, "m": n * n}) for shape, n in zip(placed, NUMBERS, strict=True)]
    )


def geometry(shape: shapely.Geometry) -> ee.Geometry:
    described = shapely.geometry.mapping(shape) | {"crs": {"type": "name", "properties": {"name": "EPSG:32650"}}}
    return ee.Geometry(described, None, None if shape.geom_type == "Point" else False)


def members(row: int, col: int) -> list[int]:
    """The shapes that a pixel meets; of an area it must hold a part."""
    pixel = box(10 * col, -10 * row - 10, 10 * col + 10, -10 * row)
    return [i for i, shape in enumerate(SHAPES_XY) if shape.intersects(pixel) and not shape.touches(pixel)]


@pytest.mark.parametrize(
    ("reducer", "compute"), [("sum", np.sum), ("first", lambda v: v[0]), ("max", np.max), ("median", np.median)]
)
def test_properties_of_all_features_of_a_pixel_are_reduced(reducer, compute):
    image = features().reduceToImage(["n"], getattr(ee.Reducer, reducer)())
    assert info(image.bandNames()) == [reducer]
    found = pixels(image, grid=GRID)
    for row, col in np.ndindex(*GRID.shape):
        own = [NUMBERS[i] for i in members(row, col)]
        assert (found[row, col] is np.ma.masked) == (not own)
        if own:
            assert found[row, col] == pytest.approx(compute(own))
    assert (found.filled(0) > 0).sum() > 60


def test_a_reducer_of_two_properties():
    """sum(n * w) / sum(w) would need weights; linearFit of m = n * n over two points is a line through both."""
    image = features().reduceToImage(["n", "m"], ee.Reducer.linearFit())
    found = pixels(image.select("scale"), grid=GRID)
    row, col = next((r, c) for r, c in np.ndindex(*GRID.shape) if members(r, c) == [0, 1])
    assert found[row, col] == pytest.approx((5.5**2 - 3**2) / (5.5 - 3))


def test_features_without_the_property_are_left_out():
    some = ee.FeatureCollection([features().first(), ee.Feature(geometry(box(LEFT, TOP - 100, LEFT + 100, TOP)), {})])
    found = pixels(some.reduceToImage(["n"], ee.Reducer.count()), grid=GRID)
    assert found.max() == 1


def test_each_reducer_needs_its_properties():
    with pytest.raises(EngineError, match="needs 2 properties, got 1"):
        pixels(features().reduceToImage(["n"], ee.Reducer.linearFit()))
    with pytest.raises(EngineError, match="'n' must be a number"):
        pixels(ee.FeatureCollection([ee.Feature(ee.Geometry.Point(1, 2), {"n": "x"})]).reduceToImage(["n"], "sum"))


SPHERE = pyproj.Geod(a=6_371_008.8, f=0)
LINE = [(117.0, 30.7), (117.02, 30.72), (117.05, 30.7)]
WIDE = GeoBox((10, 12), Affine(0.004, 0, 116.99, 0, -0.004, 30.74), "EPSG:4326")


def away(lon: float, lat: float) -> float:
    """Metres to the line, by many points on its edges."""
    spots = []
    for (x, y), (x2, y2) in pairwise(LINE):
        spots += SPHERE.npts(x, y, x2, y2, 2000)
    spots += LINE
    xs, ys = np.array(spots).T
    return float(SPHERE.inv(np.full(len(xs), lon), np.full(len(ys), lat), xs, ys)[2].min())


def test_distances_to_a_line():
    found = pixels(ee.FeatureCollection(ee.Geometry.LineString(LINE)).distance(3000, 1), grid=WIDE)
    for row, col in np.ndindex(*WIDE.shape):
        lon, lat = WIDE.affine * (col + 0.5, row + 0.5)
        expected = away(lon, lat)
        if abs(expected - 3000) > 5:
            assert (found[row, col] is np.ma.masked) == (expected > 3000)
        if expected < 2990:
            assert found[row, col] == pytest.approx(expected, abs=1.5)


def test_distances_are_measured_within_areas_too():
    """The middle of a square of 0.02 degrees: as far from its edges as its outside."""
    square = ee.FeatureCollection(ee.Geometry.Rectangle([117.0, 30.7, 117.02, 30.72], None, False))
    at = GeoBox((1, 1), Affine(0.002, 0, 117.009, 0, -0.002, 30.711), "EPSG:4326")
    east = SPHERE.inv(117.01, 30.71, 117.02, 30.71)[2]
    assert pixels(square.distance(), grid=at)[0, 0] == pytest.approx(min(east, np.radians(0.01) * 6371008.8), rel=1e-3)


def test_distances_to_points_are_great_circles():
    points = ee.FeatureCollection([ee.Geometry.Point(117.5, 30.9), ee.Geometry.Point(116.2, 30.1)])
    found = pixels(points.distance(200_000), grid=WIDE)
    lon, lat = WIDE.affine * (3.5, 4.5)
    expected = min(SPHERE.inv(lon, lat, 117.5, 30.9)[2], SPHERE.inv(lon, lat, 116.2, 30.1)[2])
    assert found[4, 3] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["distance", "reduceToImage"])
def test_a_pixel_does_not_depend_on_the_window(name):
    image = features().distance(60) if name == "distance" else features().reduceToImage(["n"], ee.Reducer.mean())
    whole = pixels(image, grid=GRID)
    part = pixels(image, grid=GeoBox((5, 6), GRID.affine * Affine.translation(6, 3), GRID.crs))
    np.testing.assert_array_equal(part.filled(-1), whole[3:8, 6:12].filled(-1))


def test_a_search_needs_a_radius():
    with pytest.raises(EngineError, match="searchRadius must be positive"):
        pixels(features().distance(0))
