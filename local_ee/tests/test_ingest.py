"""Uploads: manifests through the unpatched `ee` client, read back as assets."""

from __future__ import annotations

import re
from collections.abc import Iterator

import ee
import numpy as np
import pytest
from affine import Affine
from google.cloud import storage

from local_ee import LocalEngine
from local_ee.assets.manifest import parse
from local_ee.errors import EngineError
from local_ee.testing.small import TRANSFORM, ended, geotiff, storage_client
from tests.support.uploads import ROOT, engine_with_uploads, manifest, mask, name_of, pixels

pytestmark = pytest.mark.usefixtures("reconnected")


@pytest.fixture(scope="module")
def engine(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with engine_with_uploads(tmp_path_factory.mktemp("uploads")) as running:
        yield running


@pytest.fixture(scope="module")
def bucket(engine) -> storage.Bucket:
    return storage_client(engine.url).bucket("uploads")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return name_of(request)


def east(columns: float) -> Affine:
    return TRANSFORM * Affine.translation(columns, 0)


def upload(bucket: storage.Bucket, name: str, values: np.ndarray, **options) -> str:
    bucket.blob(name).upload_from_string(geotiff(values, **options))
    return f"gs://uploads/{name}"


def run(document: dict, *, overwrite: bool = False) -> dict:
    return ended(ee.data.startIngestion(ee.data.newTaskId(1)[0], document, overwrite)["name"])


@pytest.fixture(scope="module")
def two_bands() -> np.ndarray:
    random = np.random.default_rng(3)
    return np.stack([random.choice([0, 1, 255], (150, 130)), random.integers(0, 255, (150, 130))]).astype("uint8")


def test_a_map_comes_back_band_by_band_with_its_properties(bucket, name, two_bands):
    uri = upload(bucket, f"{name}.tif", two_bands, nodata=255)
    bands = [
        {"id": "isa", "tilesetId": "t", "tilesetBandIndex": 0, "pyramidingPolicy": "MODE"},
        {"id": "prob", "tilesetId": "t", "tilesetBandIndex": 1},
    ]
    properties = {"model": "unet", "isa_class_values": "0,1", "isa_class_palette": "d9d9d9,e31a1c", "threshold": 0.5}
    times = {"startTime": "2023-01-01T00:00:00Z", "endTime": "2024-01-01T00:00:00Z"}
    operation = run(manifest(name, uri, bands=bands, properties=properties, **times))
    assert operation["metadata"]["state"] == "SUCCEEDED", operation
    np.testing.assert_array_equal(pixels(name, "isa"), np.where(two_bands[0] == 255, 0, two_bands[0]))
    np.testing.assert_array_equal(mask(name, "isa"), two_bands[0] != 255)
    np.testing.assert_array_equal(mask(name, "prob"), two_bands[1] != 255)
    found = ee.data.getAsset(f"{ROOT}/{name}")
    assert found["properties"] == properties
    assert [band["pyramidingPolicy"] for band in found["bands"]] == ["MODE", "MEAN"]
    seen = ee.Image(f"{ROOT}/{name}").getInfo()["properties"]
    assert seen["system:time_start"] == 1_672_531_200_000 and seen["system:time_end"] == 1_704_067_200_000
    assert seen["isa_class_palette"] == "d9d9d9,e31a1c"


def test_tiles_become_one_image_and_later_ones_lie_on_top(bucket, name):
    values = np.arange(40 * 90, dtype="uint16").reshape(1, 40, 90)
    left = upload(bucket, f"{name}/l.tif", values[:, :, :50])
    right = upload(bucket, f"{name}/r.tif", values[:, :, 40:] + 1, transform=east(40))
    assert run(manifest(name, right, left))["metadata"]["state"] == "SUCCEEDED"
    expected = np.concatenate([values[0, :, :50], values[0, :, 50:] + 1], axis=1)
    np.testing.assert_array_equal(pixels(name, "b1"), expected)


def test_gaps_between_tiles_are_masked(bucket, name):
    ones = np.ones((1, 20, 20), "uint8")
    uris = [upload(bucket, f"{name}/0.tif", ones), upload(bucket, f"{name}/1.tif", ones, transform=east(30))]
    run(manifest(name, *uris))
    assert mask(name, "b1").sum() == 800 and not mask(name, "b1")[:, 20:30].any()


@pytest.mark.parametrize(
    ("fields", "valid"),
    [
        ({}, [1, 0, 1]),
        ({"missingData": {"values": [7]}}, [0, 1, 1]),
        ({"missingData": {}}, [1, 1, 1]),
        ({"bands": [{"id": "b1", "missingData": {"values": [7, 9]}}]}, [0, 1, 0]),
    ],
    ids=["the file's", "the manifest's", "none", "the band's"],
)
def test_missing_data_overrides_the_files_no_data_value(bucket, name, fields, valid):
    """guides/image_manifest: missingData without values means that the file's value is ignored."""
    uri = upload(bucket, f"{name}.tif", np.array([[[7, 8, 9]]], "uint8"), nodata=8)
    run(manifest(name, uri, **fields))
    np.testing.assert_array_equal(mask(name, "b1"), [valid])


def test_the_last_band_of_a_tileset_can_be_its_mask(bucket, name):
    values = np.array([[[5, 6, 7]], [[1, 0, 255]]], "uint8")
    uri = upload(bucket, f"{name}.tif", values)
    run(manifest(name, uri, maskBands=[{"tilesetId": "t"}]))
    assert [band["id"] for band in ee.data.getAsset(f"{ROOT}/{name}")["bands"]] == ["b1"]
    np.testing.assert_array_equal(mask(name, "b1"), [[1, 0, 1]])


def test_bands_of_several_tilesets_keep_their_own_grids(bucket, name):
    coarse = upload(bucket, f"{name}/c.tif", np.ones((1, 5, 5), "uint8"), transform=TRANSFORM * Affine.scale(2))
    fine = upload(bucket, f"{name}/f.tif", np.ones((1, 10, 10), "float32"))
    document = manifest(name, coarse)
    document["tilesets"].append({"id": "u", "sources": [{"uris": [fine]}]})
    document["bands"] = [{"id": "a", "tilesetId": "t"}, {"id": "b", "tilesetId": "u"}]
    run(document)
    scales = [band["crs_transform"][0] for band in ee.Image(f"{ROOT}/{name}").getInfo()["bands"]]
    assert scales == [20, 10]


@pytest.mark.parametrize(
    ("second", "options", "words"),
    [
        (np.ones((1, 9, 9), "uint16"), {}, "different data types"),
        (np.ones((2, 9, 9), "uint8"), {}, "different band counts"),
        (np.ones((1, 9, 9), "uint8"), {"crs": "EPSG:32651"}, "different projections"),
        (np.ones((1, 9, 9), "uint8"), {"nodata": 0}, "different no-data values"),
        (np.ones((1, 9, 9), "uint8"), {"transform": east(9.5)}, "not a whole number of pixels"),
        (np.ones((1, 9, 9), "uint8"), {"transform": TRANSFORM * Affine.scale(2)}, "pixel size"),
        (np.ones((1, 9, 9), "uint8"), {"transform": east(5000)}, "99% .* gaps"),
    ],
    ids=["type", "bands", "projection", "nodata", "offset", "scale", "gaps"],
)
def test_tiles_that_do_not_fit_together_fail_with_the_reason(bucket, name, second, options, words):
    first = upload(bucket, f"{name}/0.tif", np.ones((1, 9, 9), "uint8"))
    other = upload(bucket, f"{name}/1.tif", second, **{"transform": east(9), **options})
    operation = run(manifest(name, first, other))
    assert operation["metadata"]["state"] == "FAILED"
    assert re.search(words, operation["error"]["message"]), operation["error"]
    assert ee.data.getInfo(f"{ROOT}/{name}") is None


def test_a_file_that_is_missing_or_no_geotiff_is_named(bucket, name):
    bucket.blob(f"{name}.txt").upload_from_string(b"not a raster")
    for uri, words in (("gs://uploads/absent.tif", "No such object"), (f"gs://uploads/{name}.txt", "not a GeoTIFF")):
        error = run(manifest(name, uri))["error"]["message"]
        assert uri in error and words in error


def test_a_band_beyond_the_files_is_refused(bucket, name):
    """tilesetBandIndex counts from 0."""
    uri = upload(bucket, f"{name}.tif", np.ones((1, 4, 4), "uint8"))
    error = run(manifest(name, uri, bands=[{"id": "isa", "tilesetBandIndex": 1}]))["error"]["message"]
    assert "tilesetBandIndex 1" in error and "1 bands (counted from 0)" in error


def test_an_existing_asset_needs_overwrite(bucket, name):
    uri = upload(bucket, f"{name}.tif", np.ones((1, 4, 4), "uint8"))
    run(manifest(name, uri))
    with pytest.raises(ee.EEException, match="Cannot overwrite asset"):
        run(manifest(name, uri))
    upload(bucket, f"{name}.tif", np.full((1, 4, 4), 9, "uint8"))
    assert run(manifest(name, uri), overwrite=True)["metadata"]["state"] == "SUCCEEDED"
    assert (pixels(name, "b1") == 9).all()


def test_the_parent_must_exist(bucket, name):
    uri = upload(bucket, f"{name}.tif", np.ones((1, 4, 4), "uint8"))
    with pytest.raises(ee.EEException, match=r"Parent asset .* does not exist"):
        run(manifest(f"absent/{name}", uri))


GOOD = manifest("ok", "gs://b/o.tif")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "no name"),
        ({"tilesets": []}, "no tilesets"),
        ({"tilesets": [{"id": "t", "sources": []}]}, "no sources"),
        ({"tilesets": [{"id": "t", "sources": [{"uris": ["/etc/passwd"]}]}]}, "expected gs://"),
        ({"tilesets": [{"id": "t", "sources": [{"uris": ["gs://b/o"]}], "sauces": 1}]}, "field 'sauces'"),
        ({"properties": {"palette": ["a", "b"]}}, "Property 'palette'"),
        ({"properties": {"flag": True}}, "Property 'flag'"),
        ({"pyramidingPolicy": "AVERAGE"}, "pyramiding policy 'AVERAGE'"),
        ({"bands": [{"id": "a"}, {"id": "a"}]}, "unique"),
        ({"bands": [{"id": "a", "tilesetId": "z"}]}, "tileset 'z'"),
        ({"startTime": "yesterday"}, "Invalid time"),
        ({"startTime": "2024-01-01T00:00:00Z", "endTime": "2023-01-01T00:00:00Z"}, "before its startTime"),
        ({"endTime": "2023-01-01T00:00:00Z"}, "no startTime"),
        ({"missingData": {"values": ["x"]}}, "missingData"),
        ({"footprint": {}}, "field 'footprint'"),
    ],
)
def test_a_wrong_manifest_is_refused_naming_what_is_wrong(change, words):
    with pytest.raises(EngineError, match=words):
        parse({**GOOD, **change})


def test_a_right_manifest_passes():
    assert parse(GOOD).name == f"{ROOT}/ok"
