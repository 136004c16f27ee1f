"""Rasters as vectors (apidocs ee-image-reducetovectors), against SciPy's labels and Shapely's unions of pixels."""

from __future__ import annotations

import ee
import numpy as np
import pytest
import shapely
from scipy import ndimage
from shapely.geometry import box, shape

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels, value
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(12, 14)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint16", 10), "y": ("float32", 10)}, seed=8, hidden=2),))
LEFT, TOP = GRID.affine.c, GRID.affine.f
REGION_XY = (LEFT + 10, TOP - 110, LEFT + 120, TOP - 10)  # rows 1 to 10, columns 1 to 11
INSIDE = np.s_[1:11, 1:12]


def classes() -> ee.Image:
    return ee.Image("C/a").select("x").mod(2).toByte().rename("class")


def region() -> ee.Geometry:
    return ee.Geometry.Rectangle(REGION_XY, "EPSG:32650", False)


def vectors(image: ee.Image, **options) -> list[dict]:
    return info(image.reduceToVectors(geometry=region(), **options), CATALOG)["features"]


def components(eight_connected: bool) -> list[tuple[int, np.ndarray]]:
    """Value and pixels of each component in the region, by SciPy, in order of first pixels."""
    values = pixels(classes(), CATALOG, GRID)
    inside = np.zeros(values.shape, bool)
    inside[INSIDE] = True
    found = []
    for number in (0, 1):
        members = inside & (values == number).filled(False)
        labels, count = ndimage.label(members, np.ones((3, 3)) if eight_connected else None)
        found += [(number, labels == label) for label in range(1, count + 1)]
    return sorted(found, key=lambda pair: int(np.flatnonzero(pair[1])[0]))


def area_of(members: np.ndarray) -> shapely.Geometry:
    """The union of pixels, in metres."""
    squares = [
        box(LEFT + 10 * col, TOP - 10 * row - 10, LEFT + 10 * col + 10, TOP - 10 * row)
        for row, col in np.argwhere(members)
    ]
    return shapely.unary_union(squares)


@pytest.mark.parametrize("eight_connected", [True, False])
def test_the_polygons_are_the_pixels_of_each_segment(eight_connected):
    found = vectors(classes(), eightConnected=eight_connected, geometryInNativeProjection=True)
    expected = components(eight_connected)
    assert len(expected) > 5
    assert [each["properties"]["label"] for each in found] == [number for number, _ in expected]
    for feature, (_, members) in zip(found, expected, strict=True):
        assert shape(feature["geometry"]).symmetric_difference(area_of(members)).area < 1e-6


def test_pixels_are_counted_where_no_reducer_is_named():
    """Reducer.countEvery is the default."""
    counts = [each["properties"]["count"] for each in vectors(classes(), eightConnected=False)]
    assert counts == [int(members.sum()) for _, members in components(False)]


@pytest.mark.parametrize(("reducer", "compute"), [("mean", np.mean), ("max", np.max), ("median", np.median)])
def test_further_bands_are_reduced_over_each_segment(reducer, compute):
    values = pixels(ee.Image("C/a").select("y"), CATALOG, GRID)
    image = classes().addBands(ee.Image("C/a").select("y"))
    found = vectors(image, reducer=getattr(ee.Reducer, reducer)(), eightConnected=False)
    for feature, (_, members) in zip(found, components(False), strict=True):
        own = values[members].compressed()
        expected = None if not len(own) else pytest.approx(compute(own), rel=1e-6)
        assert feature["properties"].get(reducer) == expected


def test_a_reducer_of_several_inputs_takes_the_further_bands_together():
    y = ee.Image("C/a").select("y")
    image = ee.Image(1).rename("class").addBands(y).addBands(y.multiply(3).add(2).rename("z"))
    [feature] = info(image.reduceToVectors(ee.Reducer.linearFit(), region(), crs="EPSG:32650", scale=10), CATALOG)[
        "features"
    ]
    assert feature["properties"]["scale"] == pytest.approx(3) and feature["properties"]["offset"] == pytest.approx(2)


