"""Assets of users: folders, properties, sharing, and their place as a catalog beside the public one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import ee
import numpy as np
import pytest
import rasterio
from google.auth.credentials import AnonymousCredentials
from hypothesis import given
from hypothesis import strategies as st

from local_ee import LocalEngine, raster_file
from local_ee.assets.asset import Asset, stored_band
from local_ee.assets.files import read_band, write_bands
from local_ee.assets.store import AssetStore, canonical
from local_ee.assets.times import iso_time, milliseconds, now
from local_ee.catalog.stack import CatalogStack
from local_ee.catalogs import open_catalog
from local_ee.errors import EngineError
from local_ee.home import Home
from local_ee.raster.window import Window, crop, tiles
from local_ee.testing.small import CRS, TRANSFORM, catalog, grid

pytestmark = pytest.mark.usefixtures("reconnected")
ROOT = "projects/local/assets"


@pytest.fixture(scope="module")
def engine(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(catalog(64, 64), tmp_path_factory.mktemp("assets")) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        ee.data.setMaxRetries(0)
        yield running
    ee.data.setMaxRetries(5)


@pytest.fixture
def store(tmp_path) -> AssetStore:
    return AssetStore(Home(tmp_path))


def put_image(store: AssetStore, asset_id: str, values_HW: np.ndarray, **fields) -> Asset:
    """Stores a one-band image."""
    valid = fields.pop("valid", np.ones(values_HW.shape, bool))
    (file,) = store.new_files(asset_id, 1)
    whole, dtype, policy = grid(*values_HW.shape), values_HW.dtype.name, fields.pop("policy", "MODE")
    blocks = [[(Window(0, 0, *values_HW.shape), values_HW, valid)]]
    write_bands([file], whole, [dtype], [policy], blocks)
    overwrite = fields.pop("overwrite", False)
    asset = Asset(asset_id, "IMAGE", now(), bands=(stored_band("isa", file, whole, dtype, policy),), **fields)
    return store.publish(asset, overwrite=overwrite)


def test_folders_are_made_listed_and_removed(engine):
    ee.data.createFolder(f"{ROOT}/made")
    ee.data.createAsset({"type": "IMAGE_COLLECTION"}, f"{ROOT}/made/maps", {"title": "maps"})
    assert [asset["id"] for asset in ee.data.listAssets(f"{ROOT}/made")["assets"]] == [f"{ROOT}/made/maps"]
    assert ee.data.getAsset(f"{ROOT}/made/maps")["type"] == "IMAGE_COLLECTION"
    with pytest.raises(ee.EEException, match="not empty"):
        ee.data.deleteAsset(f"{ROOT}/made")
    ee.data.deleteAsset(f"{ROOT}/made/maps")
    ee.data.deleteAsset(f"{ROOT}/made")
    assert ee.data.getInfo(f"{ROOT}/made") is None


def test_the_commands_make_parents(engine):
    """earthengine create folder -p, through ee.data.create_assets."""
    ee.data.create_assets([f"{ROOT}/x/y/z"], "FOLDER", True)
    assert ee.data.getAsset(f"{ROOT}/x/y")["type"] == "FOLDER"


def test_a_missing_parent_is_refused(engine):
    with pytest.raises(ee.EEException, match=f"Parent asset '{ROOT}/absent' does not exist"):
        ee.data.createFolder(f"{ROOT}/absent/child")


def test_an_asset_is_not_made_twice(engine):
    ee.data.createFolder(f"{ROOT}/twice")
    with pytest.raises(ee.EEException, match="Cannot overwrite asset"):
        ee.data.createFolder(f"{ROOT}/twice")


def test_collections_do_not_nest(engine):
    ee.data.createAsset({"type": "IMAGE_COLLECTION"}, f"{ROOT}/outer")
    with pytest.raises(ee.EEException, match="of type IMAGE_COLLECTION"):
        ee.data.createFolder(f"{ROOT}/outer/inner")


@pytest.mark.parametrize("name", ["with.period", "with space", "..", "ä", "a/../b", "%2e"])
def test_odd_names_are_refused(engine, name):
    """Periods fail on Earth Engine (samapriya/geeup#52); its own rule is not published."""
    with pytest.raises(ee.EEException, match=r"invalid|not exist"):
        ee.data.createFolder(f"{ROOT}/{name}")


@pytest.mark.parametrize("name", ["COPERNICUS/MINE", "projects/sat-io/open-datasets/mine"])
def test_nobody_writes_among_public_ids(engine, name):
    with pytest.raises(ee.EEException, match="Cannot create asset"):
        ee.data.createFolder(name)


def test_public_images_and_collections_are_described(engine):
    image = ee.data.getAsset("SMALL/ONE")
    assert image["type"] == "IMAGE" and image["properties"] == {"season": "summer"}
    assert image["startTime"] == "2019-06-08T13:20:00.000000Z"
    assert [band["id"] for band in image["bands"]] == ["B2", "B3", "VV"]
    assert ee.data.getAsset("SMALL")["type"] == "IMAGE_COLLECTION"
    assert [found["id"] for found in ee.data.listImages("SMALL")["images"]] == ["SMALL/ONE"]


def test_the_root_tells_its_quota(engine):
    quota = ee.data.getAssetRootQuota(f"{ROOT}/")
    assert quota["asset_count"]["limit"] == 10_000 and quota["asset_size"]["limit"] == 250 * 10**9


def test_properties_change_one_by_one(engine):
    asset_id = f"{ROOT}/described"
    ee.data.createAsset({"type": "FOLDER"}, asset_id, {"a": "1", "b": 2})
    ee.data.updateAsset(asset_id, {"properties": {"a": "new"}}, ['properties."a"', "properties.b"])
    assert ee.data.getAsset(asset_id)["properties"] == {"a": "new"}


def test_an_asset_is_shared_with_everyone(engine):
    ee.data.createFolder(f"{ROOT}/shared")
    with pytest.warns(DeprecationWarning):
        ee.data.setAssetAcl(f"{ROOT}/shared", {"all_users_can_read": True})
        assert ee.data.getAssetAcl(f"{ROOT}/shared")["all_users_can_read"] is True


def test_lists_are_no_properties(store):
    """guides/image_manifest: properties of uploads are numbers and strings."""
    with pytest.raises(EngineError, match="Property 'palette' has an unsupported type"):
        store.create(f"{ROOT}/folder", "FOLDER", {"palette": ["d9d9d9", "e31a1c"]})


def test_an_image_comes_back_by_windows_with_its_mask(store):
    random = np.random.default_rng(1)
    values, valid = random.integers(0, 255, (700, 900)).astype("uint8"), random.random((700, 900)) > 0.3
    put_image(store, f"{ROOT}/map", values, valid=valid)
    image = store.image(f"{ROOT}/map")
    whole = image.bands[0].grid
    for window in (*tiles(700, 900, 333), Window(-10, 890, 40, 40)):
        read, mask = image.read(("isa",), crop(whole, window))
        padded_values, padded_valid = np.pad(np.where(valid, values, 0), 50), np.pad(valid, 50)
        slices = Window(window.row + 50, window.col + 50, window.height, window.width).slices
        np.testing.assert_array_equal(mask[0], padded_valid[slices])
        np.testing.assert_array_equal(read[0], padded_values[slices])


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64", "int64"]
)
def test_every_pixel_type_is_kept(tmp_path, dtype):
    values = np.arange(-60, 60).reshape(10, 12).astype(dtype)
    write_bands([tmp_path / "b.tif"], grid(10, 12), [dtype], ["MEAN"], [[(Window(0, 0, 10, 12), values, values > 3)]])
    read, valid = read_band(tmp_path / "b.tif", grid(10, 12), grid(10, 12))
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(valid, values > 3)
    np.testing.assert_array_equal(read, np.where(valid, values, 0))


