"""OmniCloudMask's classes as a computed collection, by a stand-in for its package with the published signature."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import ee
import numpy as np
import pytest

from local_ee.catalog import SourceImage, cloud_classes
from local_ee.catalog.folder import FolderCatalog, write_image
from local_ee.evaluation import graph
from local_ee.raster.window import Window, crop
from local_ee.testing import cloud_network
from local_ee.testing.evaluating import CLIENT
from local_ee.testing.small_archive import BOX, GRID, reflectance, small_archive

S2 = "COPERNICUS/S2_SR_HARMONIZED"
JUNE = [int(datetime(2024, month, 1, tzinfo=UTC).timestamp() * 1000) for month in (6, 7)]


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    weights = tmp_path / "weights"
    weights.mkdir()
    with cloud_network.installed(weights):
        yield weights


@pytest.fixture
def folder(tmp_path: Path) -> FolderCatalog:
    """One scene of 90 x 70 pixels, a part of it without data."""
    rng = np.random.default_rng(2)
    bands = {name: np.ma.masked_less(rng.integers(1, 4000, (90, 70)).astype(np.uint16), 300) for name in ("B3", "B8")}
    red = np.kron(rng.integers(1, 5000, (9, 7)), np.ones((10, 10), int)).astype(np.uint16)
    bands["B4"] = np.ma.masked_array(red, np.indices((90, 70))[0] < 12)
    grid = crop(GRID, Window(0, 0, 90, 70))
    properties = {"system:time_start": JUNE[0] + 1}
    write_image(tmp_path / "catalog", f"{S2}/20240603T025551_20240603T030602_T50RMU", bands, grid,
                properties=properties, nodata=0)  # fmt: skip
    return FolderCatalog(tmp_path / "catalog")


def made(catalog: FolderCatalog) -> tuple[SourceImage, SourceImage]:
    """The scene and its classes."""
    (scene,), (classes,) = (catalog.images(each, *JUNE, None) for each in (S2, cloud_classes.COLLECTION))
    return scene, classes


def expected(scene: SourceImage) -> tuple[np.ndarray, np.ndarray]:
    values, masks = scene.read(("B4", "B3", "B8"), scene.bands[0].grid)
    valid = masks.all(axis=0)
    return cloud_network.rule(np.where(valid, values, 0)), valid


def test_classes_are_what_the_network_says_of_red_green_and_near_infrared(package, folder):
    scene, classes = made(folder)
    values, masks = classes.read(("classes",), scene.bands[0].grid)
    wanted, valid = expected(scene)
    np.testing.assert_array_equal(values[0][valid], wanted[valid])
    np.testing.assert_array_equal(masks[0], valid)
    assert len(np.unique(values)) == 4
    assert classes.properties["system:index"] == scene.properties["system:index"]


def test_any_cut_of_a_window_gives_the_same_pixels(package, folder, monkeypatch):
    """Blocks of 32 pixels with a margin that the rule's reach fits into."""
    monkeypatch.setattr(cloud_classes, "_BLOCK_PX", 32)
    monkeypatch.setattr(cloud_classes, "_MARGIN_PX", cloud_network.REACH_PX)
    scene, classes = made(folder)
    grid = scene.bands[0].grid
    wanted, valid = expected(scene)
    for window in (Window(0, 0, 90, 70), Window(25, 13, 40, 40), Window(-5, 60, 20, 30)):
        values, masks = classes.read(("classes",), crop(grid, window))
        inside = window.overlap(Window(0, 0, 90, 70))
        assert inside is not None
        here = inside.within(window)
        np.testing.assert_array_equal(masks[0][here], valid[inside.within(Window(0, 0, 90, 70))])
        seen = masks[0][here]
        np.testing.assert_array_equal(values[0][here][seen], wanted[inside.within(Window(0, 0, 90, 70))][seen])
        assert masks[0].sum() == seen.sum()