def test_a_reducer_of_one_input_is_repeated_for_each_band():
    y = ee.Image("C/a").select("y")
    image = classes().addBands(y).addBands(y.add(1).rename("z"))
    assert {"y", "z", "label"} <= set(vectors(image, reducer=ee.Reducer.first())[0]["properties"])


def test_degrees_hold_the_same_area():
    """The result is in EPSG:4326 unless the native projection is asked for."""
    for feature, (_, members) in zip(vectors(classes(), eightConnected=False), components(False), strict=True):
        own = shape(feature["geometry"])
        east, south = own.bounds[2], own.bounds[1]
        assert 113 < east < 118 and 29 < south < 32
        metres = value(ee.Geometry(feature["geometry"]).transform("EPSG:32650", 0.001)).shape
        assert metres.symmetric_difference(area_of(members)).area < 0.5


def test_rectangles_around_segments():
    found = vectors(classes(), geometryType="bb", eightConnected=False, geometryInNativeProjection=True)
    for feature, (_, members) in zip(found, components(False), strict=True):
        assert shape(feature["geometry"]).equals(box(*area_of(members).bounds))


def test_centroids_of_segments():
    found = vectors(classes(), geometryType="centroid", eightConnected=False, geometryInNativeProjection=True)
    for feature, (_, members) in zip(found, components(False), strict=True):
        rows, cols = np.nonzero(members)
        expected = (LEFT + 10 * (cols.mean() + 0.5), TOP - 10 * (rows.mean() + 0.5))
        assert feature["geometry"]["coordinates"] == pytest.approx(expected)


def test_the_label_goes_under_its_name():
    assert set(vectors(classes(), labelProperty="zone")[0]["properties"]) == {"zone", "count"}


def test_a_segment_has_the_same_name_in_every_region():
    """A segment inside of both regions: the name is the place of its first pixel on the grid."""
    wide = ee.Geometry.Rectangle((LEFT, TOP - 120, LEFT + 140, TOP), "EPSG:32650", False)
    in_wide = info(classes().reduceToVectors(geometry=wide, eightConnected=False), CATALOG)["features"]
    names = {(f["id"], f["properties"]["count"]) for f in in_wide}
    inner = [
        (f["id"], f["properties"]["count"])
        for f, (_, members) in zip(vectors(classes(), eightConnected=False), components(False), strict=True)
        if not members[[1, 10]].any() and not members[:, [1, 11]].any()
    ]
    assert len(inner) > 2 and set(inner) <= names


def test_a_region_of_several_tiles_is_one():
    """A stripe across the border of two of the engine's tiles of 512 pixels is one segment."""
    stripe = ee.Image.pixelCoordinates(ee.Projection("EPSG:32650").atScale(10)).select("y").floor().toInt()
    place = ee.Geometry.Rectangle((LEFT, TOP - 20, LEFT + 6000, TOP), "EPSG:32650", False)
    found = info(stripe.reduceToVectors(geometry=place, crs="EPSG:32650", scale=10), CATALOG)["features"]
    assert [feature["properties"]["count"] for feature in found] == [600, 600]


def test_larger_pixels_where_there_are_too_many():
    found = vectors(ee.Image(1), crs="EPSG:32650", scale=1, maxPixels=200, bestEffort=True)
    assert 40 < found[0]["properties"]["count"] <= 200


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (
            lambda: classes().reduceToVectors(geometry=region(), maxPixels=10),
            "Too many pixels in the region. Found 110",
        ),
        (lambda: ee.Image("C/a").select("y").reduceToVectors(geometry=region()), "integer type"),
        (lambda: classes().reduceToVectors(ee.Reducer.mean(), region()), r"Need 1\+1 bands"),
        (lambda: ee.Image("C/a").reduceToVectors(ee.Reducer.linearFit(), region()), r"Need 2\+1 bands"),
        (lambda: classes().reduceToVectors(geometry=region(), geometryType="hull"), "Unknown geometry type 'hull'"),
        (lambda: ee.Image(1).reduceToVectors(scale=10), "no bounds"),
    ],
)
def test_what_cannot_be_vectorised_is_refused(ask, words):
    with pytest.raises(EngineError, match=words):
        info(ask(), CATALOG)