def test_masks_are_kept_while_the_main_thread_opens_files_alone(tmp_path):
    """rasterio sets GDAL's options for all threads where its Env is entered in the main one."""
    values = np.arange(120, dtype="uint8").reshape(10, 12)
    blocks = [[(Window(0, 0, 10, 12), values, values > 3)]]
    with rasterio.Env(**raster_file.ALONE), ThreadPoolExecutor(1) as ingestion:
        ingestion.submit(write_bands, [tmp_path / "b.tif"], grid(10, 12), ["uint8"], ["MODE"], blocks).result()
    np.testing.assert_array_equal(read_band(tmp_path / "b.tif", grid(10, 12), grid(10, 12))[1], values > 3)


def test_a_class_maps_overviews_hold_the_most_frequent_class(store):
    """PyramidingPolicy MODE; here of 2 x 2 blocks where one class has three of four pixels."""
    values = np.tile(np.array([[1, 1], [1, 5]], "uint8"), (512, 512))
    asset = put_image(store, f"{ROOT}/classes", values)
    path = store._path(asset, asset.bands[0].file)
    with rasterio.open(path, overview_level=0) as level:
        assert level.shape == (512, 512) and (level.read(1) == 1).all()
    with rasterio.open(path) as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_means_in_overviews_leave_masked_pixels_out(store):
    values = np.tile(np.array([[10, 200], [20, 200]], "float32"), (512, 512))
    asset = put_image(store, f"{ROOT}/shares", values, valid=values < 100, policy="MEAN")
    with rasterio.open(store._path(asset, asset.bands[0].file), overview_level=0) as level:
        assert (level.read(1) == 15).all()


