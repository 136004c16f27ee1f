"""Algorithms that only a corrupted engine showed to be untested (docs/wrong-answers.md).

Expected values are counted by hand, or by shapely and numpy; many of these are second names of algorithms.
"""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from local_ee.evaluation import graph
from local_ee.testing.evaluating import GRID, NOTHING
from tests.support.nodes import called as node
from tests.support.nodes import evaluated


def images(*values: float) -> dict:
    constants = [node("Image.constant", value=value) for value in values]
    return node("ImageCollection.fromImages", images={"arrayValue": {"values": constants}})


def table(*values: float) -> dict:
    features = [node("Feature", geometry=None, metadata={"a": value}) for value in values]
    return node("Collection", features={"arrayValue": {"values": features}})


def first_pixels(image: dict) -> list[float]:
    """The upper-left pixel of each band."""
    pixels = graph.evaluate({"result": "0", "values": {"0": image}}, NOTHING).read(GRID)
    return [np.asarray(values).flat[0] for values in pixels.values]


def square(left: float) -> dict:
    corners = [[left, 0], [left + 2, 2]]
    return node("GeometryConstructors.Rectangle", coordinates=corners, crs="EPSG:32650", geodesic=False)


POINT = node("GeometryConstructors.Point", coordinates=[180, 0])
NEAR = node("Feature", geometry=node("GeometryConstructors.Point", coordinates=[0, 0]), metadata={})
FAR = node("Feature", geometry=POINT, metadata={"a": 1})
JUNE = node("Date.getRange", date="2019-06-15", unit="month")
LARGE = node("Filter.gt", leftField="item", rightValue=1)
TENS = node("Projection", crs="EPSG:32650", transform=[10, 0, 0, 0, -10, 5])

VALUES = {
    "total variance": (node("AggregateFeatureCollection.total_var", collection=table(1, 2, 3, 6), property="a"), 3.5),
    "whole numbers": (node("Array.int", input=[2.2, -2.2]), [2, -2]),
    "short numbers": (node("Array.toShort", input=[2.2, -2.2]), [2, -2]),
    "the middle of a year": (node("Date.getFraction", date="2019-07-02T12:00", unit="year"), 0.5),
    "the end of a month": (node("Date.format", date=node("DateRange.end", dateRange=JUNE)), "2019-07-01T00:00:00"),
    "a span that lies in another": (node("DateRange.intersects", dateRange=JUNE, other="2019-06-20"), True),
    "a span that does not": (node("DateRange.intersects", dateRange=JUNE, other="2019-07-20"), False),
    "features apart": (node("Feature.disjoint", left=NEAR, right=FAR), True),
    "a feature and itself": (node("Feature.disjoint", left=NEAR, right=NEAR), False),
    "numbers above 1": (node("List.filter", list=[1, 2, 3], filter=LARGE), [2, 3]),
    "unsigned 16 bits": (
        node("PixelType.uint16"),
        {"type": "PixelType", "precision": "int", "min": 0, "max": 65535},
    ),
    "signed 32 bits": (
        node("PixelType.int32"),
        {"type": "PixelType", "precision": "int", "min": -(2**31), "max": 2**31 - 1},
    ),
    "a projection": (
        node("Proj", crs="EPSG:32650", transform=[2, 0, 1, 0, -2, 3]),
        {"type": "Projection", "crs": "EPSG:32650", "transform": [2, 0, 1, 0, -2, 3]},
    ),
    "a transform": (
        node("Projection.transform", projection=TENS),
        'PARAM_MT["Affine", PARAMETER["num_row", 3], PARAMETER["num_col", 3], PARAMETER["elt_0_0", 10.0], '
        'PARAMETER["elt_1_1", -10.0], PARAMETER["elt_1_2", 5.0]]',
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    graph_node, expected = VALUES[name]
    assert evaluated(graph_node) == expected


PIXELS = {
    "bands of a dictionary": (node("Dictionary.toImage", dictionary={"b": 2, "a": 1}), [1, 2]),
    "whole pixels": (node("Image.toLong", value=node("Image.constant", value=2.7)), [2]),
    "one that is not zero": (node("reduce.or", collection=images(0, 2)), [1]),
    "none that is not zero": (node("reduce.or", collection=images(0, 0)), [0]),
    "the second of two images": (
        node("Image.arrayGet", image=node("ImageCollection.toArray", collection=images(3, 4)), position=[1, 0]),
        [4],
    ),
    "a plane's height, slope and aspect": (
        node("Image.select", input=node("Terrain", input=node("Image.constant", value=7)), bandSelectors=[0, 1]),
        [7, 0],
    ),
}


@pytest.mark.parametrize("name", PIXELS)
def test_pixels(name):
    image, expected = PIXELS[name]
    assert first_pixels(image) == pytest.approx(expected)


def test_statistics_of_a_property():
    found = evaluated(node("AggregateFeatureCollection.stats", collection=table(1, 2, 3, 6), property="a"))
    assert (found["min"], found["max"], found["mean"], found["sum"]) == (1, 6, 3, 12)
    assert found["values"]["total_count"] == 4 if "values" in found else found["total_count"] == 4


def test_a_feature_in_another_projection():
    moved = evaluated(node("ProjectionTransform", feature=FAR, proj="EPSG:3857"))
    assert moved["geometry"]["coordinates"] == pytest.approx([20037508.342789244, 0], abs=1e-6)
    assert moved["properties"] == {"a": 1}


def test_what_lies_in_one_of_two_squares():
    found = evaluated(node("Geometry.symmetricDifference", left=square(0), right=square(1), proj="EPSG:32650"))
    expected = shapely.box(0, 0, 2, 2) ^ shapely.box(1, 0, 3, 2)
    assert shape(found).symmetric_difference(expected).area == pytest.approx(0, abs=1e-6)


def test_the_area_of_a_feature_in_its_projection():
    feature = node("Feature", geometry=square(0), metadata={})
    assert evaluated(node("Feature.area", feature=feature, proj="EPSG:32650")) == pytest.approx(4)


def test_an_octagons_weights_sum_to_one():
    weights = evaluated(node("Kernel.octagon", radius=2))["weights"]
    assert np.sum(_numbers(weights)) == pytest.approx(1)


def test_the_inverse_of_weights():
    kernel = node("Kernel.fixed", width=2, height=2, weights=[[1, 2], [4, 0.5]])
    assert _numbers(evaluated(node("Kernel.inverse", kernel=kernel))["weights"]).tolist() == [[1, 0.5], [0.25, 2]]


def _numbers(weights: list | str) -> np.ndarray:
    """The rows of a kernel's weights, which describe themselves as lists or as text."""
    rows = weights.strip().splitlines() if isinstance(weights, str) else weights
    return np.array([[float(x) for x in row.strip(" []").split(",")] if isinstance(row, str) else row for row in rows])
