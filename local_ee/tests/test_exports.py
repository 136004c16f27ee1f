"""Image exports through the unpatched `ee` client, read back with rasterio and as assets."""

from __future__ import annotations

import io
from collections.abc import Iterator

import ee
import numpy as np
import pytest
import rasterio
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from local_ee import LocalEngine
from local_ee.testing.small import CRS, TRANSFORM, SmallCatalog, catalog, ended, storage_client

pytestmark = pytest.mark.usefixtures("reconnected")
ROOT = "projects/local/assets"
HEIGHT, WIDTH = 600, 500


@pytest.fixture(scope="module")
def small() -> SmallCatalog:
    return catalog(HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def engine(small, reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(small, tmp_path_factory.mktemp("exports")) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        ee.data.setMaxRetries(0)
        storage_client(running.url).create_bucket("exports")
        yield running
    ee.data.setMaxRetries(5)


@pytest.fixture(scope="module")
def bucket(engine) -> storage.Bucket:
    return storage_client(engine.url).bucket("exports")


def whole(**overrides) -> dict:
    """The export parameters of the small catalog's own grid."""
    grid = {"crs": CRS, "crsTransform": list(TRANSFORM)[:6], "dimensions": f"{WIDTH}x{HEIGHT}"}
    return {**grid, "maxPixels": 1e9, **overrides}


def to_bucket(image: ee.Image, prefix: str, **options) -> dict:
    task = ee.batch.Export.image.toCloudStorage(
        image=image, description="export", bucket="exports", fileNamePrefix=prefix, **whole(**options)
    )
    task.start()
    return ended(task.name)


def opened(bucket: storage.Bucket, name: str):
    return rasterio.open(io.BytesIO(bucket.blob(name).download_as_bytes()))


def test_an_export_is_the_image_with_masked_pixels_0(engine, bucket, small):
    """https://developers.google.com/earth-engine/guides/exporting_images: without noData masked pixels become 0."""
    operation = to_bucket(ee.Image("SMALL/ONE").select(["B2", "B3"]), "plain")
    assert operation["metadata"]["state"] == "SUCCEEDED", operation
    assert operation["metadata"]["type"] == "EXPORT_IMAGE" and operation["metadata"]["description"] == "export"
    with opened(bucket, "plain.tif") as source:
        assert source.transform == TRANSFORM and source.crs.to_string() == CRS and source.nodata is None
        assert source.descriptions == ("B2", "B3") and source.block_shapes == [(256, 256)] * 2
        for index, name in enumerate(("B2", "B3"), start=1):
            np.testing.assert_array_equal(source.read(index), np.where(small.valid, small.bands[name], 0))


def test_no_data_and_cloud_optimised_are_as_asked(engine, bucket, small):
    options = {"formatOptions": {"cloudOptimized": True, "noData": -9999}}
    to_bucket(ee.Image("SMALL/ONE").select("VV"), "cog", **options)
    with opened(bucket, "cog.tif") as source:
        assert source.nodata == -9999 and source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        np.testing.assert_array_equal(source.read(1), np.where(small.valid, small.bands["VV"], np.float32(-9999)))


def test_a_large_image_is_cut_into_files_named_by_their_corners(engine, bucket, small):
    """REST image:export: prefix-yMin-xMin, ten digits."""
    to_bucket(ee.Image("SMALL/ONE").select("B2"), "tiles/t", fileDimensions=[256, 512])
    names = [blob.name for blob in bucket.list_blobs(prefix="tiles/")]
    assert names == [f"tiles/t-{row:010d}-{col:010d}.tif" for row in (0, 512) for col in (0, 256)]
    with opened(bucket, "tiles/t-0000000512-0000000256.tif") as source:
        assert source.shape == (88, 244) and source.transform == TRANSFORM * TRANSFORM.translation(256, 512)
        np.testing.assert_array_equal(source.read(1), small.bands["B2"][512:, 256:])


def test_files_without_a_valid_pixel_can_be_left_out(engine, bucket):
    empty_below = ee.Image("SMALL/ONE").select("B2").updateMask(ee.Image("SMALL/ONE").select("B2").gte(0))
    hidden = empty_below.updateMask(0)
    to_bucket(hidden, "none", fileDimensions=256, skipEmptyTiles=True)
    assert list(bucket.list_blobs(prefix="none")) == []


def test_an_asset_export_is_read_back_equal_with_its_properties(engine, small):
    image = ee.Image("SMALL/ONE").set("model", "unet").set("list", [1, 2])
    task = ee.batch.Export.image.toAsset(
        image=image,
        description="asset",
        assetId=f"{ROOT}/exported",
        pyramidingPolicy={".default": "mean", "B2": "mode"},
        **whole(),
    )
    task.start()
    assert ended(task.name)["metadata"]["state"] == "SUCCEEDED", ended(task.name)
    table = ee.data.getPixels({"assetId": f"{ROOT}/exported", "fileFormat": "NUMPY_NDARRAY"})
    for name, values in small.bands.items():
        assert table[name].dtype == values.dtype
        np.testing.assert_array_equal(table[name], np.where(small.valid, values, 0).astype(values.dtype))
    found = ee.data.getAsset(f"{ROOT}/exported")
    assert found["properties"] == {"season": "summer", "model": "unet"}
    assert [band["pyramidingPolicy"] for band in found["bands"]] == ["MODE", "MEAN", "MEAN"]
    assert found["startTime"].startswith("2019-06-08T13:20:00")


def test_an_asset_is_not_overwritten_unasked(engine):
    image = ee.Image("SMALL/ONE").select("B2")
    for overwrite, allowed in ((False, True), (False, False), (True, True)):
        task = ee.batch.Export.image.toAsset(
            image=image, description="a", assetId=f"{ROOT}/kept", overwrite=overwrite, **whole()
        )
        if allowed:
            task.start()
            assert ended(task.name)["metadata"]["state"] == "SUCCEEDED"
        else:
            with pytest.raises(ee.EEException, match="Cannot overwrite asset"):
                task.start()


def test_an_export_of_too_many_pixels_fails_in_earth_engines_words(engine):
    operation = to_bucket(ee.Image("SMALL/ONE").select("B2"), "many", maxPixels=1000)
    assert operation["metadata"]["state"] == "FAILED"
    assert operation["error"]["message"].startswith("Export too large: specified 300000 pixels (max: 1000).")


def test_bands_of_different_types_fail(engine):
    operation = to_bucket(ee.Image("SMALL/ONE"), "mixed")
    assert "found inconsistent types: UInt16 and Float32" in operation["error"]["message"]


def test_a_missing_bucket_fails_by_name(engine):
    task = ee.batch.Export.image.toCloudStorage(
        image=ee.Image("SMALL/ONE").select("B2"), description="x", bucket="absent", fileNamePrefix="p", **whole()
    )
    task.start()
    error = ended(task.name)["error"]["message"]
    assert "absent" in error and "does not exist" in error


def test_no_data_outside_the_pixel_type_fails(engine):
    operation = to_bucket(ee.Image("SMALL/ONE").select("B2"), "bad", formatOptions={"noData": -1})
    assert "outside the range of UInt16" in operation["error"]["message"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fileFormat": "PNG"}, "Unsupported file format 'PNG'"),
        ({"fileDimensions": 300}, "multiples of the shardSize"),
    ],
)
def test_options_that_are_not_offered_are_refused_at_once(engine, options, words):
    with pytest.raises(ee.EEException, match=words):
        to_bucket(ee.Image("SMALL/ONE").select("B2"), "x", **options)


def test_an_export_to_drive_is_the_file_that_goes_to_a_bucket(engine, bucket):
    """guides/exporting_images: Export.image.toDrive has the same options; the engine's Drive is a bucket."""
    image = ee.Image("SMALL/ONE").select("B2")
    to_bucket(image, "for-drive")
    task = ee.batch.Export.image.toDrive(image=image, description="d", folder="maps", fileNamePrefix="b2", **whole())
    task.start()
    assert ended(task.name)["metadata"]["destinationUris"] == ["gs://google-drive/maps/b2"]
    drive = storage_client(engine.url).bucket("google-drive")
    assert drive.blob("maps/b2.tif").download_as_bytes() == bucket.blob("for-drive.tif").download_as_bytes()


def test_a_region_on_a_grid_of_a_transform_is_exported(engine, bucket, small):
    """guides/exporting_images#setting_scale: crs and crsTransform with a region, which the client makes
    `reproject` and `clip`; the file covers the region's bounds in whole pixels of that grid."""
    left, top = TRANSFORM * (100, 200)
    corners = [[left + 3, top - 3], [left + 397, top - 3], [left + 397, top - 297], [left + 3, top - 297]]
    region = ee.Geometry.Polygon([corners], CRS, evenOdd=True)
    task = ee.batch.Export.image.toCloudStorage(
        image=ee.Image("SMALL/ONE").select("B2"),
        description="r",
        bucket="exports",
        fileNamePrefix="region",
        crs=CRS,
        crsTransform=list(TRANSFORM)[:6],
        region=region,
    )
    task.start()
    assert ended(task.name)["metadata"]["state"] == "SUCCEEDED"
    with opened(bucket, "region.tif") as source:
        assert source.transform == TRANSFORM * TRANSFORM.translation(100, 200)
        np.testing.assert_array_equal(source.read(1), small.bands["B2"][200:230, 100:140])


def test_an_image_without_end_is_refused(engine):
    task = ee.batch.Export.image.toCloudStorage(
        image=ee.Image(1), description="x", bucket="exports", fileNamePrefix="endless"
    )
    task.start()
    assert ended(task.name)["error"]["message"] == "Unable to export unbounded image."


def test_a_started_task_is_listed_with_its_state(engine):
    task = ee.batch.Export.image.toCloudStorage(
        image=ee.Image("SMALL/ONE").select("B2"), description="listed", bucket="exports", fileNamePrefix="l", **whole()
    )
    task.start()
    ended(task.name)
    assert task.status()["state"] == "COMPLETED" and not task.active()
    assert any(found.config["description"] == "listed" for found in ee.batch.Task.list())
