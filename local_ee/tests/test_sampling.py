"""Pixels and points as features (apidocs ee-image-sample, ee-image-sampleregions, ee-image-stratifiedsample,
ee-image-samplerectangle, ee-featurecollection-randompoints, ee-imagecollection-getregion,
ee-featurecollection-aggregate_stats). Which pixels a seed draws is the local engine's own.
"""

from __future__ import annotations

import ee
import numpy as np
import pyproj
import pytest
import shapely

from local_ee.errors import EngineError
from local_ee.evaluation import pixel_samples, regions
from local_ee.raster.projection import Projection
from local_ee.testing.evaluating import info, value

pytestmark = pytest.mark.usefixtures("session")

CRS = "EPSG:32650"
BOX = [500_000, 3_400_000, 500_060, 3_400_040]  # 6 x 4 pixels of 10 m


def region() -> ee.Geometry:
    return ee.Geometry.Rectangle(BOX, CRS, False)


def columns() -> ee.Image:
    """Band x: the column of a 10-m grid, 0 to 5 in the box; band half: 1 in its eastern half."""
    x = ee.Image.pixelCoordinates(ee.Projection(CRS, [10, 0, BOX[0], 0, -10, BOX[3]])).select("x").floor().toInt()
    return x.addBands(x.gte(3).rename("half"))


def sampled(image: ee.Image, **options) -> list[dict]:
    return [each["properties"] for each in info(image.sample(region(), 10, CRS, **options))["features"]]


def test_every_pixel_with_its_centre_in_the_region():
    assert sorted(row["x"] for row in sampled(columns())) == sorted([*range(6)] * 4)


def test_masked_pixels_are_dropped():
    assert {row["x"] for row in sampled(columns().updateMask(columns().select("x").gt(2)))} == {3, 4, 5}


def test_masked_pixels_that_are_kept_lack_the_property():
    masked = columns().select("x").addBands(columns().select("half").selfMask())
    rows = sampled(masked, dropNulls=False)
    assert len(rows) == 24 and sum("half" in row for row in rows) == 12


def test_geometries_are_the_centres_of_pixels():
    points = info(columns().sample(region(), 10, CRS, geometries=True))["features"]
    lon, lat = zip(*(each["geometry"]["coordinates"] for each in points), strict=True)
    x, _ = pyproj.Transformer.from_crs(4326, 32650, always_xy=True).transform(lon, lat)
    assert np.allclose((np.array(x) - BOX[0]) / 10 - 0.5, [each["properties"]["x"] for each in points], atol=1e-4)


def test_a_number_of_pixels():
    assert len(sampled(columns(), numPixels=7)) == 7


def test_a_seed_draws_the_same_pixels_and_another_one_others():
    by_seed = [sampled(ee.Image.pixelCoordinates(CRS), numPixels=7, seed=seed) for seed in (1, 1, 2)]
    assert by_seed[0] == by_seed[1] != by_seed[2]


def test_a_share_of_pixels():
    wide = ee.Geometry.Rectangle([500_000, 3_400_000, 501_000, 3_401_000], CRS, False)
    count = info(columns().sample(wide, 10, CRS, factor=0.3).size())
    assert 2700 < count < 3300


def test_factor_and_number_exclude_each_other():
    with pytest.raises(EngineError, match="Cannot specify both 'factor' and 'numPixels'"):
        value(columns().sample(region(), 10, CRS, factor=0.5, numPixels=3).size())


def test_regions_hand_their_properties_down():
    west = ee.Feature(ee.Geometry.Rectangle([BOX[0], BOX[1], BOX[0] + 20, BOX[3]], CRS, False), {"name": "west"})
    point = ee.Feature(ee.Geometry.Point([BOX[2] - 2, BOX[3] - 2], CRS), {"name": "corner"})
    rows = info(columns().sampleRegions(ee.FeatureCollection([west, point]), ["name"], 10, CRS))["features"]
    assert sorted((row["properties"]["name"], row["properties"]["x"]) for row in rows) == [
        ("corner", 5),
        *[("west", 0)] * 4,
        *[("west", 1)] * 4,
    ]


def test_so_many_pixels_of_each_class():
    table = columns().stratifiedSample(5, "half", region(), 10, CRS)
    assert info(table.aggregate_histogram("half")) == {"0": 5, "1": 5}


def test_numbers_for_single_classes_and_classes_that_are_too_small():
    table = columns().stratifiedSample(50, "half", region(), 10, CRS, classValues=[1], classPoints=[2])
    assert info(table.aggregate_histogram("half")) == {"0": 12, "1": 2}


def test_a_rectangle_is_an_array():
    projected = columns().select("x").setDefaultProjection(ee.Projection(CRS, [10, 0, BOX[0], 0, -10, BOX[3]]))
    assert info(projected.sampleRectangle(region()).get("x")) == [[0, 1, 2, 3, 4, 5]] * 4


