"""Arrays out of other values, expressions as text, types (apidocs ee-dictionary-toarray, ee-number-expression, ...)."""

from __future__ import annotations

import ee
import numpy as np
import pytest
import scipy.special

from local_ee.errors import EngineError
from local_ee.testing.evaluating import CLIENT, info, number, pixels, value
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = CLIENT

BANDS = {"B1": 182, "B2": 219, "B3": 443}  # samples of apidocs ee-dictionary-toarray


def bands() -> ee.Dictionary:
    return ee.Dictionary(BANDS)


def plants() -> ee.FeatureCollection:
    rows = [("Belgium", 5.5, 1), ("France", 10, 2), ("Belgium", 2, None), ("Spain", None, 4)]
    return ee.FeatureCollection(
        [ee.Feature(ee.Geometry.Point([i, i]), {"land": a, "gwh": b, "n": c}) for i, (a, b, c) in enumerate(rows)]
    )


def lands(collection: ee.FeatureCollection) -> list:
    return info(collection.aggregate_array("land"))


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (lambda: bands().toArray(["B1", "B2"]), [182, 219]),
        (lambda: bands().toArray(), [182, 219, 443]),
        (lambda: bands().toArray(["B3", "B1"], 1), [[443, 182]]),
        (lambda: ee.Dictionary({"a": ee.Array([1, 2])}).getArray("a"), [1, 2]),
        (lambda: ee.List([ee.Array([1, 2]), 3]).getArray(-2), [1, 2]),
        (lambda: ee.Feature(None, {"a": ee.Array([4])}).getArray("a"), [4]),
        (lambda: ee.Feature(None, {"a": 4, "b": 5.5}).toArray(["b", "a"]), [5.5, 4]),
    ],
)
def test_arrays_of_values(graph, expected):
    assert info(graph()) == expected


def test_features_that_lack_a_number_get_no_array():
    made = plants().makeArray(["gwh", "n"], "both")
    assert [f["properties"]["both"] for f in info(made)["features"]] == [[5.5, 1], [10, 2]]


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: bands().getArray("B1"), "Expected type: Array. Actual type: Integer"),
        (lambda: ee.Feature(None, {"a": "x"}).toArray(["a"]), "'a' must be a number, got String"),
        (lambda: ee.Dictionary({"a": "x"}).toArray(), "must be numbers or arrays"),
        (lambda: ee.Dictionary({}).toArray(), "no values"),
        (lambda: ee.Number.expression("x + 1", {}), "'x' is not given"),
        (lambda: ee.Number.expression("x + 1", {"x": "y"}), "'x' must be a number"),
        (lambda: ee.Number.expression("v.z", {"v": {"x": 1}}), "'v' has no element 'z'"),
        (lambda: ee.Number.expression("nope(1)", {}), "Number.nope"),
        (lambda: plants().filter("land =="), "expected a property or a value, found 'the end'"),
        (lambda: plants().filter("land"), "expected a comparison"),
        (lambda: plants().filter("(land == 'x'"), "expected '\\)'"),
        (lambda: plants().filter("(" * 500 + "a == 1" + ")" * 500), "more than 100 brackets"),
        (lambda: plants().filter("a == 1 b"), "unexpected 'b'"),
        (lambda: plants().filter("a ? 1"), "unexpected '\\?'"),
        (lambda: plants().remap(["Belgium"], [1, 2], "land"), "of equal length, got 1 and 2"),
        (lambda: plants().remap([1.5], [1], "gwh"), "strings and integers"),
    ],
)
def test_what_cannot_be_made_is_refused(graph, words):
    with pytest.raises(EngineError, match=words):
        info(graph())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + y", 15),
        ("x / y", 0.5),
        ("x ** y", 9765625),
        ("x % y", 5),
        ("x || y", 1),
        ("!(x)", 0),
        ("x >= y", 0),
        ("(x < y) ? 100 : 1000", 100),
        ("100 * (x + y)", 1500),
        ("-x", -5),
        ("x ^ y", 0),
        ("Math.PI", np.pi),
        ("subtract(add(x, y), 5)", 10),
        ("v.x * v.y", 50),
    ],
)
def test_expressions_of_numbers(text, expected):
    """The lines of Google's sample (apidocs ee-number-expression) with its variables."""
    variables = {"x": 5, "y": 10, "v": {"x": 5, "y": 10}}
    assert info(ee.Number.expression(text, variables)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('land == "Belgium"', ["Belgium", "Belgium"]),
        ("gwh > 2", ["Belgium", "France"]),
        ("land == 'Belgium' && gwh >= 2", ["Belgium", "Belgium"]),
        ("land == 'Spain' || gwh == 10", ["France", "Spain"]),
        ("!(land == 'Belgium') && n < 3", ["France"]),
        ("n != 1", ["France", "Spain"]),
        ("5.5 <= gwh", ["Belgium", "France"]),
    ],
)
def test_filters_written_as_text(text, expected):
    assert lands(plants().filter(text)) == expected
    assert lands(plants().filter(ee.Filter.expression(text))) == expected


