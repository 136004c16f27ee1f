"""What a client uploads or a folder of imagery holds: no other file is shown, no address asked, no memory filled."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from local_ee import raster_file
from local_ee.assets.ingest import ingest
from local_ee.assets.manifest import parse
from local_ee.assets.store import AssetStore
from local_ee.catalog import geotiff
from local_ee.catalog.folder import FolderCatalog
from local_ee.errors import EngineError, EngineFault
from local_ee.home import Home
from local_ee.storage.objects import ObjectStore
from local_ee.testing import hostile

ASSET = "projects/local/assets/x"


def uploaded(path: Path) -> np.ndarray:
    """The pixels of an asset that is ingested from a file's bytes."""
    home = Home(path.parents[1] / "home")
    store, buckets = AssetStore(home), ObjectStore(home)
    buckets.create_bucket("uploads", {})
    content = buckets.temporary("uploads", "x.tif")
    content.write_bytes(path.read_bytes())
    buckets.put(content, "uploads", "x.tif", attributes={})
    manifest = parse({"name": ASSET, "tilesets": [{"id": "t", "sources": [{"uris": ["gs://uploads/x.tif"]}]}]})
    ingest(manifest, store, buckets, overwrite=False, progress=SimpleNamespace(report=lambda share: None))
    image = store.image(ASSET)
    return image.read((image.bands[0].name,), image.bands[0].grid)[0]


def in_folder(path: Path) -> np.ndarray:
    """The pixels of an image of a folder catalog."""
    image = FolderCatalog(path.parents[1]).image(f"A/{path.stem}")
    return image.read((image.bands[0].name,), image.bands[0].grid)[0]


READERS = {"upload": uploaded, "folder": in_folder}


def refused(reader: str, path: Path) -> str:
    with pytest.raises((EngineError, EngineFault, ValueError)) as error:
        READERS[reader](path)
    return str(error.value)


ASKING = (
    lambda url: hostile.simple_vrt(f"/vsicurl/{url}/a.tif"),
    lambda url: hostile.simple_vrt(f"{url}/a.tif"),
    hostile.wms,
)


@pytest.fixture
def path(tmp_path) -> Path:
    (tmp_path / "A").mkdir()
    return tmp_path / "A" / "x.tif"


@pytest.mark.parametrize("reader", READERS)
def test_a_plain_file_is_read(path, reader):
    values = np.random.default_rng(1).integers(0, 255, (32, 32), dtype=np.uint8)
    np.testing.assert_array_equal(np.squeeze(READERS[reader](hostile.geotiff(path, values))), values)


@pytest.mark.parametrize("reader", READERS)
def test_bytes_of_another_file_are_never_pixels(path, tmp_path, reader):
    path.write_text(hostile.raw_vrt(hostile.secret(tmp_path)))
    assert "x.tif" in refused(reader, path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", ASKING)
def test_no_address_is_asked(path, reader, text):
    with hostile.listener() as (url, asked):
        path.write_text(text(url))
        refused(reader, path)
    assert asked == []


@pytest.mark.parametrize("reader", READERS)
def test_a_geotiff_that_names_another_file_is_refused(path, tmp_path, reader):
    other = tmp_path / "other.vrt"
    other.write_text(hostile.raw_vrt(hostile.secret(tmp_path)))
    assert "OVERVIEW_FILE" in refused(reader, hostile.pointing(path, other))


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_declares_too_many_pixels_is_refused_in_one_sentence(path, reader):
    words = refused(reader, hostile.vast(path))
    assert all(part in words for part in ("x.tif", "40,000,000,000", f"{raster_file.VALUES:,}", "gdal_translate"))


@pytest.mark.parametrize("reader", READERS)
def test_a_file_of_one_giant_block_is_refused_in_one_sentence(path, reader):
    words = refused(reader, hostile.one_block(path))
    assert all(part in words for part in ("x.tif", "400,000,000", f"{raster_file.BLOCK_BYTES:,}", "TILED=YES"))


def test_a_mask_beside_an_image_of_a_folder_is_never_left_out_silently(path):
    hostile.geotiff(path)
    (path.parent / "x.tif.msk").write_text(hostile.raw_vrt("/dev/null"))
    assert "mask" in refused("folder", path)


def test_what_lies_beside_an_image_of_a_folder_is_not_read(path, tmp_path):
    hostile.geotiff(path, np.ones((512, 512), np.uint8))
    (path.parent / "x.tif.ovr").write_text(hostile.raw_vrt(hostile.secret(tmp_path)))
    assert (geotiff.opened(path).read(1, out_shape=(16, 16)) == 1).all()


@pytest.mark.parametrize("link", ["{elsewhere}", "../elsewhere.tif", "b/../../elsewhere.tif", "file://{elsewhere}"])
def test_a_stac_item_shows_no_file_outside_its_folder(path, tmp_path, link):
    elsewhere = hostile.geotiff(tmp_path / "elsewhere.tif")
    (path.parent / "b").mkdir()
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "x",
        "properties": {"datetime": "2019-06-01T00:00:00Z"},
        "assets": {"isa": {"href": link.format(elsewhere=elsewhere), "roles": ["data"]}},
    }
    path.with_name("x.json").write_text(json.dumps(item))
    with pytest.raises(ValueError, match="none of the STAC item's GeoTIFF assets lies beside it"):
        FolderCatalog(tmp_path).image("A/x")