def test_a_scene_smaller_than_the_network_takes_is_padded(package, tmp_path):
    bands = {name: np.full((8, 8), 2500, np.uint16) for name in ("B3", "B4", "B8")}
    write_image(tmp_path / "tiny", f"{S2}/A", bands, crop(GRID, Window(0, 0, 8, 8)),
                properties={"system:time_start": JUNE[0]})  # fmt: skip
    scene, classes = made(FolderCatalog(tmp_path / "tiny"))
    assert classes.read(("classes",), scene.bands[0].grid)[0].shape == (1, 8, 8)


@CLIENT
def test_scenes_are_linked_with_their_classes_in_a_graph(package, folder):
    scene, _ = made(folder)
    linked = ee.ImageCollection(S2).linkCollection(ee.ImageCollection(cloud_classes.COLLECTION), ["classes"])
    image = linked.filterDate(*JUNE).mosaic().select("classes")
    pixels = graph.evaluate(ee.serializer.encode(image, for_cloud_api=True), folder).read(scene.bands[0].grid)
    wanted, valid = expected(scene)
    np.testing.assert_array_equal(pixels.values[0][valid], wanted[valid])


def test_scenes_of_the_archives_have_classes(package, tmp_path):
    with small_archive() as server:
        catalog = server.catalog(tmp_path / "open")
        images = list(catalog.images(cloud_classes.COLLECTION, *JUNE, BOX))
        assert [image.id.partition("/2")[0] for image in images] == [cloud_classes.COLLECTION] * 3
        values, masks = images[1].read(("classes",), GRID)
        assert images[1].prefetch is not None
        info = catalog.describe(images[1].id)
    stored = np.stack([reflectance(name, 1) for name in ("B4", "B3", "B8")]).astype(int)
    valid = (stored != 0).all(axis=0)
    shifted = np.where(valid, np.maximum(stored - 1000, 1), 0)
    np.testing.assert_array_equal(masks[0], valid)
    np.testing.assert_array_equal(values[0][valid], cloud_network.rule(shifted)[valid])
    assert info is not None and info.type == "IMAGE"


def test_a_scene_without_near_infrared_has_no_classes(package, tmp_path):
    write_image(tmp_path / "two", f"{S2}/A", {name: np.ones((40, 40), np.uint16) for name in ("B3", "B4")},
                crop(GRID, Window(0, 0, 40, 40)), properties={"system:time_start": JUNE[0]})  # fmt: skip
    assert FolderCatalog(tmp_path / "two").images(cloud_classes.COLLECTION, *JUNE, None) == []


def test_without_the_package_one_sentence_says_what_to_do(folder, monkeypatch):
    monkeypatch.setattr(cloud_classes, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"not installed: run `pip install omnicloudmask`, or take another .*scl"):
        folder.images(cloud_classes.COLLECTION, *JUNE, None)


def test_without_weights_one_sentence_says_where_they_are(package, folder, monkeypatch, tmp_path):
    monkeypatch.setenv(cloud_classes.WEIGHTS, str(tmp_path))
    with pytest.raises(
        ValueError, match=r"put its files \*\.safetensors \(https://huggingface.co/.* set OMNICLOUDMASK"
    ):
        made(folder)


def test_weights_of_another_version_are_an_error_and_nothing_is_downloaded(package, folder):
    """The stand-in fails as the package does where a file lacks, and asserts that no source was named."""
    (package / "newest.safetensors").rename(package / "older.safetensors")
    scene, classes = made(folder)
    with pytest.raises(ValueError, match=r"cannot be used .* newest version"):
        classes.read(("classes",), scene.bands[0].grid)


def test_the_stand_in_has_the_published_signature():
    """omnicloudmask 1.8.1, cloud_mask.py."""
    published = (
        "input_array patch_size patch_overlap batch_size inference_device mosaic_device inference_dtype "
        "export_confidence softmax_output no_data_value apply_no_data_mask custom_models pred_classes "
        "destination_model_dir model_download_source compile_models compile_mode model_version"
    )
    assert list(inspect.signature(cloud_network.predict_from_array).parameters) == published.split()
