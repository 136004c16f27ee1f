"""The whole way on the real engine: export, train, evaluate, map, publish, read back."""

from __future__ import annotations

import ee
import numpy as np
import pytest
import rasterio

from isamap import gee_export, inference, training
from tests.support.map_files import read_map

pytestmark = pytest.mark.long

BBOX = (114.25, 30.53, 114.31, 30.58)
ASSET = "projects/local/assets/end/to_end"


@pytest.fixture(scope="module")
def way(session, tmp_path_factory):
    """Folders of a dataset, a run and a map, made once."""
    root = tmp_path_factory.mktemp("way")
    gee_export.export_patches(region="wuhan", month="2019-06", bbox=BBOX, out=root / "data")
    training.train(
        data=root / "data", recipe="crofusenet-tiny", out=root / "run", settings={"epochs": "1", "batch": "4"}
    )
    inference.map_region(
        checkpoint=root / "run",
        region="wuhan",
        month="2019-06",
        bbox=(114.26, 30.54, 114.29, 30.56),
        out=root / "map.tif",
    )
    return root


def test_the_map_lies_on_the_grid_of_the_region(way):
    with rasterio.open(way / "map.tif") as source:
        assert source.crs.to_epsg() == 32650 and source.res == (10, 10)
        assert (source.bounds.left - 212750) % 10 == 0 and (3416360 - source.bounds.top) % 10 == 0


def test_the_map_says_that_it_is_simulated(way):
    with rasterio.open(way / "map.tif") as source:
        assert source.tags()["simulated"].lower() == "true"


def test_the_evaluation_counts_every_known_pixel_once(way):
    report = training.evaluate(checkpoint=way / "run", data=way / "data", split="test")
    from isamap.gee_export.datasets.dataset import Dataset

    dataset = Dataset.open(way / "data")
    listed = sum((dataset.read_label(p.id) != 255).sum() for p in dataset.patches if p.split == "test")
    assert report.confusion.sum() == listed > 0


def test_the_asset_read_back_equals_the_map(way):
    inference.publish(way / "map.tif", asset=ASSET)
    with rasterio.open(way / "map.tif") as source:
        written, transform = read_map(way / "map.tif"), source.transform
    pixels = ee.data.computePixels(
        {
            "expression": ee.Image(ASSET).unmask(255),
            "fileFormat": "NUMPY_NDARRAY",
            "grid": {
                "dimensions": {"width": written.shape[2], "height": written.shape[1]},
                "affineTransform": {
                    "scaleX": transform.a,
                    "shearX": 0,
                    "translateX": transform.c,
                    "shearY": 0,
                    "scaleY": transform.e,
                    "translateY": transform.f,
                },
                "crsCode": "EPSG:32650",
            },
        }
    )
    np.testing.assert_array_equal(pixels["isa"], written[0])
    np.testing.assert_array_equal(pixels["prob"], written[1])