def shapes() -> ee.FeatureCollection:
    """The sample of apidocs ee-filter-hastype."""
    return ee.FeatureCollection(
        [
            ee.Feature(ee.Geometry.Rectangle([0, 0, 1, 1]), {"x": 0, "land": "a"}),
            ee.Feature(ee.Geometry.Rectangle(0, 0, 3, 3), {"x": "foo", "land": "b"}),
            ee.Feature(ee.Geometry.Point(0, 0), {"land": "c"}),
        ]
    )


@pytest.mark.parametrize(
    ("field", "name", "expected"),
    [
        (".geo", "Point", ["c"]),
        (".geo", "Polygon", ["a", "b"]),
        (".geo", "Geometry", ["a", "b", "c"]),
        ("x", "Number", ["a"]),
        ("x", "String", ["b"]),
    ],
)
def test_elements_by_the_type_of_a_value(field, name, expected):
    assert lands(shapes().filter(ee.Filter.hasType(leftField=field, rightValue=name))) == expected


def test_elements_by_area():
    """A square degree at the equator is 1.23e10 square metres, nine of them 1.1e11."""
    area = ee.Filter(ee.ApiFunction.call_("Filter.area", 1e10, 2e10))
    assert lands(shapes().filter(area)) == ["a"]


@pytest.mark.parametrize(
    ("graph", "name"),
    [
        (lambda: ee.Number(1), "Integer"),
        (lambda: ee.Number(-3).int8(), "Long"),
        (lambda: ee.String("a string"), "String"),
        (lambda: ee.List([1, "a string"]), "List"),
        (lambda: ee.Image(1), "Image"),
        (lambda: shapes(), "FeatureCollection"),
        (lambda: ee.Geometry.Point(0, 0), "Point"),
        (lambda: ee.Date("2020-01-01"), "Date"),
    ],
)
def test_names_of_types(graph, name):
    assert info(ee.Algorithms.ObjectType(graph())) == name


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [(1, 1.0, True), ([1, {"a": 2}], [1, {"a": 2}], True), ([1], [1, 1], False), ("a", 1, False), (None, None, True)],
)
def test_values_are_equal_item_by_item(left, right, same):
    assert info(ee.Algorithms.IsEqual(left, right)) is same


def test_geometries_are_equal_by_their_points():
    assert info(ee.Algorithms.IsEqual(ee.Geometry.Point(1, 2), ee.Geometry.Point([1, 2])))
    assert not info(ee.Algorithms.IsEqual(ee.Geometry.Point(1, 2), ee.Geometry.Point(1, 3)))


def test_a_description_is_what_get_info_gives():
    feature = ee.Feature(ee.Geometry.Point(1, 2), {"a": 1})
    assert info(ee.Algorithms.Describe(feature)) == info(feature)


