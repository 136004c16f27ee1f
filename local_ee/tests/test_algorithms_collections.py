"""Collections, filters, joins and properties by the real client."""

from __future__ import annotations

from functools import cached_property

import ee
import pytest

from local_ee.catalogs import open_catalog
from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, value
from local_ee.testing.scenes import DAY_MS, JUNE_MS, Scenes, month, utm

pytestmark = pytest.mark.usefixtures("session")

CATALOG = month(5, utm(200, 200))
S2 = "COPERNICUS/S2_SR_HARMONIZED"
START, CLOUDS = "system:time_start", "CLOUDY_PIXEL_PERCENTAGE"


def first_day() -> ee.DateRange:
    return ee.DateRange("2019-06-01", "2019-06-02")


def days(collection: ee.ImageCollection) -> list[int]:
    times = info(collection.aggregate_array("system:time_start"), CATALOG)
    return [(time - JUNE_MS) // DAY_MS + 1 for time in times]


FILTERS = {
    "date": (lambda c: c.filterDate("2019-06-03", "2019-06-07"), [3, 5]),
    "range": (lambda c: c.filter(ee.Filter.dateRangeContains(leftValue=first_day(), rightField=START)), [1]),
    "eq": (lambda c: c.filter(ee.Filter.eq("CLOUDY_PIXEL_PERCENTAGE", 20)), [5]),
    "neq": (lambda c: c.filter(ee.Filter.neq("CLOUDY_PIXEL_PERCENTAGE", 20)), [1, 3, 7, 9]),
    "gt": (lambda c: c.filter(ee.Filter.gt("CLOUDY_PIXEL_PERCENTAGE", 20)), [7, 9]),
    "gte": (lambda c: c.filterMetadata("CLOUDY_PIXEL_PERCENTAGE", "not_less_than", 20), [5, 7, 9]),
    "lt": (lambda c: c.filter(ee.Filter.lt("CLOUDY_PIXEL_PERCENTAGE", 20)), [1, 3]),
    "lte": (lambda c: c.filter(ee.Filter.lte("CLOUDY_PIXEL_PERCENTAGE", 20)), [1, 3, 5]),
    "and": (lambda c: c.filter(ee.Filter.And(ee.Filter.gt(CLOUDS, 5), ee.Filter.lt(CLOUDS, 25))), [3, 5]),
    "or": (lambda c: c.filter(ee.Filter.Or(ee.Filter.lt(CLOUDS, 5), ee.Filter.gt(CLOUDS, 35))), [1, 9]),
    "not": (lambda c: c.filter(ee.Filter.gt("CLOUDY_PIXEL_PERCENTAGE", 15).Not()), [1, 3]),
    "in a list": (lambda c: c.filter(ee.Filter.inList("CLOUDY_PIXEL_PERCENTAGE", [10, 30])), [3, 7]),
    "starts": (lambda c: c.filter(ee.Filter.stringStartsWith("system:index", "20190603")), [3]),
    "contains": (lambda c: c.filter(ee.Filter.stringContains("system:index", "0605T")), [5]),
    "range of values": (lambda c: c.filter(ee.Filter.rangeContains("CLOUDY_PIXEL_PERCENTAGE", 10, 20)), [3, 5]),
    "day of year": (lambda c: c.filter(ee.Filter.dayOfYear(152, 154)), [1, 3]),
    "calendar": (lambda c: c.filter(ee.Filter.calendarRange(6, 6, "month")), [1, 3, 5, 7, 9]),
    "not null": (lambda c: c.filter(ee.Filter.notNull(["nothing"])), []),
    "here": (lambda c: c.filterBounds(ee.Geometry.Point([114.92, 30.71])), [1, 3, 5, 7, 9]),
    "elsewhere": (lambda c: c.filterBounds(ee.Geometry.Point([10, 10])), []),
    "limit": (lambda c: c.limit(2), [1, 3]),
    "sorted": (lambda c: c.limit(2, "CLOUDY_PIXEL_PERCENTAGE", False), [9, 7]),
    "sort": (lambda c: c.sort("system:time_start", False), [9, 7, 5, 3, 1]),
    "distinct": (lambda c: c.merge(c).distinct("CLOUDY_PIXEL_PERCENTAGE"), [1, 3, 5, 7, 9]),
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
def test_filters_and_orders(name):
    narrow, expected = FILTERS[name]
    assert days(narrow(ee.ImageCollection(S2))) == expected


@pytest.mark.parametrize("name", ["date", "and", "here", "sorted"])
def test_filters_work_after_a_map_too(name):
    narrow, expected = FILTERS[name]
    assert days(narrow(ee.ImageCollection(S2).map(lambda image: image.select("B2")))) == expected


class Watched(Scenes):
    """A catalog that keeps what it was asked for: start, end and bounds."""

    @cached_property
    def asked(self) -> list:
        return []

    def images(self, collection_id, start_ms, end_ms, bounds_wsen):
        self.asked.append((start_ms, end_ms, bounds_wsen))
        return super().images(collection_id, start_ms, end_ms, bounds_wsen)


def test_dates_and_bounds_reach_the_catalog():
    catalog = Watched(CATALOG.scenes)
    box = ee.Geometry.BBox(114.9, 30.7, 114.93, 30.72)
    found = (
        ee.ImageCollection(S2)
        .filterBounds(box)
        .filterDate("2019-06-01", "2019-07-01")
        .filterDate("2019-06-02", "2019-08-01")
    )
    assert info(found.size(), catalog) == 4
    assert catalog.asked == [(JUNE_MS + DAY_MS, JUNE_MS + 30 * DAY_MS, (114.9, 30.7, 114.93, 30.72))]


def test_a_boundless_catalog_says_what_it_wants():
    class Boundless(Scenes):
        def images(self, collection_id, start_ms, end_ms, bounds_wsen):
            raise ValueError("the world has no end: filter by date and bounds")

    with pytest.raises(EngineError, match="the world has no end"):
        value(ee.ImageCollection(S2).size(), Boundless(CATALOG.scenes))


def test_linking_asks_for_one_image_and_lists_nothing():
    class Unlisted(Scenes):
        def images(self, collection_id, start_ms, end_ms, bounds_wsen):
            assert "CLOUD_SCORE" not in collection_id
            return super().images(collection_id, start_ms, end_ms, bounds_wsen)

    scores = ee.ImageCollection("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED")
    linked = ee.ImageCollection(S2).linkCollection(scores, ["cs_cdf"], ["CLOUDY_PIXEL_PERCENTAGE"])
    assert info(ee.Image(linked.first()).bandNames(), Unlisted(CATALOG.scenes))[-1] == "cs_cdf"


def test_lists_contain():
    radar = ee.ImageCollection("COPERNICUS/S1_GRD_FLOAT")
    both = radar.filter(ee.Filter.listContains("transmitterReceiverPolarisation", "VH"))
    assert info(both.size(), CATALOG) == 3
    assert info(radar.filter(ee.Filter.listContains("transmitterReceiverPolarisation", "HH")).size(), CATALOG) == 0


def test_aggregations_of_a_property():
    collection = ee.ImageCollection(S2)
    name = "CLOUDY_PIXEL_PERCENTAGE"
    found = [collection.aggregate_min(name), collection.aggregate_max(name), collection.aggregate_mean(name)]
    assert [info(each, CATALOG) for each in found] == [0, 40, 20]
    assert info(collection.aggregate_count("nothing"), CATALOG) == 0
    assert info(collection.aggregate_total_sd(name), CATALOG) == pytest.approx(200**0.5)


def test_a_map_keeps_the_index_and_may_drop_nulls():
    indices = info(ee.ImageCollection(S2).map(lambda image: image.multiply(2)).aggregate_array("system:index"), CATALOG)
    assert indices[0] == "20190601T030719_T50RKU"
    features = ee.FeatureCollection([ee.Feature(None, {"a": i}) for i in range(4)])
    kept = features.map(lambda f: ee.Algorithms.If(ee.Number(f.get("a")).gt(1), f, None), True)
    assert info(kept.aggregate_array("a")) == [2, 3]


@pytest.mark.parametrize("few", [lambda c: c.toList(1), lambda c: c.limit(1).toList(5)], ids=["list", "limit"])
def test_the_first_of_a_filtered_map_pass_the_filter(few):
    """wxee's fill_gaps: a mapped collection, filtered by date."""
    mapped = ee.ImageCollection(S2).map(lambda image: image.multiply(2).copyProperties(image, [START]))
    found = few(mapped.filterDate("2019-06-03", "2019-06-07"))
    assert info(found.map(lambda image: ee.Image(image).date().get("day")), CATALOG) == [3]


def test_first_of_a_filtered_map_passes_the_filter():
    mapped = ee.ImageCollection([ee.Image(i).set("a", i) for i in range(20)]).map(lambda image: image.set("b", 1))
    assert info(ee.Image(mapped.filter(ee.Filter.gt("a", 15)).first()).get("a")) == 16


def test_merging_prefixes_indices():
    """A Collection.merge: ids are prefixed with 1_ and 2_."""
    one = ee.ImageCollection([ee.Image(1), ee.Image(2)])
    assert info(one.merge(one).aggregate_array("system:index")) == ["1_0", "1_1", "2_0", "2_1"]


def test_to_list_takes_a_slice():
    found = ee.ImageCollection(S2).toList(2, 1)
    assert info(found.map(lambda image: ee.Image(image).get("CLOUDY_PIXEL_PERCENTAGE")), CATALOG) == [10, 20]


def test_to_bands_names_by_index():
    assert info(ee.ImageCollection([ee.Image(1), ee.Image(2)]).toBands().bandNames()) == ["0_constant", "1_constant"]


def test_first_of_nothing_is_null():
    assert info(ee.ImageCollection(S2).filter(ee.Filter.eq("x", 1)).first(), CATALOG) is None


def test_properties_are_set_read_copied_and_listed():
    feature = ee.Feature(None, {"a": 1}).set("b", 2).set({"c": 3, "d": None})
    assert info(feature.toDictionary()) == {"a": 1, "b": 2, "c": 3}
    copy = ee.Feature(ee.Feature(None, {}).copyProperties(feature, None, ["b"]))
    assert info(copy.toDictionary()) == {"a": 1, "c": 3}
    assert sorted(info(feature.propertyNames())) == ["a", "b", "c"]


def test_system_properties_are_copied_only_by_name():
    """A Element.copyProperties: if omitted, all ordinary (non-system) properties are copied."""
    source = ee.ImageCollection(S2).first()
    assert info(ee.Image(ee.Image(1).copyProperties(source)).get("system:time_start"), CATALOG) is None
    named = ee.Image(ee.Image(1).copyProperties(source, ["system:time_start"]))
    assert info(named.date().format("YYYY-MM-dd"), CATALOG) == "2019-06-01"


def test_joins():
    left = ee.FeatureCollection([ee.Feature(None, {"k": i, "side": "l"}) for i in (1, 2, 3)])
    right = ee.FeatureCollection([ee.Feature(None, {"k": i, "n": n}) for i, n in ((1, 9), (1, 4), (3, 7))])
    same = ee.Filter.equals(leftField="k", rightField="k")
    first = ee.Join.saveFirst("m", "n").apply(left, right, same)
    assert info(first.map(lambda f: f.set("v", ee.Feature(f.get("m")).get("n"))).aggregate_array("v")) == [4, 7]
    assert info(ee.Join.saveAll("m").apply(left, right, same).aggregate_array("k")) == [1, 3]
    assert info(ee.Join.inverted().apply(left, right, same).aggregate_array("k")) == [2]
    assert info(ee.Join.simple().apply(left, right, same).aggregate_array("k")) == [1, 3]
    inner = ee.Join.inner().apply(left, right, same)
    assert info(inner.map(lambda f: f.set("n", ee.Feature(f.get("secondary")).get("n"))).aggregate_array("n")) == [
        9,
        4,
        7,
    ]
    near = ee.Filter.maxDifference(1.5, leftField="k", rightField="k")
    best = ee.Join.saveBest("m", "off").apply(left, right, near)
    assert info(best.map(lambda f: f.set("k2", ee.Feature(f.get("m")).get("k"))).aggregate_array("k2")) == [1, 1, 3]


@pytest.mark.parametrize(
    "change",
    [lambda c: c.select(["B4"]), lambda c: c.map(lambda image: image.select("B4").updateMask(1).rename("x"))],
    ids=["select", "map"],
)
def test_filters_of_selected_bands_reach_the_catalog(change):
    """geetools' tests select bands of Sentinel-2 and then filter by bounds and date."""
    catalog = Watched(CATALOG.scenes)
    box = ee.Geometry.BBox(114.9, 30.7, 114.93, 30.72)
    found = change(ee.ImageCollection(S2)).filterBounds(box).filterDate("2019-06-02", "2019-07-01")
    assert info(found.size(), catalog) == 4
    assert set(catalog.asked) == {(JUNE_MS + DAY_MS, JUNE_MS + 30 * DAY_MS, (114.9, 30.7, 114.93, 30.72))}
    assert len(info(ee.Image(found.first()).bandNames(), CATALOG)) == 1


def test_filters_of_what_a_map_sets_do_not_reach_the_catalog():
    mapped = ee.ImageCollection(S2).map(lambda image: image.select("B4").set(START, 0))
    assert info(mapped.filterDate("1970-01-01", "1970-01-02").size(), CATALOG) == 5


class Indexed(Scenes):
    """A catalog that lists no scenes."""

    def images(self, collection_id, start_ms, end_ms, bounds_wsen):
        raise ValueError("has no end: filter by date and bounds")


def test_a_filter_of_an_index_asks_for_the_image():
    """Of a collection that nobody can list."""
    found = ee.ImageCollection(S2).filter(ee.Filter.eq("system:index", "20190603T030719_T50RKU"))
    assert info(found.size(), Indexed(CATALOG.scenes)) == 1


def test_a_join_by_index_lists_only_the_first_collection():
    """guides/s2cloudless: scenes joined with their cloud probability by system:index, that one unfiltered."""
    features = ee.FeatureCollection([ee.Feature(None, {"system:index": "20190603T030719_T50RKU"}), ee.Feature(None)])
    same = ee.Filter.equals(leftField="system:index", rightField="system:index")
    joined = ee.Join.saveFirst("m").apply(features, ee.ImageCollection(S2), same)
    days = joined.map(lambda feature: feature.set("day", ee.Image(feature.get("m")).date().get("day")))
    assert info(days.aggregate_array("day"), Indexed(CATALOG.scenes)) == [3]


def test_nothing_touches_an_empty_geometry():
    nowhere = ee.FeatureCollection([]).geometry()
    assert info(ee.ImageCollection(S2).filterBounds(nowhere).size(), CATALOG) == 0


def test_a_filter_needs_one_operand_a_side():
    with pytest.raises(EngineError, match="leftField"):
        value(ee.FeatureCollection([]).filter(ee.Filter.equals(rightValue=1)).size())


def test_combining_collections_joins_bands_by_index():
    one, two = ee.ImageCollection([ee.Image(1).rename("a")]), ee.ImageCollection([ee.Image(2).rename("b")])
    assert info(ee.Image(one.combine(two).first()).bandNames()) == ["a", "b"]


def test_random_columns_depend_on_the_seed_only():
    features = ee.FeatureCollection([ee.Feature(None, {"a": i}) for i in range(5)])
    one, again, other = (info(features.randomColumn("r", seed).aggregate_array("r")) for seed in (1, 1, 2))
    assert one == again != other and all(0 <= number < 1 for number in one)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.select(["B4"]),
        lambda image: image.select(["B4"]).rename("x"),
        lambda image: image.updateMask(ee.Image(1).clip(ee.Geometry.BBox(0, 0, 1, 1))),
        lambda image: image.selfMask(),
    ],
    ids=["select", "rename", "updateMask", "selfMask"],
)
def test_bands_and_masks_leave_what_filters_see(change):
    """What graph._KEEPING says of its algorithms."""
    first = value(ee.ImageCollection(S2).first(), CATALOG)
    changed = value(ee.Image(change(ee.Image(ee.ImageCollection(S2).first()))), CATALOG)
    assert changed.properties.keys() == first.properties.keys() and changed.id == first.id
    assert all(changed.properties[name] == first.properties[name] for name in (START, CLOUDS, "system:index"))
    assert changed.footprint.lonlat.equals(first.footprint.lonlat)


