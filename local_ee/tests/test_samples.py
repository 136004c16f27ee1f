"""Samples of tests: arrays, GeoTIFFs and CSV files become images and tables under their ids."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from affine import Affine

from local_ee.testing import ArrayImage, small
from local_ee.testing.samples import write_catalog

VALUES = np.array([[1, 2, 3], [4, 5, 6]], "uint8")
PARIS = ArrayImage(
    {"a": VALUES, "b": np.ma.masked_equal(VALUES, 5)},
    crs="EPSG:32631",
    transform=(20, 0, 448_000, 0, -20, 5_411_000),
    properties={"system:time_start": 1_560_000_000_000, "season": "summer"},
)
SAMPLES = {"MINE/PARIS": PARIS, "MINE/PLAIN": np.stack([VALUES, VALUES + 10])}


def _sum(image: ee.Image) -> dict:
    return image.reduceRegion(ee.Reducer.sum().unweighted(), image.geometry(), 10).getInfo()


@pytest.mark.local_ee(catalog=SAMPLES)
def test_an_array_lies_where_its_transform_says():
    info = ee.Image("MINE/PARIS").getInfo()
    band = info["bands"][0]
    assert (band["crs"], band["crs_transform"]) == ("EPSG:32631", [20, 0, 448_000, 0, -20, 5_411_000])
    assert band["dimensions"] == [3, 2] and info["properties"]["season"] == "summer"


@pytest.mark.local_ee(catalog=SAMPLES)
def test_a_masked_pixel_stays_masked():
    counts = ee.Image("MINE/PARIS").reduceRegion(ee.Reducer.count(), ee.Image("MINE/PARIS").geometry(), 20).getInfo()
    assert counts == {"a": 6, "b": 5}


@pytest.mark.local_ee(catalog=SAMPLES)
def test_layers_without_names_are_called_as_ingestion_calls_them():
    assert _sum(ee.Image("MINE/PLAIN")) == {"b1": 21, "b2": 81}


def test_a_geotiff_is_served_with_its_own_pixels(tmp_path, local_ee_over):
    transform = Affine(10, 0, 300_000, 0, -10, 3_400_000)
    (tmp_path / "scene.tif").write_bytes(small.geotiff(VALUES[None], transform=transform))
    with local_ee_over({"MINE/SCENE": "scene.tif"}):
        assert _sum(ee.Image("MINE/SCENE")) == {"b1": 21}


def test_rows_of_a_csv_are_features_with_numbers_and_texts(tmp_path, local_ee_over):
    (tmp_path / "plots.csv").write_text("longitude,latitude,height,name\n3.1,0.2,7.5,oak\n3.2,0.3,,elm\n")
    with local_ee_over({"MINE/PLOTS": "plots.csv"}):
        features = ee.FeatureCollection("MINE/PLOTS").getInfo()["features"]
    assert [feature["properties"] for feature in features] == [{"height": 7.5, "name": "oak"}, {"name": "elm"}]
    assert features[0]["geometry"]["coordinates"] == [3.1, 0.2]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("plots.csv", "x,y\n1,2\n", 'has the columns x, y: expected columns "longitude"'),
        ("plots.csv", "longitude,latitude\n3,north\n", "has no place"),
        ("plots.txt", "", "expected .tif, .csv or .geojson"),
    ],
)
def test_a_file_that_is_no_sample_is_refused(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=words):
        write_catalog(tmp_path / "catalog", {"MINE/PLOTS": name}, beside=tmp_path)


def test_bands_of_unlike_shapes_are_refused():
    with pytest.raises(ValueError, match="expected one shape"):
        ArrayImage({"a": np.zeros((2, 2)), "b": np.zeros((2, 3))})


@pytest.fixture
def local_ee_over(_local_ee_engines, tmp_path):
    """Connects `ee` to an engine over samples whose files lie in the test's folder."""
    return lambda samples: _local_ee_engines.active(samples, beside=tmp_path)
