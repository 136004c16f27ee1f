"""GID's folder as published: colours to classes, chips to a dataset that a LandCover3m network is judged on."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from isamap.gee_export.base.scheme import SCHEMES
from isamap.gee_export.datasets.dataset import Dataset
from isamap.reproduction import gid

# of the dataset's page, and LandCover3m section 5.2
COLOURS = {
    "impervious": (255, 0, 0), "cropland": (0, 255, 0), "woodland": (0, 255, 255),
    "grassland": (255, 255, 0), "water": (0, 0, 255),
}  # fmt: skip
SCENES = ("GF2_PMS1__L1A0000564539-MSS1", "GF2_PMS2__L1A0000607681-MSS2")


def save(path, planes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"count": len(planes), "height": planes.shape[1], "width": planes.shape[2], "dtype": planes.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", **shape) as file:
        file.write(planes)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two scenes of 40 x 56 pixels cut into chips of 16; the first chip of the first is unlabelled."""
    monkeypatch.setattr(gid, "SIDE", 16)
    rng = np.random.default_rng(0)
    names = list(COLOURS)
    for scene in SCENES:
        image = rng.integers(1, 256, (4, 40, 56)).astype(np.uint8)
        drawn = rng.integers(0, 5, (40, 56))
        colours = np.array([COLOURS[name] for name in names], np.uint8)[drawn].transpose(2, 0, 1).copy()
        if scene == SCENES[0]:
            colours[:, :16, :16] = 0
        save(tmp_path / "GID" / "image_NirRGB" / f"{scene}.tif", image)
        save(tmp_path / "GID" / "label_5classes" / f"{scene}_label.tif", colours)
    return tmp_path / "GID"


def test_a_folder_becomes_chips_of_the_seven_classes(folder, tmp_path):
    """Two scenes of 2 x 3 whole chips each, less one without a label; numbers and classes as the files have them."""
    data = Dataset.open(gid.opened(str(folder), tmp_path / "data", lambda _: None))
    assert (len(data.patches), data.manifest.size, data.manifest.simulated) == (11, 16, False)
    assert data.manifest.band_names == ("N", "R", "G", "B") and len(data.in_split("test")) == 9
    second = sorted(data.patches, key=lambda patch: patch.col)[0]
    with rasterio.open(folder / "image_NirRGB" / f"{SCENES[0]}.tif") as file:
        np.testing.assert_array_equal(data.read_image(second), file.read()[:, :16, 16:32].astype(int) * 20)
    with rasterio.open(folder / "label_5classes" / f"{SCENES[0]}_label.tif") as file:
        drawn = file.read()[:, :16, 16:32]
    classes = SCHEMES["landcover3m"].classes
    expected = [[COLOURS[classes[number]] for number in row] for row in data.read_label(second).tolist()]
    np.testing.assert_array_equal(np.array(expected).transpose(2, 0, 1), drawn)


def test_what_is_black_is_unknown():
    assert gid.classes_of(np.array([0, 0, 0])[:, None, None]).item() == 255


def test_another_address_is_left_as_it_is(tmp_path):
    assert gid.opened(str(tmp_path), tmp_path) == str(tmp_path)


def test_a_scene_without_its_labels_is_a_sentence(folder, tmp_path):
    (folder / "label_5classes" / f"{SCENES[1]}_label.tif").unlink()
    with pytest.raises(ValueError, match=f"{SCENES[1]}.tif has no label_5classes/{SCENES[1]}_label.tif: copy it there"):
        gid.opened(str(folder), tmp_path / "data", lambda _: None)


def test_scenes_without_a_whole_chip_are_a_sentence(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(gid, "SIDE", 64)
    with pytest.raises(ValueError, match="0 labelled chips of 64 px: give whole scenes of GID"):
        gid.opened(str(folder), tmp_path / "data", lambda _: None)


def test_a_study_takes_the_folder_for_one_of_its_datasets(folder, tmp_path):
    """As `--data chips=... truth=... sensor=GID` has it."""
    from isamap.reproduction.reproduce import addresses, studied

    study = studied("landcover3m-norm")
    others = tmp_path / "others"
    others.mkdir()
    words = [f"chips={others}", f"truth={others}", f"sensor={folder}"]
    found = addresses(study, study.preset("cpu"), words, tmp_path / "out", lambda _: None)
    assert Dataset.open(found["sensor"][0]).manifest.name == "GID"