def test_replacing_an_image_needs_overwrite_and_leaves_no_file_behind(store):
    values = np.zeros((20, 20), "uint8")
    first = put_image(store, f"{ROOT}/again", values)
    with pytest.raises(EngineError, match="Cannot overwrite asset"):
        put_image(store, f"{ROOT}/again", values + 1)
    second = put_image(store, f"{ROOT}/again", values + 1, overwrite=True)
    assert not store._path(first, first.bands[0].file).exists() and store._path(second, second.bands[0].file).exists()
    assert store.image(f"{ROOT}/again").read(("isa",), grid(1, 1))[0].item() == 1


def test_copies_and_moves_keep_pixels(store):
    values = np.arange(400).reshape(20, 20).astype("uint16")
    put_image(store, f"{ROOT}/one", values, properties={"model": "unet"})
    store.copy(f"{ROOT}/one", f"{ROOT}/two")
    store.move(f"{ROOT}/one", f"{ROOT}/three")
    assert store.find(f"{ROOT}/one") is None
    for name in ("two", "three"):
        image = store.image(f"{ROOT}/{name}")
        np.testing.assert_array_equal(image.read(("isa",), grid(20, 20))[0][0], values)
        assert image.properties["model"] == "unet" and image.properties["system:index"] == name


def test_a_collection_gives_its_images_by_time_and_place(store):
    store.create(f"{ROOT}/maps", "IMAGE_COLLECTION", {})
    for year in (2021, 2019, 2020):
        times = {"start": f"{year}-01-01T00:00:00Z", "end": f"{year + 1}-01-01T00:00:00Z"}
        put_image(store, f"{ROOT}/maps/y{year}", np.zeros((4, 4), "uint8"), **times)
    everything = store.images(f"{ROOT}/maps", None, None, None)
    assert [image.properties["system:index"] for image in everything] == ["y2019", "y2020", "y2021"]
    since, until = milliseconds("2020-01-01T00:00:00Z"), milliseconds("2021-01-01T00:00:00Z")
    assert [i.id for i in store.images(f"{ROOT}/maps", since, until, None)] == [f"{ROOT}/maps/y2020"]
    assert len(store.images(f"{ROOT}/maps", None, None, (114, 30, 116, 31))) == 3
    assert store.images(f"{ROOT}/maps", None, None, (0, 0, 1, 1)) == []


def test_two_stores_on_one_home_agree(store, tmp_path):
    put_image(store, f"{ROOT}/seen", np.ones((4, 4), "uint8"))
    other = AssetStore(Home(tmp_path))
    assert other.image(f"{ROOT}/seen").read(("isa",), grid(4, 4))[0].all()
    other.delete(f"{ROOT}/seen")
    assert store.find(f"{ROOT}/seen") is None


def test_files_of_an_image_that_was_never_finished_are_not_seen(store):
    (file,) = store.new_files(f"{ROOT}/half", 1)
    file.write_bytes(b"half a file")
    assert store.find(f"{ROOT}/half") is None and list(store.children(ROOT)) == []


@pytest.mark.parametrize(
    ("given_id", "expected"),
    [
        ("projects/earthengine-legacy/assets/projects/local/assets/a", "projects/local/assets/a"),
        ("projects/earthengine-public/assets/COPERNICUS/S2", "COPERNICUS/S2"),
        ("projects/earthengine-legacy/assets/users/me/a", "users/me/a"),
        ("projects/my-project/assets/a/", "projects/my-project/assets/a"),
    ],
)
def test_the_clients_names_become_the_graphs_ids(given_id, expected):
    """ee/_cloud_api_utils.py, convert_asset_id_to_asset_name."""
    assert canonical(given_id) == expected


@given(st.integers(0, 4_102_444_800_000))
def test_times_go_there_and_back(time_ms):
    assert milliseconds(iso_time(time_ms)) == time_ms


def test_the_first_catalog_that_holds_an_id_answers(store):
    put_image(store, f"{ROOT}/mine", np.ones((4, 4), "uint8"))
    stack = CatalogStack([store, catalog(8, 8)])
    assert stack.image(f"{ROOT}/mine").id == f"{ROOT}/mine" and stack.image("SMALL/ONE").id == "SMALL/ONE"
    assert stack.describe("SMALL").type == "IMAGE_COLLECTION" and stack.describe("NONE") is None
    assert len(stack.images("SMALL", None, None, None)) == 1 and stack.images("NONE", None, None, None) == ()


def test_a_catalog_that_is_no_folder_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(ValueError, match='expected "world", "open", a folder'):
        open_catalog(tmp_path / "absent")


def test_grids_of_stored_bands_are_those_written(store):
    asset = put_image(store, f"{ROOT}/grid", np.zeros((6, 5), "uint8"))
    assert (asset.bands[0].grid.affine, str(asset.bands[0].grid.crs)) == (TRANSFORM, CRS)
