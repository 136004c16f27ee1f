"""Reducers over images, bands, regions and lists, against numpy."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, number, pixels, value
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(30, 34)
BANDS = {"x": ("float32", 10), "n": ("uint16", 10)}
CATALOG = Scenes(tuple(Scene(f"C/{i}", GRID, BANDS, seed=i, hidden=4) for i in range(7)))


def images() -> ee.ImageCollection:
    return ee.ImageCollection("C")


def stack(band: str) -> np.ma.MaskedArray:
    layers = [pixels(ee.Image(f"C/{i}").select(band), CATALOG, GRID) for i in range(7)]
    return np.ma.stack(layers)


EXPECTED = {
    "mean": lambda s: s.mean(axis=0, dtype=float),
    "median": lambda s: np.ma.median(s.astype(float), axis=0),
    "min": lambda s: s.min(axis=0),
    "max": lambda s: s.max(axis=0),
    "sum": lambda s: s.sum(axis=0, dtype=float),
    "product": lambda s: s.prod(axis=0, dtype=float),
}


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("band", BANDS)
def test_collections_reduce_as_masked_numpy(name, band):
    found = pixels(getattr(images().select(band), name)(), CATALOG, GRID)
    expected = EXPECTED[name](stack(band))
    assert (found.mask == np.ma.getmaskarray(expected)).all()
    assert np.ma.allclose(found, expected, rtol=1e-6)


def test_count_is_valid_everywhere():
    found = pixels(images().select("n").count(), CATALOG, GRID)
    assert not found.mask.any() and (found.data == stack("n").count(axis=0)).all()


def test_mode_is_the_most_frequent_value():
    collection = ee.ImageCollection([ee.Image(3), ee.Image(5), ee.Image(3), ee.Image(9).updateMask(0)])
    assert number(collection.mode()) == 3


def test_a_median_is_bit_equal_to_numpy():
    found = pixels(images().select("n").median(), CATALOG, GRID)
    assert (found == np.ma.median(stack("n").astype(float), axis=0)).all()


def test_percentiles_are_named_and_interpolated():
    reduced = images().select("n").reduce(ee.Reducer.percentile([0, 25, 50, 100]))
    assert info(reduced.bandNames(), CATALOG) == ["n_p0", "n_p25", "n_p50", "n_p100"]
    rows = stack("n")
    found = pixels(reduced.select("n_p25"), CATALOG, GRID)
    for row, col in ((0, 0), (7, 9), (20, 30)):
        own = rows[:, row, col].compressed()
        assert found[row, col] == pytest.approx(np.percentile(own, 25))


def test_reducers_of_a_collection_name_their_bands():
    """D guides/ic_reducing: the reducer's output is appended to the band's name; mean() alone keeps the names."""
    both = ee.Reducer.mean().combine(ee.Reducer.stdDev(), "", True)
    assert info(images().reduce(both).bandNames(), CATALOG) == ["x_mean", "x_stdDev", "n_mean", "n_stdDev"]
    assert info(images().mean().bandNames(), CATALOG) == ["x", "n"]


def test_stddev_is_that_of_the_population_and_sample_stddev_is_not():
    found = pixels(images().select("n").reduce(ee.Reducer.stdDev()), CATALOG, GRID)
    assert np.ma.allclose(found, stack("n").astype(float).std(axis=0), rtol=1e-6)
    sample = pixels(images().select("n").reduce(ee.Reducer.sampleStdDev()), CATALOG, GRID)
    assert np.ma.allclose(sample, stack("n").astype(float).std(axis=0, ddof=1), rtol=1e-6)


def test_bands_missing_in_some_images_are_matched_by_name():
    collection = ee.ImageCollection([ee.Image([1, 2]).rename(["a", "b"]), ee.Image(5).rename("b")])
    assert number(collection.mean().select("b")) == 3.5 and number(collection.mean().select("a")) == 1


def test_an_empty_collection_has_no_bands():
    with pytest.raises(EngineError, match=r"Band pattern 'x' did not match any bands. Available bands: \[\]"):
        info(images().filter(ee.Filter.eq("none", 1)).mean().select("x"), CATALOG)


def test_bands_of_a_pixel_are_reduced():
    image = ee.Image([4, 1, 7]).rename(["a", "b", "c"])
    reduced = image.reduce(ee.Reducer.max().combine(ee.Reducer.mean(), "", True))
    assert info(reduced.bandNames()) == ["max", "mean"]
    assert number(reduced) == 7 and number(reduced.select("mean")) == 4


def region() -> ee.Geometry:
    return ee.Geometry.Rectangle([300050, 3399800, 300250, 3399950], "EPSG:32650", False)


WINDOW = np.s_[5:20, 5:25]


@pytest.mark.parametrize("name", ["mean", "sum", "min", "max", "median", "stdDev", "count"])
def test_a_region_reduces_as_masked_numpy(name):
    found = info(ee.Image("C/1").reduceRegion(getattr(ee.Reducer, name)(), region()), CATALOG)
    inner = pixels(ee.Image("C/1").select("n"), CATALOG, GRID)[WINDOW].astype(float)
    expected = {"stdDev": inner.std(), "count": inner.count(), "median": np.ma.median(inner)}
    assert found["n"] == pytest.approx(expected[name] if name in expected else getattr(inner, name)())
    assert sorted(found) == ["n", "x"]


def test_outputs_of_several_are_named_by_band_and_output():
    both = ee.Reducer.minMax()
    assert sorted(info(ee.Image("C/1").reduceRegion(both, region()), CATALOG)) == ["n_max", "n_min", "x_max", "x_min"]


def test_a_histogram_counts_values():
    image = ee.Image("C/1").select("n").mod(3)
    found = info(image.reduceRegion(ee.Reducer.frequencyHistogram(), region()), CATALOG)["n"]
    inner = pixels(ee.Image("C/1").select("n"), CATALOG, GRID)[WINDOW] % 3
    kinds, counts = np.unique(inner.compressed(), return_counts=True)
    assert found == {str(kind): count for kind, count in zip(kinds, counts, strict=True)}


def test_a_region_without_valid_pixels_gives_null():
    masked = ee.Image("C/1").updateMask(0)
    assert info(masked.reduceRegion(ee.Reducer.mean(), region()), CATALOG) == {"x": None, "n": None}


def test_a_point_takes_its_pixel():
    point = ee.Geometry.Point([300055, 3399945], "EPSG:32650")
    expected = pixels(ee.Image("C/1").select("x").unmask(-1), CATALOG, GRID).data[5, 5]
    found = info(ee.Image("C/1").select("x").unmask(-1).reduceRegion(ee.Reducer.first(), point, 10), CATALOG)
    assert found["x"] == pytest.approx(float(expected))


def test_a_reduction_does_not_depend_on_its_tiles(monkeypatch):
    image = ee.Image("C/1").reduceRegion(ee.Reducer.mean().combine(ee.Reducer.median(), "", True), region())
    whole = info(image, CATALOG)
    monkeypatch.setattr("local_ee.evaluation.regions.TILE", 7)
    assert info(image, CATALOG) == pytest.approx(whole)


def test_regions_get_their_reductions_as_properties():
    features = ee.FeatureCollection([ee.Feature(region(), {"name": "a"})])
    found = info(ee.Image("C/1").select("n").reduceRegions(features, ee.Reducer.mean()), CATALOG)
    inner = pixels(ee.Image("C/1").select("n"), CATALOG, GRID)[WINDOW]
    assert found["features"][0]["properties"] == {"name": "a", "mean": pytest.approx(inner.mean())}


def test_lists_and_columns_reduce():
    assert info(ee.List([1, 2, 6]).reduce(ee.Reducer.mean())) == 3
    assert info(ee.List([1, 2, 6]).reduce(ee.Reducer.minMax())) == {"min": 1, "max": 6}
    features = ee.FeatureCollection([ee.Feature(None, {"a": 1}), ee.Feature(None, {"a": 4}), ee.Feature(None, {})])
    assert info(features.reduceColumns(ee.Reducer.sum(), ["a"])) == {"sum": 5}
    assert info(features.reduceColumns(ee.Reducer.toList(), ["a"])) == {"list": [1, 4]}


def test_outputs_can_be_renamed_and_must_not_clash():
    assert info(ee.List([1, 3]).reduce(ee.Reducer.mean().setOutputs(["m"]))) == 2
    with pytest.raises(EngineError, match="same name"):
        value(ee.Reducer.mean().combine(ee.Reducer.mean(), "", True).getOutputs())


def test_logic_over_images():
    mixed = ee.ImageCollection([ee.Image(1), ee.Image(0)])
    assert number(mixed.And()) == 0 and number(mixed.Or()) == 1
    assert number(mixed.reduce(ee.Reducer.allNonZero())) == 0


def test_first_and_last_valid_pixels():
    collection = ee.ImageCollection([ee.Image(1).updateMask(0), ee.Image(2), ee.Image(3)])
    assert number(collection.reduce(ee.Reducer.firstNonNull())) == 2
    assert number(collection.reduce(ee.Reducer.lastNonNull())) == 3