def numbered(count: int) -> ee.FeatureCollection:
    features = ee.FeatureCollection([ee.Feature(None, {"p": number}) for number in range(count)])
    return features.map(lambda feature: feature.set("q", ee.Number(feature.get("p")).multiply(2)))


@pytest.mark.parametrize("least", [2, 8, 33])
def test_the_first_of_a_mapped_and_filtered_collection_passes_the_filter(least):
    """The first element is looked for without the others: among the first 8, then 32 and so on."""
    chosen = numbered(40).filter(ee.Filter.gte("q", 2 * least))
    assert info(chosen.first())["properties"] == {"p": least, "q": 2 * least}
    assert info(chosen.limit(2).aggregate_array("p")) == [least, least + 1]


def test_a_filtered_collection_without_elements_has_no_first():
    assert info(numbered(9).filter(ee.Filter.gt("q", 99)).first()) is None


def test_a_filter_after_a_filter_of_a_mapped_collection_looks_through_both():
    chosen = numbered(40).filter(ee.Filter.gt("p", 10)).filter(ee.Filter.eq("q", 60))
    assert info(chosen.first())["properties"]["p"] == 30


def test_the_first_of_selected_images_is_replaced_in_their_list():
    """Xee's test of fast_time_slicing: an image of a list is that of its collection."""
    chosen = ee.ImageCollection(S2).select(["B4"])
    replaced = chosen.toList(chosen.size()).replace(chosen.first(), ee.Image(0).rename("B4"))
    assert info(ee.Image(replaced.get(0)).propertyNames().contains(START), CATALOG) is False


