"""COG-backed assets through the unpatched `ee` client: registered at once, read in the bucket, tied to a generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import ee
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from google.cloud import storage

from local_ee import LocalEngine
from local_ee.testing.small import CRS, TRANSFORM, geotiff, storage_client
from tests.support.uploads import ROOT, engine_with_uploads, manifest, mask, name_of, pixels

pytestmark = pytest.mark.usefixtures("reconnected")
NAMES = ("isa", "prob")


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


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    random = np.random.default_rng(5)
    return np.stack([random.choice([0, 1, 255], (600, 530)), random.integers(0, 255, (600, 530))]).astype("uint8")


@pytest.fixture
def put(bucket, tmp_path, name) -> Callable[..., str]:
    """Writes a cloud-optimised GeoTIFF of the values into the bucket; its address."""

    def put(values_BHW: np.ndarray, **options: object) -> str:
        plain, cog = tmp_path / "plain.tif", tmp_path / "cog.tif"
        plain.write_bytes(geotiff(values_BHW, nodata=255))
        with rasterio.open(plain, "r+") as file:
            file.descriptions = NAMES[: len(values_BHW)]
        rasterio.shutil.copy(str(plain), str(cog), driver="COG", **{"BLOCKSIZE": "256", **options})
        bucket.blob(f"{name}.tif").upload_from_filename(cog)
        return f"gs://uploads/{name}.tif"

    return put


def register(document: dict, *, overwrite: bool = False) -> dict:
    return ee.data.startExternalImageIngestion(document, overwrite)


def test_the_asset_is_there_at_once_with_the_names_and_the_pixels_of_the_file(name, put, values):
    assert register(manifest(name, put(values))) == {"name": f"{ROOT}/{name}"}
    assert [band["id"] for band in ee.data.getAsset(f"{ROOT}/{name}")["bands"]] == ["isa", "prob"]
    np.testing.assert_array_equal(pixels(name, "prob"), values[1])
    np.testing.assert_array_equal(mask(name, "isa") != 0, values[0] != 255)


def test_bands_and_values_without_data_are_those_of_the_manifest(name, put, values):
    fields = {"bands": [{"id": "share", "tilesetId": "t", "tilesetBandIndex": 1, "missingData": {"values": [7]}}]}
    register(manifest(name, put(values), **fields))
    assert [band["id"] for band in ee.data.getAsset(f"{ROOT}/{name}")["bands"]] == ["share"]
    np.testing.assert_array_equal(mask(name, "share") != 0, values[1] != 7)


def test_the_asset_says_where_its_pixels_are_and_takes_no_storage(name, put, values, bucket):
    register(manifest(name, put(values)))
    info = ee.data.getAsset(f"{ROOT}/{name}")
    generation = bucket.get_blob(f"{name}.tif").generation
    assert info["cloudStorageLocation"] == {"uris": [f"gs://uploads/{name}.tif#{generation}"]}
    assert "sizeBytes" not in info


def test_an_object_that_was_written_again_breaks_the_asset(name, put, values):
    register(manifest(name, put(values)))
    uri = put(values)  # the same bytes, another generation
    with pytest.raises(ee.EEException, match=rf"Failed to load the GeoTIFF at `{uri}#\d+`"):
        pixels(name, "isa")
    register(manifest(name, uri), overwrite=True)
    np.testing.assert_array_equal(pixels(name, "isa")[values[0] != 255], values[0][values[0] != 255])


def test_a_copy_reads_the_same_object(name, put, values):
    register(manifest(name, put(values)))
    ee.data.copyAsset(f"{ROOT}/{name}", f"{ROOT}/{name}_copy")
    ee.data.deleteAsset(f"{ROOT}/{name}")
    np.testing.assert_array_equal(pixels(f"{name}_copy", "prob"), values[1])


def test_a_level_of_the_pyramid_is_read_from_the_pixels(name, put, values):
    """A mean over 2 x 2 pixels, none of which is masked."""
    register(manifest(name, put(values[1:])))
    affine = {"scaleX": 20, "scaleY": -20, "translateX": TRANSFORM.c, "translateY": TRANSFORM.f}
    grid = {"dimensions": {"width": 265, "height": 300}, "affineTransform": affine, "crsCode": CRS}
    request = {"expression": ee.Image(f"{ROOT}/{name}"), "fileFormat": "NUMPY_NDARRAY", "grid": grid}
    got = ee.data.computePixels(request)["isa"]
    mean = values[1].reshape(300, 2, 265, 2).mean(axis=(1, 3))
    assert np.abs(got.astype(float) - mean).max() <= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda document: document["tilesets"][0]["sources"].append({"uris": ["gs://uploads/b.tif"]}), "has 2 sources"),
        (lambda document: document["tilesets"][0]["sources"][0].update(uris=["gs://uploads/none.tif"]), "Cannot read"),
        (lambda document: document.update(bands=[{"id": "c", "tilesetBandIndex": 2}]), "has 2 bands"),
    ],
    ids=["sources", "object", "band"],
)
def test_a_manifest_that_breaks_a_rule_is_refused_at_once(name, put, values, change, words):
    document = manifest(name, put(values))
    change(document)
    with pytest.raises(ee.EEException, match=words):
        register(document)


def test_tiles_of_another_size_are_refused(name, put, values):
    uri = put(values, BLOCKSIZE="128")
    with pytest.raises(ee.EEException, match="expected 256x256"):
        register(manifest(name, uri))


def test_a_file_whose_heads_are_not_at_the_beginning_is_refused(name, bucket, tmp_path, values):
    """GDAL appends the head of an overview that is built later behind the pixels."""
    path = tmp_path / "late.tif"
    height, width = values.shape[1:]
    profile = {"count": 2, "height": height, "width": width, "dtype": "uint8", "crs": CRS, "transform": TRANSFORM}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, blockxsize=256, blockysize=256, **profile) as file:
        file.write(values)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2])
    bucket.blob(f"{name}.tif").upload_from_filename(path)
    with pytest.raises(ee.EEException, match="IFDs are not all at the beginning"):
        register(manifest(name, f"gs://uploads/{name}.tif"))


def test_a_bucket_outside_the_usa_is_refused(name, put, values, engine, bucket):
    put(values)
    client = storage_client(engine.url)
    far = client.create_bucket(f"far-{len(name)}", location="EUROPE-WEST4")
    bucket.copy_blob(bucket.blob(f"{name}.tif"), far, f"{name}.tif")
    with pytest.raises(ee.EEException, match="is in EUROPE-WEST4"):
        register(manifest(name, f"gs://{far.name}/{name}.tif"))
