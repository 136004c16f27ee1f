"""Objects of buckets in graphs, through the unpatched `ee` client: Image.loadGeoTIFF and Blob."""

from __future__ import annotations

from collections.abc import Iterator

import ee
import numpy as np
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from local_ee import LocalEngine
from local_ee.testing.small import CRS, catalog, geotiff, storage_client

pytestmark = pytest.mark.usefixtures("reconnected")
VALUES = np.arange(48, dtype="uint8").reshape(2, 4, 6)


@pytest.fixture(scope="module")
def bucket(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[storage.Bucket]:
    with LocalEngine(catalog(8, 8), tmp_path_factory.mktemp("objects")) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        ee.data.setMaxRetries(0)
        yield storage_client(running.url).create_bucket("open")
    ee.data.setMaxRetries(5)


@pytest.fixture(scope="module")
def image(bucket) -> ee.Image:
    bucket.blob("a/scene.tif").upload_from_string(geotiff(VALUES, nodata=0))
    return ee.Image.loadGeoTIFF("gs://open/a/scene.tif")


def test_a_geotiff_is_an_image_with_its_grid(image):
    info = image.getInfo()
    assert info["id"] == "gs://open/a/scene.tif"
    assert [(band["id"], band["crs"], band["dimensions"]) for band in info["bands"]] == [
        ("B0", CRS, [6, 4]),
        ("B1", CRS, [6, 4]),
    ]


def test_its_pixels_are_those_of_the_file(image):
    sums = image.reduceRegion(ee.Reducer.sum().unweighted(), image.geometry().buffer(50), 10).getInfo()
    assert sums == {"B0": int(VALUES[0].sum()), "B1": int(VALUES[1].sum())}


def test_pixels_without_data_are_masked(image):
    counts = image.reduceRegion(ee.Reducer.count(), image.geometry().buffer(50), 10).getInfo()
    assert counts == {"B0": 23, "B1": 24}


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("gs://open/absent.tif", "Cannot read gs://open/absent.tif"),
        ("gs://open/entry.json", "Failed to load the GeoTIFF at `gs://open/entry.json"),
        ("/etc/passwd", "expected gs://BUCKET/OBJECT"),
        ("gs://../secret", "Cannot read"),
    ],
)
def test_what_is_no_geotiff_of_a_bucket_is_refused(bucket, uri, words):
    bucket.blob("entry.json").upload_from_string("{}")
    with pytest.raises(ee.EEException, match=words):
        ee.Image.loadGeoTIFF(uri).getInfo()


def test_a_blob_is_a_text(bucket):
    """samples/python/apidocs/ee_blob_string.py reads a STAC entry so."""
    bucket.blob("entry.json").upload_from_string('{"a_field": "a demo field"}')
    entry = ee.Dictionary(ee.Blob("gs://open/entry.json").string().decodeJSON())
    assert entry.get("a_field").getInfo() == "a demo field"


def test_a_blob_is_read_in_its_encoding(bucket):
    bucket.blob("word.txt").upload_from_string("Größe".encode("utf-16"))
    assert ee.Blob("gs://open/word.txt").string("UTF-16").getInfo() == "Größe"


def test_a_blob_in_another_encoding_is_refused(bucket):
    bucket.blob("word.txt").upload_from_string("Größe".encode("utf-16"))
    with pytest.raises(ee.EEException, match="is no text in UTF-8"):
        ee.Blob("gs://open/word.txt").string().getInfo()


def test_a_blob_of_a_bucket_that_is_not_there_is_refused(bucket):
    with pytest.raises(ee.EEException, match="Cannot read gs://ee-docs-demos/x: The specified bucket does not exist"):
        ee.Blob("gs://ee-docs-demos/x").string().getInfo()


def test_a_blob_has_an_address(bucket):
    assert ee.Blob("gs://open/x").url().getInfo() == "gs://open/x"
