"""`isamap chips`: numbers and labels as they were, splits by folders or chance, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import rasterio

import isamap
from isamap.gee_export.datasets.chips import ChipOptions, import_chips
from isamap.gee_export.datasets.dataset import Dataset

SIDE, COUNT = 16, 20
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(1, 4000, (COUNT, 3, SIDE, SIDE)).astype(np.uint16)
LABELS = RNG.choice(np.array([0, 2, 7, 9], np.uint8), (COUNT, SIDE, SIDE))
OPTIONS = ChipOptions(("B4", "B3", "B2"), "reflectance=0.0001", impervious=(2, 7), unknown=(9,))


def save(path: Path, values: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, np.moveaxis(values, 0, -1) if values.ndim == 3 else values)
        return
    planes = values if values.ndim == 3 else values[None]
    shape = {"count": len(planes), "height": SIDE, "width": SIDE, "dtype": planes.dtype.name}
    with rasterio.open(path, "w", driver="PNG" if path.suffix == ".png" else "GTiff", **shape, **options) as file:
        file.write(planes)


@pytest.fixture
def chips(tmp_path):
    """Writes all chips: chips(ending of images, of labels, folder of the number) and gives both folders."""

    def written(image=".tif", label=".png", folder=lambda _: "", **options):
        for at in range(COUNT):
            save(tmp_path / "images" / folder(at) / f"c{at:02}{image}", IMAGES[at], **options)
            save(tmp_path / "masks" / folder(at) / f"c{at:02}{label}", LABELS[at])
        return tmp_path / "images", tmp_path / "masks"

    return written


@pytest.mark.parametrize(("image", "label"), [(".tif", ".png"), (".npy", ".npy")])
def test_numbers_and_classes_are_those_of_the_files(chips, tmp_path, image, label):
    report = import_chips(*chips(image, label), tmp_path / "data", OPTIONS)
    dataset = Dataset.open(tmp_path / "data")
    assert report.patches == {"train": 16, "val": 2, "test": 2} and len(dataset) == COUNT
    assert [(band.name, band.unit, band.scale) for band in dataset.manifest.bands[:1]] == [("B4", "reflectance", 1e-4)]
    for at, patch in enumerate(sorted(dataset.patches, key=lambda each: each.row)):
        np.testing.assert_array_equal(dataset.read_image(patch), IMAGES[at])
        expected = np.where(LABELS[at] == 9, 255, np.isin(LABELS[at], [2, 7]))
        np.testing.assert_array_equal(dataset.read_label(patch), expected)


def test_no_data_is_missing_and_folders_divide(chips, tmp_path):
    missing = int(IMAGES[15, 0, 3, 4])
    folders = chips(folder=lambda at: "train" if at < 10 else "val" if at < 15 else "test", nodata=missing)
    assert import_chips(*folders, tmp_path / "data", OPTIONS).patches == Counter(train=10, val=5, test=5)
    dataset = Dataset.open(tmp_path / "data")
    stored = dataset.read_image(dataset.in_split("test")[0])
    np.testing.assert_array_equal(stored == -32768, IMAGES[15] == missing)


def test_the_command_makes_what_training_reads(chips, tmp_path, monkeypatch):
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    images, masks = chips()
    words = ["--bands", "B4", "B3", "B2", "--unit", "reflectance=0.0001", "--impervious", "2", "7", "--unknown", "9"]
    data = str(tmp_path / "data")
    assert isamap.main(["chips", "--images", str(images), "--labels", str(masks), *words, "--out", data]) == 0
    settings = ["epochs=1", "batch=4", "model.widths=4,8"]
    words = ["--recipe", "unet-tiny", "--out", str(tmp_path / "run"), "--set", *settings]
    assert isamap.main(["train", "--data", data, *words]) == 0


def test_what_is_no_pair_or_of_another_size_is_refused(chips, tmp_path):
    images, masks = chips()
    (masks / "c03.png").unlink()
    with pytest.raises(ValueError, match="1 chips have no image or no label of their name, such as c03"):
        import_chips(images, masks, tmp_path / "data", OPTIONS)
    save(masks / "c03.png", LABELS[3])
    np.save(images / "c19.npy", np.zeros((8, 8, 3), np.uint16))
    (images / "c19.tif").unlink()
    with pytest.raises(ValueError, match="chips are of one size and type"):
        import_chips(images, masks, tmp_path / "data", OPTIONS)
    assert not (tmp_path / "data" / "manifest.json").exists()


def test_a_number_has_one_meaning():
    with pytest.raises(ValueError, match="none of them in both"):
        ChipOptions(("B4",), impervious=(255,))
