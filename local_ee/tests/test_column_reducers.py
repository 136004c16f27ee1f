"""reduceColumns, and reducers of several inputs (apidocs ee-featurecollection-reducecolumns, ee-reducer-repeat,
ee-reducer-group, ee-reducer-tolist; guides/reducers_reduce_columns, guides/reducers_grouping).
"""

from __future__ import annotations

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, value

pytestmark = pytest.mark.usefixtures("session")

ROWS = [("a", 1, 10.5, 3), ("b", 2, 20.5, 1), ("a", 4, None, 2)]


def table() -> ee.FeatureCollection:
    features = []
    for name, count, share, weight in ROWS:
        values = {"name": name, "i": count, "w": weight} | ({} if share is None else {"share": share})
        features.append(ee.Feature(None, values))
    return ee.FeatureCollection(features)


COLUMNS = {
    "a list of strings": (lambda r: r.toList(), ["name"], {"list": ["a", "b", "a"]}),
    "a histogram of strings": (lambda r: r.frequencyHistogram(), ["name"], {"histogram": {"a": 2, "b": 1}}),
    "a count of strings": (lambda r: r.count(), ["name"], {"count": 3}),
    "a count without nulls": (lambda r: r.count(), ["share"], {"count": 2}),
    "distinct strings": (lambda r: r.countDistinct(), ["name"], {"count": 2}),
    "the first string": (lambda r: r.first(), ["name"], {"first": "a"}),
    "the largest string": (lambda r: r.max(), ["name"], {"max": "b"}),
    "a sum": (lambda r: r.sum(), ["i"], {"sum": 7}),
    "a mean without nulls": (lambda r: r.mean(), ["share"], {"mean": 15.5}),
    "a median": (lambda r: r.median(), ["i"], {"median": 2}),
    "two lists": (lambda r: r.toList().repeat(2), ["name", "i"], {"list": [["a", "b", "a"], [1, 2, 4]]}),
    "lists of their own lengths": (lambda r: r.toList().repeat(2), ["i", "share"], {"list": [[1, 2, 4], [10.5, 20.5]]}),
    "sums side by side": (lambda r: r.sum().repeat(2), ["i", "w"], {"sum": [7, 6]}),
    "tuples": (lambda r: r.toList(2), ["name", "i"], {"list": [["a", 1], ["b", 2], ["a", 4]]}),
    "whole tuples": (lambda r: r.toList(2), ["i", "share"], {"list": [[1, 10.5], [2, 20.5]]}),
    "tuples with an optional item": (
        lambda r: r.toList(2, 1),
        ["i", "share"],
        {"list": [[1, 10.5], [2, 20.5], [4, None]]},
    ),
    "groups by a string": (
        lambda r: r.sum().group(groupField=0, groupName="name"),
        ["name", "i"],
        {"groups": [{"name": "a", "sum": 5}, {"name": "b", "sum": 2}]},
    ),
    "groups by the second input": (
        lambda r: r.mean().group(groupField=1, groupName="w"),
        ["i", "w"],
        {"groups": [{"w": 1, "mean": 2}, {"w": 2, "mean": 4}, {"w": 3, "mean": 1}]},
    ),
    "groups of two reducers": (
        lambda r: r.sum().combine(r.count(), "", True).group(0),
        ["name", "i"],
        {"groups": [{"group": "a", "sum": 5, "count": 2}, {"group": "b", "sum": 2, "count": 1}]},
    ),
    "outputs by name": (lambda r: r.sum().forEach(["x", "y"]), ["i", "w"], {"x": 7, "y": 6}),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_reduce_columns(name):
    make, selectors, expected = COLUMNS[name]
    assert info(table().reduceColumns(make(ee.Reducer), selectors)) == expected


def test_weights_count():
    """(1 x 3 + 2 x 1 + 4 x 2) / 6."""
    assert info(table().reduceColumns(ee.Reducer.mean(), ["i"], ["w"])) == {"mean": pytest.approx(13 / 6)}


def test_the_mean_of_strings_is_refused_by_name():
    with pytest.raises(EngineError, match="'mean' to property 'name' with values of type String"):
        value(table().reduceColumns(ee.Reducer.mean(), ["name"]))


def test_the_number_of_selectors_must_fit():
    with pytest.raises(EngineError, match="Reducer 'mean' needs 1 selectors, got 2"):
        value(table().reduceColumns(ee.Reducer.mean(), ["i", "w"]))


def test_grouped_pixels_of_a_region():
    """guides/reducers_grouping: sums of one band by the values of another; 4 x 4 pixels of 10 m, half of them 1."""
    image = ee.Image(2).addBands(ee.Image.pixelCoordinates("EPSG:32650").select("x").gte(2))
    region = ee.Geometry.Rectangle([0, 0, 4, 4], "EPSG:32650", False)
    groups = image.reduceRegion(ee.Reducer.sum().group(1, "half"), region, crs="EPSG:32650", scale=1).get("groups")
    assert info(groups) == [{"half": 0, "sum": 16}, {"half": 1, "sum": 16}]


def test_a_repeated_reducer_of_a_regions_bands():
    region = ee.Geometry.Rectangle([0, 0, 4, 4], "EPSG:32650", False)
    found = ee.Image([1, 2]).reduceRegion(ee.Reducer.mean().repeat(2), region, crs="EPSG:32650", scale=1)
    assert info(found) == {"mean": [1, 2]}


LISTS = {
    "a count of strings": (["a", "b"], lambda r: r.count(), 2),
    "the first of strings": (["a", "b"], lambda r: r.first(), "a"),
    "a mean without nulls": ([1, None, 3], lambda r: r.mean(), 2),
    "a histogram of strings": (["a", "b", "a"], lambda r: r.frequencyHistogram(), {"a": 2, "b": 1}),
    "pairs": ([[1, 10], [2, 20]], lambda r: r.sum().repeat(2), [3, 30]),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_reduced(name):
    elements, make, expected = LISTS[name]
    assert info(ee.List(elements).reduce(make(ee.Reducer))) == expected
