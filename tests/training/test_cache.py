"""The training cache: each layer as one memory map, whole or not there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets.dataset import Dataset
from isamap.training.samples import cache as caches
from isamap.training.samples.cache import IMAGES, LABELS, open_layer
from tests.support.towns import spread


def test_the_cache_equals_the_dataset(make, tmp_path):
    dataset = make(spread(3, 1, 1))
    images, labels = (open_layer(dataset, name, tmp_path / "home") for name in (IMAGES, LABELS))
    for row, patch in enumerate(dataset.patches):
        np.testing.assert_array_equal(images[row], dataset.read_image(patch))
        np.testing.assert_array_equal(labels[row], dataset.read_label(patch))


def test_the_cache_is_built_once(make, tmp_path, monkeypatch):
    dataset = make(spread(2, 1, 1))
    open_layer(dataset, IMAGES, tmp_path)
    monkeypatch.setattr(Dataset, "read_image", lambda *_: pytest.fail("read again"))
    open_layer(Dataset.open(dataset.storage.url), IMAGES, tmp_path)


def test_another_dataset_has_another_cache(make, tmp_path):
    first, second = make(spread(2, 1, 1)), make(spread(2, 1, 1), seed=1, name="other")
    images = [open_layer(dataset, IMAGES, tmp_path) for dataset in (first, second)]
    assert not np.array_equal(*images)


@pytest.mark.long
@pytest.mark.parametrize("damage", ["note", "values", "gone"])
def test_a_layer_that_is_not_whole_is_built_again(make, tmp_path, damage):
    dataset = make(spread(2, 1, 1))
    open_layer(dataset, IMAGES, tmp_path)
    folder = tmp_path / dataset.fingerprint / IMAGES
    if damage == "note":
        (folder / "cache.json").write_text(json.dumps({"version": 0}))
        np.lib.format.open_memmap(folder / "values.npy", mode="r+")[:] = 0
    elif damage == "values":
        (folder / "values.npy").write_bytes((folder / "values.npy").read_bytes()[:5000])
    else:
        (folder / "values.npy").unlink()
    images = open_layer(dataset, IMAGES, tmp_path)
    np.testing.assert_array_equal(images[0], dataset.read_image(dataset.patches[0]))
    assert [path.name for path in folder.parent.iterdir()] == [IMAGES]


def test_a_layer_that_another_process_made_meanwhile_is_no_hindrance(make, tmp_path, monkeypatch):
    """Even one that puts its own in place between our two renames."""
    dataset = make(spread(2, 1, 1))
    folder, original, left = tmp_path / dataset.fingerprint / IMAGES, caches.os.replace, ["before", "between"]

    def replace(source, target):
        if str(target) == str(folder) and left:
            left.pop()
            folder.mkdir(exist_ok=True)
            (folder / "values.npy").write_bytes(b"theirs")
        original(source, target)

    monkeypatch.setattr(caches.os, "replace", replace)
    np.testing.assert_array_equal(open_layer(dataset, IMAGES, tmp_path)[0], dataset.read_image(dataset.patches[0]))
    assert not left and [path.name for path in folder.parent.iterdir()] == [IMAGES]


def test_a_whole_layer_that_another_process_made_meanwhile_stays(make, tmp_path, monkeypatch):
    """Moved aside even for a moment, it would be missing to the process that made it and opens it now."""
    dataset = make(spread(2, 1, 1))
    open_layer(dataset, IMAGES, tmp_path / "theirs")
    theirs = tmp_path / "theirs" / dataset.fingerprint / IMAGES
    ours, original, moved = tmp_path / "ours" / dataset.fingerprint / IMAGES, caches.os.replace, []

    def replace(source, target):
        if str(target) == str(ours) and theirs.exists():
            original(theirs, ours)
        moved.append(str(source))
        original(source, target)

    monkeypatch.setattr(caches.os, "replace", replace)
    np.testing.assert_array_equal(
        open_layer(dataset, IMAGES, tmp_path / "ours")[0], dataset.read_image(dataset.patches[0])
    )
    assert len(moved) == 1 and str(ours) not in moved and [path.name for path in ours.parent.iterdir()] == [IMAGES]


def test_a_damaged_patch_leaves_no_cache(make, tmp_path):
    dataset = make(spread(2, 1, 1))
    dataset.storage.write(dataset.patches[1].image_name, b"no GeoTIFF")
    with pytest.raises(Fault, match=r"images/.* is damaged"):
        open_layer(dataset, IMAGES, tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []


def test_a_full_disk_is_a_fault_with_a_remedy(make, tmp_path, monkeypatch):
    dataset = make(spread(2, 1, 1))

    def full(*_args, **_keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "open_memmap", full)
    with pytest.raises(Fault, match="disk is full; free some space or set ISAMAP_HOME"):
        open_layer(dataset, IMAGES, tmp_path / "home")


def test_a_dataset_without_labels_is_refused(make, tmp_path):
    dataset = make(spread(2, 1, 1), change=lambda image, _: (image, None))
    with pytest.raises(ValueError, match="has no labels: export it with --label"):
        open_layer(dataset, LABELS, tmp_path)


def test_a_layer_that_does_not_fit_on_the_disk_is_refused_before_it_is_read(make, tmp_path, monkeypatch):
    dataset = make(spread(2, 1, 1))
    usage = type("Usage", (), {"free": 4 * 6 * 32 * 32 * 2 - 1})
    monkeypatch.setattr(caches.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(Dataset, "read_image", lambda *_: pytest.fail("read"))
    with pytest.raises(Fault, match=r"layer images of dataset town takes 0.0 GB .* are free; free some space"):
        open_layer(dataset, IMAGES, tmp_path / "home")


def test_a_layer_that_the_dataset_lacks_is_refused(make, tmp_path):
    dataset = make(spread(1, 1, 1))
    for name, remedy in (("fine", "--fine"), ("fine_labels", "--fine and a label"), ("shares", "--share")):
        with pytest.raises(ValueError, match=f"holds no {name}: export it again with {remedy}"):
            open_layer(dataset, name, tmp_path)
    with pytest.raises(ValueError, match="holds no frames: export it again with --frames"):
        open_layer(dataset, "frames-2", tmp_path)
