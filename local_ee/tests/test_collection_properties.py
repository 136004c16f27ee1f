"""Collections are elements with properties: what sets, copies, maps or filters them leaves them collections
(guides/ic_info; apidocs ee-imagecollection-set, ee-imagecollection-copyproperties, ee-featurecollection-flatten).
"""

from __future__ import annotations

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, value
from local_ee.testing.scenes import Scene, Scenes, month, utm

pytestmark = pytest.mark.usefixtures("session")

CATALOG = month(5, utm(200, 200))
S2 = "COPERNICUS/S2_SR_HARMONIZED"


def images() -> ee.ImageCollection:
    return ee.ImageCollection([ee.Image(i).set("i", i) for i in range(3)])


def points(*names: str) -> ee.FeatureCollection:
    return ee.FeatureCollection([ee.Feature(ee.Geometry.Point([i, i]), {"name": n}) for i, n in enumerate(names)])


def test_set_keeps_a_collection_of_images():
    assert info(ee.ImageCollection(images().set("a", 1)).size()) == 3


def test_set_keeps_a_collection_of_features():
    assert info(ee.FeatureCollection(points("x", "y").set("a", 1)).size()) == 2


def test_set_keeps_a_catalog_collection_and_its_filters():
    collection = ee.ImageCollection(ee.ImageCollection(S2).filterDate("2019-06-03", "2019-06-07").set("a", 1))
    assert info(collection.size(), CATALOG) == 2


def test_a_filter_after_set_still_filters():
    collection = ee.ImageCollection(ee.ImageCollection(S2).set("a", 1)).filterDate("2019-06-03", "2019-06-07")
    assert info(collection.size(), CATALOG) == 2


def test_a_collection_shows_its_properties_and_type():
    shown = info(images().set("a", 1))
    assert (shown["type"], shown["properties"]) == ("ImageCollection", {"a": 1})


KEEPERS = {
    "filter": lambda c: c.filter(ee.Filter.gt("i", 0)),
    "map": lambda c: c.map(lambda image: image.add(1)),
    "sort": lambda c: c.sort("i", False),
    "limit": lambda c: c.limit(2),
    "distinct": lambda c: c.distinct("i"),
    "randomColumn": lambda c: c.randomColumn(),
}


@pytest.mark.parametrize("name", KEEPERS)
def test_properties_of_a_collection_survive(name):
    assert info(KEEPERS[name](ee.ImageCollection(images().set("a", 1))).get("a")) == 1


def test_copy_properties_between_collections():
    copied = ee.ImageCollection(images().copyProperties(points().set("b", 2)))
    assert info(copied.get("b")) == 2 and info(copied.size()) == 3


def test_a_mosaic_after_set_has_the_images_pixels():
    assert info(ee.ImageCollection(images().set("a", 1)).mosaic().bandNames()) == ["constant"]


def test_property_names_of_a_collection():
    assert info(images().set({"a": 1, "b": 2}).propertyNames()) == ["a", "b"]


def test_flatten_gives_the_elements_of_the_inner_collections():
    nested = ee.FeatureCollection([points("x", "y"), points("z")]).flatten()
    assert info(nested.aggregate_array("name")) == ["x", "y", "z"]


def test_flatten_joins_the_indices():
    nested = ee.FeatureCollection([points("x", "y"), points("z")]).flatten()
    assert info(nested.aggregate_array("system:index")) == ["0_0", "0_1", "1_0"]


def test_zonal_statistics_of_a_series():
    """The idiom of guides/reducers_reduce_regions over a collection: one row for each image and zone."""
    zones = ee.FeatureCollection([ee.Feature(ee.Geometry.Point([1, 1]).buffer(100), {"zone": z}) for z in "ab"])
    rows = ee.FeatureCollection(
        images().map(lambda image: image.reduceRegions(zones, ee.Reducer.mean(), 30, "EPSG:32631"))
    ).flatten()
    assert info(rows.aggregate_array("mean")) == [0, 0, 1, 1, 2, 2]


def test_flatten_of_plain_features_is_refused_in_words():
    with pytest.raises(EngineError, match=r"Expected a collection of collections, but an element is a Feature\."):
        value(points("x").flatten().size())


SCENES = Scenes((Scene("C/a", utm(4, 4), {"x": ("uint8", 10)}), Scene("C/b", utm(4, 4), {"x": ("uint8", 10)})))


def test_a_limited_collection_keeps_its_id():
    """geedim's tests/test_collection.py asks for the id of a collection that it limits."""
    assert info(ee.ImageCollection("C").limit(1), SCENES)["id"] == "C"


def test_an_image_can_be_given_an_id():
    """geedim's composites set system:id."""
    image = ee.Image(1).set("system:id", "C/composite")
    assert info(image, SCENES)["id"] == "C/composite"
    assert info(image.get("system:id"), SCENES) == "C/composite"


def test_a_catalog_image_has_the_edge_of_its_footprint():
    """An asset's system:footprint is a LinearRing (geedim's tests/test_image.py compares it with the geometry)."""
    image = ee.Image("C/a")
    ring = info(image, SCENES)["properties"]["system:footprint"]
    assert ring["type"] == "LinearRing"
    assert ring["coordinates"] == info(image.geometry(), SCENES)["coordinates"][0]


