"""Numbers, texts, lists, dictionaries, dates, geometries, projections and colours by the real client."""

from __future__ import annotations

import datetime
import math

import ee
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, number, pixels, value
from local_ee.testing.scenes import JUNE_MS, utm

pytestmark = pytest.mark.usefixtures("session")

CASES = {
    "sum": (lambda: ee.Number(2).add(3), 5),
    "power": (lambda: ee.Number(2).pow(0.5), 2**0.5),
    "remainder": (lambda: ee.Number(-7).mod(3), -1),
    "larger": (lambda: ee.Number(2).max(3), 3),
    "comparison": (lambda: ee.Number(2).gt(3), 0),
    "logic": (lambda: ee.Number(2).And(0), 0),
    "rounding": (lambda: ee.Number(2.5).round(), 3),
    "bits": (lambda: ee.Number(6).bitwiseAnd(3), 2),
    "shift": (lambda: ee.Number(1).leftShift(10), 1024),
    "logarithm": (lambda: ee.Number(1000).log10(), 3),
    "angle": (lambda: ee.Number(1).atan2(1), math.pi / 4),
    "parsed": (lambda: ee.Number.parse("ff", 16), 255),
    "formatted": (lambda: ee.Number(3.14159).format("%.2f"), "3.14"),
    "padded": (lambda: ee.Number(7).format("%03d"), "007"),
    "bounded": (lambda: ee.Number(7).clamp(0, 5), 5),
    "text": (lambda: ee.String("Wu").cat("han").toUpperCase(), "WUHAN"),
    "replaced": (lambda: ee.String("a-b-c").replace("-", "+", "g"), "a+b+c"),
    "split": (lambda: ee.String("a,b").split(","), ["a", "b"]),
    "matched": (lambda: ee.String("T50RKU").match("T(\\d+)"), ["T50", "50"]),
    "sliced": (lambda: ee.String("20190601").slice(0, 4), "2019"),
    "length": (lambda: ee.String("abc").length(), 3),
    "index": (lambda: ee.String("abcb").rindex("b"), 3),
    "encoded": (lambda: ee.String.encodeJSON({"a": [1, 2]}), '{"a":[1,2]}'),
    "sequence": (lambda: ee.List.sequence(1, 7, 2), [1, 3, 5, 7]),
    "counted": (lambda: ee.List.sequence(0, None, 5, 3), [0, 5, 10]),
    "element": (lambda: ee.List([1, 2, 3]).get(-1), 3),
    "sorted": (lambda: ee.List([3, 1, 2]).sort(), [1, 2, 3]),
    "by keys": (lambda: ee.List(["a", "b"]).sort([2, 1]), ["b", "a"]),
    "flat": (lambda: ee.List([[1], [2, [3]]]).flatten(), [1, 2, 3]),
    "distinct": (lambda: ee.List([1, 2, 1]).distinct(), [1, 2]),
    "repeated": (lambda: ee.List.repeat(1, 3), [1, 1, 1]),
    "zipped": (lambda: ee.List([1, 2]).zip([3, 4]), [[1, 3], [2, 4]]),
    "slice": (lambda: ee.List([1, 2, 3, 4]).slice(1, -1), [2, 3]),
    "removed": (lambda: ee.List([1, 2, 1]).remove(1), [2, 1]),
    "spliced": (lambda: ee.List([1, 2, 3]).splice(1, 1, [8, 9]), [1, 8, 9, 3]),
    "joined": (lambda: ee.List(["a", "b"]).join("-"), "a-b"),
    "filtered": (lambda: ee.List([1, 5, 9]).filter(ee.Filter.gt("item", 4)), [5, 9]),
    "rotated": (lambda: ee.List([1, 2, 3]).rotate(1), [2, 3, 1]),
    "keys": (lambda: ee.Dictionary({"b": 1, "a": 2}).keys(), ["a", "b"]),
    "values": (lambda: ee.Dictionary({"b": 1, "a": 2}).values(), [2, 1]),
    "combined": (lambda: ee.Dictionary({"a": 1}).combine({"a": 2}, False), {"a": 1}),
    "renamed": (lambda: ee.Dictionary({"a": 1}).rename(["a"], ["z"]), {"z": 1}),
    "mapped": (lambda: ee.Dictionary({"a": 1}).map(lambda k, v: ee.Number(v).add(1)), {"a": 2}),
    "from lists": (lambda: ee.Dictionary.fromLists(["a"], [1]), {"a": 1}),
    "default": (lambda: ee.Dictionary({}).get("a", 7), 7),
    "removed keys": (lambda: ee.Dictionary({"aa": 1, "b": 2}).remove(["a+"]), {"b": 2}),
    "month on": (lambda: ee.Date("2019-01-31").advance(1, "month").format("YYYY-MM-dd"), "2019-02-28"),
    "days": (lambda: ee.Date("2019-06-30").difference(ee.Date("2019-06-01"), "day"), 29),
    "year": (lambda: ee.Date("2019-06-01").get("year"), 2019),
    "day of year": (lambda: ee.Date("2019-06-01").getRelative("day", "year"), 151),
    "made": (lambda: ee.Date.fromYMD(2019, 6, 1).millis(), JUNE_MS),
    "parsed date": (lambda: ee.Date.parse("dd/MM/YYYY", "01/06/2019").millis(), JUNE_MS),
    "zone": (lambda: ee.Date("2019-06-01", "Asia/Shanghai").millis(), JUNE_MS - 8 * 3_600_000),
    "words": (lambda: ee.Date("2019-06-01T13:05:09").format("MMM d, YYYY 'at' HH:mm:ss"), "Jun 1, 2019 at 13:05:09"),
    "range": (lambda: ee.Date("2019-06-15").getRange("month").start().format("YYYY-MM-dd"), "2019-06-01"),
    "range end": (lambda: ee.DateRange("2019-06-01", "2019-07-01").end().millis(), JUNE_MS + 30 * 86_400_000),
    "updated": (lambda: ee.Date("2018-06-01").update(2019).millis(), JUNE_MS),
    "crs": (lambda: ee.Projection("EPSG:32650").atScale(30).nominalScale(), 30),
    "degrees": (lambda: ee.Projection("EPSG:4326").nominalScale(), 111319.49079327357),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    build, expected = CASES[name]
    found = info(build())
    assert found == (pytest.approx(expected) if isinstance(expected, float) else expected)


def test_missing_keys_and_positions_are_named():
    with pytest.raises(EngineError, match="Dictionary does not contain key: 'x'"):
        value(ee.Dictionary({"a": 1}).get("x"))
    with pytest.raises(EngineError, match="List index must be between 0 and 1"):
        value(ee.List([1, 2]).get(2))


def test_an_empty_date_range_is_refused():
    with pytest.raises(EngineError, match="Empty date ranges"):
        value(ee.DateRange("2019-06-02", "2019-06-01"))


@settings(max_examples=40, deadline=None)
@given(
    st.datetimes(datetime.datetime(1985, 1, 1), datetime.datetime(2060, 1, 1)).map(lambda d: d.replace(microsecond=0)),
    st.integers(-400, 400),
)
def test_dates_advance_as_pythons_do(moment, days):
    later = ee.Date(moment.isoformat()).advance(days, "day").format("YYYY-MM-dd'T'HH:mm:ss")
    assert info(later) == (moment + datetime.timedelta(days=days)).isoformat()


LONLAT = [[113.9, 30.4], [114.5, 30.4], [114.5, 30.8], [113.9, 30.8]]


def test_areas_are_those_of_the_authalic_sphere_and_lengths_nearly_those_of_the_ellipsoid():
    shape = shapely.Polygon(LONLAT)
    area, _ = pyproj.Geod(a=6_371_007.181, f=0).geometry_area_perimeter(shape)
    _, length = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(shape)
    assert info(ee.Geometry.Polygon(LONLAT).area()) == pytest.approx(abs(area), rel=1e-9)
    assert info(ee.Geometry.Polygon(LONLAT).perimeter()) == pytest.approx(length, rel=1.2e-5)  # flattening squared


def test_a_buffer_has_its_radius_in_metres():
    circle = ee.Geometry.Point([114.3, 30.6]).buffer(1000)
    assert info(circle.area()) == pytest.approx(math.pi * 1e6, rel=0.01)
    ring = info(circle.coordinates())[0]
    west, east = ring[0], ring[len(ring) // 2]
    assert pyproj.Geod(ellps="WGS84").inv(*west, *east)[2] == pytest.approx(2000, rel=1e-3)


def test_set_operations_of_straight_edges_equal_shapely():
    other = [[114.2, 30.5], [115, 30.5], [115, 31], [114.2, 31]]
    one, two = shapely.Polygon(LONLAT), shapely.Polygon(other)
    left, right = (ee.Geometry.Polygon([ring], None, False) for ring in (LONLAT, other))
    assert shapely.geometry.shape(info(left.intersection(right))).equals(one & two)
    assert info(left.intersects(right))
    assert not info(left.contains(right))
    joined = left.union(right)
    assert shapely.geometry.shape(info(joined)).area == pytest.approx((one | two).area)


def test_bounds_and_transforms():
    moved = ee.Geometry.Point([114.3, 30.6]).transform("EPSG:32650")
    expected = pyproj.Transformer.from_crs(4326, 32650, always_xy=True).transform(114.3, 30.6)
    assert info(moved)["coordinates"] == pytest.approx(expected)
    assert info(moved)["crs"]["properties"]["name"] == "EPSG:32650"


def test_bounds_begin_in_the_south_west():
    """The first corner is the south-west one, the next the south-east one (apidocs ee-geometry-bounds)."""
    box = info(ee.Geometry.LineString([[1, 2], [3, 5]]).bounds())["coordinates"][0]
    assert box == [[1, 2], [3, 2], [3, 5], [1, 5], [1, 2]]


@pytest.mark.parametrize(
    "build, kind",
    [
        (lambda: ee.Geometry.Point(1, 2), "Point"),
        (lambda: ee.Geometry.MultiPoint([[1, 2], [3, 4]]), "MultiPoint"),
        (lambda: ee.Geometry.LineString([[1, 2], [3, 4]]), "LineString"),
        (lambda: ee.Geometry.Rectangle([1, 2, 3, 4]), "Polygon"),
        (lambda: ee.Geometry.BBox(1, 2, 3, 4), "Polygon"),
        (lambda: ee.Geometry.MultiPolygon([[LONLAT], [[[0, 0], [1, 0], [1, 1]]]]), "MultiPolygon"),
    ],
)
def test_geometries_are_geojson(build, kind):
    found = info(build())
    assert found["type"] == info(build().type()) == kind and shapely.geometry.shape(found).is_valid


def test_an_unknown_projection_is_refused():
    with pytest.raises(EngineError, match="The CRS of a map projection could not be parsed"):
        value(ee.Projection("EPSG:999999"))


def test_pixel_areas_are_those_of_the_ellipsoid():
    grid = utm(3, 3, left=500_000)
    x, y = np.array([500_010, 500_020, 500_020, 500_010]), np.array([3_399_990, 3_399_990, 3_399_980, 3_399_980])
    lon, lat = pyproj.Transformer.from_crs(32650, 4326, always_xy=True).transform(x, y)
    area = abs(pyproj.Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0])
    assert pixels(ee.Image.pixelArea(), grid=grid).data[1, 1] == pytest.approx(area, rel=1e-4)


def test_noise_is_uniform_and_depends_on_the_seed():
    grid = utm(100, 100)
    one, two = (pixels(ee.Image.random(seed), grid=grid).data for seed in (1, 2))
    assert one.min() >= 0 and one.max() < 1 and one.mean() == pytest.approx(0.5, abs=0.02)
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.05


COLOURS = {
    "gray": (dict(min=0, max=10), 5, [128]),
    "palette": (dict(min=0, max=2, palette=["black", "ff0000"]), 1, [128, 0, 0]),
    "named": (dict(palette=["white"]), 1, [255, 255, 255]),
    "gain": (dict(gain=2, bias=10), 5, [20]),
    "gamma": (dict(min=0, max=4, gamma=2), 1, [128]),
    "forced": (dict(min=0, max=10, forceRgbOutput=True), 10, [255, 255, 255]),
}


@pytest.mark.parametrize("name", COLOURS)
def test_visualisation(name):
    """D guides/image_visualization: min to max become 0 to 255; palettes are mixed between their colours."""
    options, given_value, expected = COLOURS[name]
    image = ee.Image(given_value).visualize(**options)
    assert [pixels(image, band=i).data[0, 0] for i in range(len(expected))] == expected


def test_unit_scale_neither_clamps_nor_masks():
    """apidocs ee-image-unitscale: values outside the range are not clamped."""
    assert number(ee.Image(100).unitScale(10, 60)) == pytest.approx(1.8)


def test_ranges_and_tables():
    assert pixels(ee.Image(7).clamp(0, 5)).data[0, 0] == 5
    assert pixels(ee.Image(3).unitScale(2, 4)).data[0, 0] == 0.5
    assert pixels(ee.Image(3).polynomial([1, 2, 1])).data[0, 0] == 16
    assert pixels(ee.Image(1.5).interpolate([0, 1, 2], [0, 10, 30])).data[0, 0] == 20
    assert pixels(ee.Image(1).blend(ee.Image(2))).data[0, 0] == 2