def blocks() -> ee.FeatureCollection:
    return ee.FeatureCollection([ee.Feature(None, {"n": 1}), ee.Feature(None, {"n": 2, "pop": 5})])


@pytest.mark.parametrize(("passes", "numbers"), [(ee.Filter.neq, [2]), (ee.Filter.eq, [1]), (ee.Filter.lt, [])])
def test_a_comparison_with_null_asks_whether_the_property_is_there(passes, numbers):
    """guides/reducers_grouping keeps the blocks whose population is not null so."""
    assert info(blocks().filter(passes("pop", None)).aggregate_array("n")) == numbers


def test_the_columns_of_a_table_are_told_without_its_features():
    """guides/feature_collection_info: wdpa.limit(0).getInfo()['columns']."""
    answer = info(ee.FeatureCollection("USGS/WBD/2017/HUC06").limit(0), open_catalog("world"))
    assert answer["columns"]["areasqkm"] == "String" and answer["columns"]["system:index"] == "String"
    assert answer["features"] == []


def nothing() -> ee.ImageCollection:
    return ee.ImageCollection([])


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.rename(["c", "d"]),
        lambda image: image.select("a"),
        lambda image: image.select("a").subtract(1),
        lambda image: image.normalizedDifference(["a", "b"]),
    ],
)
def test_a_composite_of_no_image_is_filtered_out_before_its_bands_are_asked_for(change):
    """geetools' doyByBands (its tests/test_ImageCollection.py, TestPlotDoyByBands) renames composites of every day."""
    whole = change(ee.Image([1, 2]).rename(["a", "b"]))
    images = ee.ImageCollection([change(nothing().mean()).set("n", 0), whole.set("n", 3)])
    assert info(images.filter(ee.Filter.gt("n", 0)).aggregate_array("n")) == [3]
    with pytest.raises(EngineError, match="band"):
        info(images)


def test_a_composite_of_no_image_and_a_number_have_no_bands():
    """apidocs ee-image-subtract: an image of one band is used against all the bands in the other image."""
    assert info(nothing().mean().subtract(1).bandNames()) == []
    assert info(ee.Image(2).divide(nothing().mean()).bandNames()) == []