def test_a_computed_image_has_a_footprint_and_no_id():
    """geetools' tests/test_Image/test_remove_properties.yml, recorded from Google: multiply drops all but these."""
    names = info(ee.Image("C/a").multiply(1).propertyNames(), SCENES)
    assert set(names) == {"system:footprint", "system:bands", "system:band_names"}


def test_a_mosaic_has_no_footprint():
    """geedim takes images without the property for composites, which have no grid of their own."""
    mosaic = ee.ImageCollection([ee.Image("C/a")]).mosaic()
    assert "system:footprint" not in info(mosaic.propertyNames(), SCENES)
    assert "system:footprint" not in info(ee.ImageCollection([ee.Image("C/a")]).mean().propertyNames(), SCENES)


def test_the_float_of_a_date_in_milliseconds_is_that_date():
    """geetools' tests of DateRange.split, which pass with Google."""
    assert info(ee.Number(1580428800000).toFloat(), SCENES) == 1580428800000
    assert info(ee.Number(0.1).toFloat(), SCENES) == 0.10000000149011612


def test_a_list_of_features_has_the_columns_of_the_first():
    """geetools' tests/test_Dictionary/test_to_table_list.yml, recorded with Google's servers."""
    feature = ee.Feature(None, {"value_0": 12, "value_1": 278.289196625}).set("system:index", "Argentina")
    columns = info(ee.FeatureCollection([feature]))["columns"]
    assert columns == {"system:index": "String", "value_0": "Integer", "value_1": "Float"}


def test_polygons_make_a_multi_polygon():
    """geetools' tests/conftest.py, geom_instance."""
    squares = [ee.Geometry.Point([x, 0], proj="EPSG:4326").buffer(1, proj="EPSG:4326") for x in (0, 5)]
    shape = info(ee.Geometry.MultiPolygon([square.bounds(proj="EPSG:4326") for square in squares], proj="EPSG:4326"))
    assert shape["type"] == "MultiPolygon"
    assert sorted(min(x for x, _ in rings[0]) for rings in shape["coordinates"]) == [-1, 4]


def test_a_collection_within_a_list_comes_without_its_elements():
    """geedim's tests/conftest.py, accessors_from_collections, adds them itself."""
    assert "features" not in info(ee.List([images()]))[0]


def test_a_collection_of_collections_is_not_expanded():
    """Google's sample ee_featurecollection_flatten.py says so."""
    nested = info(ee.FeatureCollection([points("a", "b"), points("c")]))
    assert [feature["type"] for feature in nested["features"]] == ["FeatureCollection"] * 2
    assert not any("features" in feature for feature in nested["features"])


def test_an_id_is_copied_where_all_names_are_named():
    """eemont's scaleAndOffset copies propertyNames(), which has system:id, and asks the result for its id."""
    image = ee.Image("C/a")
    assert info(ee.Image(image.add(1).copyProperties(image, image.propertyNames())).get("system:id"), SCENES) == "C/a"


def test_an_id_that_is_not_named_is_not_copied():
    image = ee.Image("C/a")
    assert info(ee.Image(image.add(1).copyProperties(image)).get("system:id"), SCENES) is None


def test_a_mapped_collection_keeps_its_id():
    """eemont tells the platform of a mapped collection by its system:id (its tests/test_imagecollection.py)."""
    mapped = ee.ImageCollection("C").map(lambda image: image.add(1))
    assert info(mapped.get("system:id"), SCENES) == "C"


def test_images_are_filtered_by_the_names_of_their_bands():
    """geetools' containsAllBands filters by system:band_names with ee.Filter.listContains."""
    collection = ee.ImageCollection("C").filter(ee.Filter.listContains("system:band_names", "x"))
    assert info(collection.size(), SCENES) == 2
    assert info(ee.Image("C/a").get("system:band_names"), SCENES) == ["x"]


@pytest.mark.parametrize("wrong", [lambda test: test, ee.Filter.Not, lambda test: ee.Filter.And(test, test)])
def test_selected_images_are_filtered_by_the_bands_that_they_have_left(wrong):
    """geetools' test_contains_all_mismatch: of images with B2, B3 and B4 left, none has B5."""
    selected = ee.ImageCollection("C").select(["x"], ["y"])
    had, has = ee.Filter.listContains("system:band_names", "x"), ee.Filter.listContains("system:band_names", "y")
    sizes = [info(selected.filter(wrong(test)).size(), SCENES) for test in (had, has)]
    assert sizes == ([2, 0] if wrong is ee.Filter.Not else [0, 2])


def test_the_id_is_among_the_names_of_a_collections_properties():
    """geetools' test_reduce_interval_image_collection_with_system_id copies propertyNames() and looks for it."""
    collection = ee.ImageCollection("C")
    assert "system:id" in info(collection.propertyNames(), SCENES)
    copied = images().copyProperties(collection, collection.propertyNames())
    assert info(ee.ImageCollection(copied).get("system:id"), SCENES) == "C"


def test_the_first_image_is_found_where_it_was_made_before_the_list():
    """google/Xee's test_fast_time_slicing replaces first() in toList()."""
    collection = ee.ImageCollection("C").select("x")
    first = collection.first()
    both = ee.List([first, collection.toList(2).indexOf(first)])
    assert info(both, SCENES)[1] == 0