def test_values_are_remapped_and_others_left_out():
    """The sample of apidocs ee-featurecollection-remap."""
    trees = ["Tree", "NotTree", "nonsense"]
    points = ee.FeatureCollection([ee.Feature(ee.Geometry.Point([i, 1]), {"isTree": t}) for i, t in enumerate(trees)])
    assert info(points.remap(["NotTree", "Tree"], [0, 1], "isTree").aggregate_array("isTree")) == [1, 0]


def test_geometries_are_merged_into_one_feature():
    """apidocs ee-featurecollection-union: a single feature with only an ID of union_result."""
    squares = ee.FeatureCollection(
        [ee.Feature(ee.Geometry.Rectangle([i, 0, i + 2, 1], None, False), {"a": i}) for i in range(2)]
    )
    [feature] = info(squares.union(1))["features"]
    assert feature["id"] == "union_result" and feature["properties"] == {}
    assert value(ee.Geometry(feature["geometry"], None, False)).shape.bounds == (0, 0, 3, 1)


@pytest.mark.parametrize(("target", "expected"), [([2, 3], (1, 3)), ([9], (-1, -1)), ([], (0, 5))])
def test_lists_within_lists(target, expected):
    items = ee.List([1, 2, 3, 2, 3])
    assert (info(items.indexOfSublist(target)), info(items.lastIndexOfSubList(target))) == expected


CATALOG = Scenes(
    (Scene("C/a", utm(6, 8), {"x": ("uint16", 10)}), Scene("C/b", utm(6, 8), {"x": ("uint16", 10), "y": ("uint8", 10)}))
)


def test_images_are_cast_to_one_type():
    """apidocs ee-imagecollection-cast: missing bands are added, masked."""
    cast = ee.ImageCollection("C").cast({"x": "float", "y": "int16"}, ["y", "x"])
    described = [info(ee.Image(cast.toList(2).get(i)), CATALOG)["bands"] for i in range(2)]
    assert [[band["id"] for band in each] for each in described] == [["y", "x"]] * 2
    assert described[0][1]["data_type"]["precision"] == "float"
    assert np.ma.getmaskarray(pixels(ee.Image(cast.toList(2).get(0)), CATALOG)).all()
    with pytest.raises(EngineError, match="'y' is missing"):
        info(ee.ImageCollection("C").cast({"x": "float"}, ["x"]).first(), CATALOG)


@pytest.mark.parametrize(
    ("name", "compute"),
    [
        ("gamma", scipy.special.gamma),
        ("digamma", scipy.special.digamma),
        ("trigamma", lambda x: scipy.special.polygamma(1, x)),
        ("erf", scipy.special.erf),
        ("erfc", scipy.special.erfc),
        ("erfInv", scipy.special.erfinv),
        ("erfcInv", scipy.special.erfcinv),
    ],
)
def test_special_functions_of_pixels(name, compute):
    assert number(getattr(ee.Image(0.3), name)()) == pytest.approx(float(compute(0.3)))


def test_pixels_without_a_value_are_masked():
    assert number(ee.Image(-1).gamma()) is None


def test_the_incomplete_gamma_function_of_pixels():
    assert number(ee.Image(2.5).gammainc(3)) == pytest.approx(float(scipy.special.gammainc(3, 2.5)))


@pytest.mark.parametrize(("bits", "expected"), [(5, 2), (-1, 64), (0, 0)])
def test_one_bits_of_pixels(bits, expected):
    """apidocs ee-image-bitcount: of the 64-bit two's complement."""
    assert number(ee.Image(bits).bitCount()) == expected


def test_colours_are_those_of_values():
    stripes = ee.Image.pixelCoordinates(ee.Projection("EPSG:32650").atScale(10)).select("x").floor().mod(3).toByte()
    shown = stripes.randomVisualizer()
    assert info(shown.bandNames()) == ["viz-red", "viz-green", "viz-blue", "x"]
    red, plain = pixels(shown), pixels(stripes)
    assert len({(int(a), int(b)) for a, b in zip(red.ravel(), plain.ravel(), strict=True)}) == 3