def test_a_rectangle_with_masked_pixels_needs_a_default():
    projection = ee.Projection(CRS, [10, 0, BOX[0], 0, -10, BOX[3]])
    masked = columns().select("x").selfMask().setDefaultProjection(projection)
    assert info(masked.sampleRectangle(region(), None, 9).get("x"))[0] == [9, 1, 2, 3, 4, 5]
    with pytest.raises(EngineError, match="Fully or partially masked pixels"):
        value(masked.sampleRectangle(region()))


def test_random_points_lie_in_the_region_and_spread_by_area():
    shape = shapely.box(0, 0, 10, 60)
    points = info(ee.FeatureCollection.randomPoints(ee.Geometry.Rectangle([0, 0, 10, 60], None, False), 2000, 1))
    lonlat = np.array([each["geometry"]["coordinates"] for each in points["features"]])
    assert len(lonlat) == 2000 and shapely.contains_xy(shape, *lonlat.T).all()
    expected = np.sin(np.radians(30)) / np.sin(np.radians(60))  # of the area lies south of 30 degrees
    assert (lonlat[:, 1] < 30).mean() == pytest.approx(expected, abs=0.04)


def test_random_points_on_a_line():
    points = info(ee.FeatureCollection.randomPoints(ee.Geometry.LineString([[0, 0], [0, 1]]), 20))["features"]
    assert all(each["geometry"]["coordinates"][0] == pytest.approx(0) for each in points)


def test_the_values_of_a_series_at_a_pixel():
    series = ee.ImageCollection([ee.Image([i, 2 * i]).rename(["a", "b"]).set("system:time_start", i) for i in range(3)])
    head, *rows = info(series.getRegion(ee.Geometry.Point([114.3, 30.5]), 10))
    assert head == ["id", "longitude", "latitude", "time", "a", "b"]
    assert [(row[0], *row[3:]) for row in rows] == [("0", 0, 0, 0), ("1", 1, 1, 2), ("2", 2, 2, 4)]
    assert rows[0][1] == pytest.approx(114.3, abs=1e-4) and rows[0][2] == pytest.approx(30.5, abs=1e-4)


def test_too_many_values_of_a_series_are_refused():
    wide = ee.Geometry.Rectangle([114, 30, 115, 31], None, False)
    with pytest.raises(EngineError, match="Too many values"):
        value(ee.ImageCollection([ee.Image(1)]).getRegion(wide, 10))


def test_statistics_of_a_property():
    table = ee.FeatureCollection([ee.Feature(None, {"n": n}) for n in (1, 2, 3, 6)] + [ee.Feature(None, {})])
    found = info(table.aggregate_stats("n"))
    assert (found["total_count"], found["valid_count"], found["sum"], found["sum_sq"]) == (5, 4, 12, 50)
    assert found["sample_sd"] == pytest.approx(np.std([1, 2, 3, 6], ddof=1))
    assert found["total_var"] == pytest.approx(np.var([1, 2, 3, 6]))


def large_region() -> ee.Geometry:
    return ee.Geometry.Rectangle([500_000, 3_400_000, 520_000, 3_420_000], CRS, False)  # 2000 x 2000 pixels


def drawn(image: ee.Image, **options) -> list[dict]:
    rows = info(image.sample(large_region(), 10, CRS, geometries=True, **options))["features"]
    return [(*row["geometry"]["coordinates"], row["properties"]["x"]) for row in rows]


def test_some_pixels_of_a_large_region_are_the_lowest_of_all_its_draws():
    every = value(columns().select("x"), None)
    grid = regions.working_projection(every, Projection(CRS), None, 10)
    samples = pixel_samples.pixels_of(every, value(large_region(), None), grid)
    lowest = np.sort(np.argsort(samples.draws(3), kind="stable")[:40])
    lon, lat = samples.pick(lowest).lonlat
    assert np.allclose(
        drawn(columns().select("x"), numPixels=40, seed=3),
        np.column_stack([lon, lat, (samples.x[lowest] - 500_000) // 10]),
    )


def test_pixels_far_from_the_drawn_ones_are_not_read(monkeypatch):
    counts = []
    reading = pixel_samples._read
    monkeypatch.setattr(
        pixel_samples, "_read", lambda *parts: counts.append(np.prod(parts[1].shape)) or reading(*parts)
    )
    assert len(drawn(columns().select("x"), numPixels=20)) == 20
    assert sum(counts) < 20 * 64 * 64


def test_a_share_of_a_large_region():
    assert len(drawn(columns().select("x"), factor=1e-4)) == pytest.approx(400, abs=100)
