"""A user's mistake is answered in words, never as a fault of the engine (the commonest ones of a million odd requests,
docs/reliability.md, "Odd requests").
"""

from __future__ import annotations

import math

import ee
import pytest

from local_ee.algorithms.special_functions import trigamma
from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, value
from local_ee.wire import Call
from tests.support.nodes import called as node
from tests.support.nodes import evaluated

pytestmark = pytest.mark.usefixtures("session")


def rgb() -> ee.Image:
    return ee.Image([1, 2, 3])


def called(name: str, **arguments) -> ee.ComputedObject:
    """An algorithm with arguments that the client would not take."""
    return ee.ComputedObject(
        ee.ApiFunction.lookup(name), {key: ee.Image(1) if v == "image" else v for key, v in arguments.items()}
    )


WRONG = {
    "a minimum that is an image": (
        lambda: called("Image.visualize", image=rgb(), min="image"),
        "min: expected numbers, got Image",
    ),
    "a minimum that is a word": (lambda: rgb().visualize(min="low"), "min: expected numbers, got String"),
    "a palette that is a number": (
        lambda: called("Image.visualize", image=ee.Image(1), palette=3),
        "palette: expected a list of colors, got Integer",
    ),
    "an area without a width": (
        lambda: ee.Image(1).clipToBoundsAndScale(ee.Geometry.Point([10, 10]), 5, 5),
        "The area has no size",
    ),
    "an area beyond any row": (
        lambda: called(
            "Image.clipToBoundsAndScale",
            input=ee.Image(1),
            geometry=called("GeometryConstructors.BBox", west=1, south=3, east=7, north=1e308),
            scale=2,
        ),
        "The area has no size",
    ),
    "a size of no pixels": (
        lambda: ee.Image(1).clipToBoundsAndScale(ee.Geometry.Rectangle([0, 0, 1, 1]), 0, 5),
        "must be at least 1 pixel, got 0",
    ),
    "an infinite margin": (lambda: ee.Geometry.Point([1, 1]).buffer(10).simplify(1e9), "must not be infinite"),
    "a place that a projection has not": (
        lambda: ee.Geometry.Polygon([[[27, 0], [27.5, 0.5], [-63, 0]]], None, False).transform("EPSG:32650"),
        "have no coordinates there",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_answered_in_words(name):
    make, words = WRONG[name]
    with pytest.raises(EngineError, match=words):
        value(make())


def test_one_band_may_come_by_its_number():
    assert info(called("Image.visualize", image=rgb(), bands=1))["bands"][0]["id"] == "vis-gray"


ONE, IMAGE = {"constantValue": 1}, node("Image.constant", value=1)
IMAGES = {"arrayValue": {"values": [IMAGE]}}
MIXED = [1, "a", 2]
POINTS = node("GeometryConstructors.MultiPoint", coordinates=[[0, 0], [1, 1]])
# A circle wider than the Earth: its ring crosses itself.
WIDE = node("Geometry.buffer", geometry=node("GeometryConstructors.Point", coordinates=[113.354, 30.64]), distance=1e18)

ELEMENTS = {
    "axes that are images": (node("Array.project", array=[[1]], axes=IMAGES), "Integer", "Image"),
    "axes that are texts": (
        node("Array.reduce", array=[1], reducer=node("Reducer.sum"), axes=["a"]),
        "Integer",
        "String",
    ),
    "an endmember of texts": (node("Image.unmix", image=IMAGE, endmembers=[["a"]]), "Float", "String"),
    "an endmember without a list": (node("Image.unmix", image=IMAGE, endmembers=IMAGES), "List<Float>", "Image"),
    "labels without lists": (node("Image.arrayFlatten", image=IMAGE, coordinateLabels=[1]), "List<String>", "Integer"),
    "an axis of nothing": (node("Array.project", array=[[1]], axes=[None]), "Integer", "Null"),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_elements_of_lists_are_refused_by_their_types(name):
    graph, wanted, actual = ELEMENTS[name]
    with pytest.raises(EngineError) as error:
        evaluated(graph)
    assert f"Expected type: {wanted}.\nActual type: {actual}." in str(error.value)


REFUSED = {
    "the order of a number": (node("Array.sort", array=3), "Axis 0 is out of range of an array with 0 axes"),
    "the mask of a number": (node("Array.mask", input=3, mask=1), "Axis 0 is out of range of an array with 0 axes"),
    "an axis without end": (node("Array.transpose", array=[1], axis2=1e308), "The axes must be 0 to 31"),
    "a length without end": (
        node("Array.reshape", array=[1], shape=node("Array.log10", input=node("Array", values=[0]))),
        "1 numbers cannot have the lengths \\[-inf\\]",
    ),
    "a count without end": (node("List.repeat", value=1, count=1e308), "Computed value is too large"),
    "a new name of no key": (
        node("Dictionary.rename", dictionary={"a": 1}, **{"from": ["b"], "to": ["c"]}),
        "Dictionary does not contain key: 'b'. Available keys: \\[a\\]",
    ),
    "more names than keys": (
        node("Dictionary.rename", dictionary={"a": 1}, **{"from": ["a"], "to": ["b", "c"]}),
        "must have the same length; got 1 and 2",
    ),
    "a band of a text": (
        node("Dictionary.toImage", dictionary={"a": "x"}),
        "'a' must be a number or an array, got String",
    ),
    "a constant of a text": (node("Image.constant", value={"a": "x"}), "must be a number or an Array"),
    "a table of texts": (
        node("Image.remap", image=IMAGE, **{"from": ["a"], "to": [1]}),
        "Only numbers can be remapped, got String",
    ),
    "a pixel type of nothing": (node("PixelType", precision={}), "Invalid type '{}'. Must be one of: byte"),
    "fewer points than none": (
        node("FeatureCollection.randomPoints", region=POINTS, points=-1),
        "must not be negative, got -1",
    ),
    "a median of endless inputs": (node("Reducer.geometricMedian", numX=1e308), "must be at most 1024"),
    "a regression of endless outputs": (node("Reducer.linearRegression", numX=1, numY=1e18), "must be at most 1024"),
    "the largest of numbers and texts": (
        node("List.reduce", list=MIXED, reducer=node("Reducer.max")),
        "cannot be compared with each other",
    ),
    "the mode of numbers and texts": (
        node("List.reduce", list=[MIXED], reducer=node("Reducer.disaggregate", reducer=node("Reducer.mode"))),
        "takes must be numbers",
    ),
    "the largest of texts, each an array": (
        node("List.reduce", list=["a", "b"], reducer=node("Reducer.forEachElement", reducer=node("Reducer.max"))),
        "must be arrays of numbers",
    ),
    "a rectangle of less than nothing": (
        node("Kernel.rectangle", xRadius=-1e18, yRadius=1),
        "must not be negative, got -1e\\+18 and 1",
    ),
    "the bits of infinity": (node("Array.bitsToArray", input=1e400), "Only finite numbers have bits, got inf"),
    "an error of NaN metres": (
        node("Geometry.simplify", geometry=POINTS, maxError=math.nan),
        "Expected type: ErrorMargin",
    ),
    "a transform without area": (
        node("Projection", crs="EPSG:4326", transform=[0, 0, 0, 0, 0, 0]),
        "cannot be inverted",
    ),
    "a scale of zero": (node("Projection.scale", projection="EPSG:4326", x=0, y=1), "cannot be inverted"),
    "a way without end": (
        node(
            "Geometry.closestPoint",
            left=node("GeometryConstructors.Point", coordinates=[113.3, 30.3]),
            right=node("GeometryConstructors.BBox", west=1e6, south=-1, east=1e308, north=1e308),
            proj="EPSG:4326",
        ),
        "No line joins the geometries",
    ),
    "a distance from a box without height": (
        node(
            "Geometry.distance",
            left=node("GeometryConstructors.BBox", west=3, south=-1, east=0.5, north=-1),
            right=node("GeometryConstructors.Point", coordinates=[114.086, 30.821]),
        ),
        "No line joins the geometries",
    ),
    "keys that are lists": (node("Dictionary", input=[[1, 2], [3]]), "keys of a dictionary must be strings"),
    "a region of no pixels": (
        node(
            "Image.reduceRegion",
            image=IMAGE,
            reducer=node("Reducer.mean"),
            geometry=POINTS,
            scale=1e6,
            maxPixels=0,
            bestEffort=True,
        ),
        "maxPixels must be at least 1, got 0",
    ),
    "points in a line drawn as an area": (
        node(
            "FeatureCollection.randomPoints",
            region=node(
                "GeometryConstructors.Polygon",
                coordinates=[[[0, 0], [1, 1], [1, 1.00000000000001], [0, 0]]],
                geodesic=False,
            ),
            points=1,
        ),
        "The region is too thin for points",
    ),
    "colours of no band": (
        node("Image.randomVisualizer", image=node("Image.slice", image=IMAGE, start=5)),
        "Image has no bands",
    ),
    "a ring that crosses itself": (
        node("Geometry.symmetricDifference", left=WIDE, right=POINTS),
        "Geometry.symmetricDifference: Invalid geometry: ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_computed_is_refused_in_words(name):
    graph, words = REFUSED[name]
    with pytest.raises(EngineError, match=words):
        evaluated(graph)


def test_squares_of_endless_compactness_are_no_error():
    image = node("Image.Segmentation.SNIC", image=IMAGE, size=2, compactness=1e308)
    assert [band["id"] for band in evaluated(image)["bands"]] == ["clusters", "seeds", "constant_mean"]


@pytest.mark.parametrize("name", ["Filter.stringStartsWith", "Filter.stringEndsWith"])
def test_a_number_does_not_begin_or_end_with_a_text(name):
    begins = node(name, leftField="item", rightValue="a")
    assert evaluated(node("List.filter", list=[1, "aba", "b"], filter=begins)) == ["aba"]


def test_trigamma_beside_its_pole_is_infinite():
    assert trigamma(-1e-308) == math.inf


def test_a_number_has_no_axis_to_pad():
    assert evaluated(node("Array.pad", array=7, lengths=[])) == 7


def test_a_refusal_names_its_algorithm_once():
    with pytest.raises(EngineError) as error:
        evaluated(node("Array.mask", input=[1, 2], mask=[[1]]))
    assert str(error.value).count("Array.mask: ") == 1


def test_damaged_json_is_said_to_be_that():
    with pytest.raises(ValueError, match=r"^Invalid JSON payload received: Expecting value"):
        Call("POST", "/", body=b'{"expression":').json()


def test_an_image_without_bands_cannot_be_remapped():
    with pytest.raises(EngineError, match=r"Image\.remap: The image has no bands"):
        info(ee.Image(0).select([]).remap([1], [2]))


def test_a_whole_number_beyond_a_double_is_infinite():
    assert evaluated(node("Number.add", left=-(10**400), right=1)) == "-Infinity"
    assert evaluated(node("Array", values=[10**400, 1])) == ["Infinity", 1]
    (band,) = evaluated(node("Image.constant", value=10**400))["bands"]
    assert band["data_type"] == {"type": "PixelType", "precision": "double"}
