"""Folders of chips as those who have WHU-IS may have laid them out."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from isamap.gee_export.datasets.dataset import Dataset
from isamap.reproduction import whuis
from isamap.reproduction.reproduce import reproduce
from tests.support.one_thread import one_thread  # noqa: F401 (a fixture)

SIDE = 16


def chip(rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reflectance 0..1 float (4, side, side), decibels (2, ...), label 0/1."""
    return (
        rng.uniform(0.02, 0.5, (4, SIDE, SIDE)).astype(np.float32),
        rng.uniform(-25, 5, (2, SIDE, SIDE)).astype(np.float32),
        rng.integers(0, 2, (SIDE, SIDE)).astype(np.uint8),
    )


def save(path, values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
        return
    planes = values[None] if values.ndim == 2 else values
    driver = "PNG" if path.suffix == ".png" else "GTiff"
    shape = {"count": len(planes), "height": SIDE, "width": SIDE, "dtype": planes.dtype.name}
    with rasterio.open(path, "w", driver=driver, **shape) as file:
        file.write(planes)


LAYOUTS = {
    "optical/sar/label": lambda split, name: (f"optical/{name}.tif", f"sar/{name}.tif", f"label/{name}.png"),
    "splits outside": lambda split, name: (
        f"{split}/opt/{name}.tif",
        f"{split}/SAR/{name}.tif",
        f"{split}/gt/{name}.png",
    ),
    "splits inside": lambda split, name: (
        f"S2/{split}/{name}.npy",
        f"S1/{split}/{name}.npy",
        f"Label/{split}/{name}.npy",
    ),
    "endings in a folder": lambda split, name: (f"data/{name}_s2.tif", f"data/{name}_s1.tif", f"data/{name}-gt.tif"),
    "endings": lambda split, name: (f"{name}_opt.tif", f"{name}_sar.tif", f"{name}_label.tif"),
}


@pytest.fixture
def chips_of():
    rng = np.random.default_rng(0)
    return {f"p{at:03}": chip(rng) for at in range(20)}


def opened(folder, tmp_path) -> Dataset:
    return Dataset.open(whuis.opened(str(folder), tmp_path / "home", lambda _: None))


@pytest.mark.long
@pytest.mark.parametrize("layout", LAYOUTS)
def test_natural_layouts_are_read_alike(layout, chips_of, tmp_path):
    """Every chip comes back with its bands by name, in physical units to half a stored step, and its label."""
    folder = tmp_path / "WHU-IS"
    for at, (name, parts) in enumerate(chips_of.items()):
        split = ("train", "val", "test")[0 if at < 16 else at % 2 + 1]
        for path, values in zip(LAYOUTS[layout](split, name), parts, strict=True):
            save(folder / path, values)
    data = opened(folder, tmp_path)
    assert data.manifest.band_names == ("B2", "B3", "B4", "B8", "VV", "VH")
    assert not data.manifest.simulated
    assert {split: len(data.in_split(split)) for split in ("train", "val", "test")} == {
        "train": 16,
        "val": 2,
        "test": 2,
    }
    scale = np.array([band.scale for band in data.manifest.bands])[:, None, None]
    expected = {label.tobytes(): (optical, sar) for optical, sar, label in chips_of.values()}
    for patch in data.patches:
        optical, sar = expected.pop(data.read_label(patch).tobytes())
        actual = data.read_image(patch) * scale
        assert np.abs(actual - np.concatenate([optical, sar])).max() <= 0.5 * scale.max() + 1e-6
        assert np.abs(actual[:4] - optical).max() <= 0.5e-4 + 1e-6


def six_band(folder, chips_of, change=lambda image, label: (image, label)) -> None:
    for name, (optical, sar, label) in chips_of.items():
        image, label = change(np.concatenate([optical, sar]), label)
        save(folder / "image" / f"{name}.tif", image)
        save(folder / "mask" / f"{name}.png", label)


def test_six_bands_in_one_file(chips_of, tmp_path):
    six_band(tmp_path / "chips", chips_of)
    assert opened(tmp_path / "chips", tmp_path).manifest.split["kind"] == "random"


def test_labels_of_photoshop_are_0_and_255(chips_of, tmp_path):
    """CroFuseNet annotated with Photoshop: a mask of 0 and 255 is pervious and impervious."""
    six_band(tmp_path / "chips", chips_of, lambda image, label: (image, label * 255))
    data = opened(tmp_path / "chips", tmp_path)
    assert {bytes(np.unique(data.read_label(patch))) for patch in data.patches} == {b"\0\1"}


@pytest.mark.long
def test_power_becomes_decibels(chips_of, tmp_path):
    """10 log10, as IEEE says."""

    def powered(image, label):
        return np.concatenate([image[:4], 10 ** (image[4:] / 10)]).astype(np.float32), label

    six_band(tmp_path / "plain", chips_of)
    six_band(tmp_path / "power", chips_of, powered)
    plain, power = (opened(tmp_path / name, tmp_path) for name in ("plain", "power"))
    for single, second in zip(plain.patches, power.patches, strict=True):
        assert np.abs(plain.read_image(single).astype(int) - power.read_image(second)).max() <= 1


def test_nan_is_missing(chips_of, tmp_path):
    def holed(image, label):
        image[0, 3, 4] = np.nan
        return image, label

    six_band(tmp_path / "chips", chips_of, holed)
    data = opened(tmp_path / "chips", tmp_path)
    assert (data.read_image(data.patches[0])[0] == -32768).sum() == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda image, label: (image[:3], label), "4 or 6 bands"),
        (lambda image, label: (image, label + np.arange(SIDE, dtype=np.uint8)), "labels hold the values"),
    ],
)
def test_what_cannot_be_read_is_said(change, sentence, chips_of, tmp_path):
    six_band(tmp_path / "chips", chips_of, change)
    with pytest.raises(ValueError, match=sentence):
        opened(tmp_path / "chips", tmp_path)


def test_a_chip_without_its_sar_file_is_named(chips_of, tmp_path):
    for name, (optical, sar, label) in chips_of.items():
        save(tmp_path / "chips" / f"optical/{name}.tif", optical)
        save(tmp_path / "chips" / f"label/{name}.tif", label)
        if name != "p007":
            save(tmp_path / "chips" / f"sar/{name}.tif", sar)
    with pytest.raises(ValueError, match="chip p007 has no sar file"):
        opened(tmp_path / "chips", tmp_path)


def test_datasets_and_other_folders_pass_as_they_are(town, tmp_path):
    assert whuis.opened(str(town), tmp_path) == str(town)
    assert whuis.opened(str(tmp_path), tmp_path / "home") == str(tmp_path)
    assert whuis.opened("gs://bucket/data", tmp_path) == "gs://bucket/data"


@pytest.mark.long
def test_a_study_runs_on_chips(chips_of, study, tmp_path):
    """`--data FOLDER` of chips: real data with a random split, and the report says both."""
    six_band(tmp_path / "WHU-IS", chips_of)
    report = reproduce("tiny", [tmp_path / "WHU-IS"], tmp_path / "out", seeds=1, say=lambda _: None)
    (used,) = report.data
    assert not used.simulated and used.split == "random" and sum(used.patches.values()) == len(chips_of)
    assert any("Split at random" in words for words in report.differs)
    assert not any("simulated" in words for words in report.differs)
