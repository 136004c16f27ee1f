"""Pictures of validation patches."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.image import imread

from isamap.gee_export.base.scheme import SEVEN, UNKNOWN
from isamap.training.fitting.pictures import GAP_PX, IMPERVIOUS_RGB, PERVIOUS_RGB, UNKNOWN_RGB, panel, save_png

SIDE = 8


def drawn(bands: tuple[str, ...], label: int = 0, predicted: int = 1, value: float = 0.0) -> np.ndarray:
    image = np.full((1, len(bands), SIDE, SIDE), value, dtype=np.float32)
    shape = (1, SIDE, SIDE)
    return panel(image, np.full(shape, label, np.uint8), np.full(shape, predicted, np.uint8), bands=bands)


def tile(picture: np.ndarray, column: int) -> np.ndarray:
    left = column * (SIDE + GAP_PX)
    return picture[:, left : left + SIDE].reshape(-1, 3)


@pytest.mark.parametrize(
    ("bands", "columns"), [(("B2", "B3", "B4", "VV"), 4), (("B8",), 3), (("VV", "VH"), 3), (("B8", "VH"), 4)]
)
def test_a_column_for_each_sensor_the_label_and_the_prediction(bands, columns):
    assert drawn(bands).shape == (SIDE, columns * SIDE + (columns - 1) * GAP_PX, 3)


def test_classes_have_their_colours():
    picture = drawn(("B8",), label=0, predicted=1)
    assert (tile(picture, 1) == PERVIOUS_RGB).all() and (tile(picture, 2) == IMPERVIOUS_RGB).all()
    assert (tile(drawn(("B8",), label=UNKNOWN), 1) == UNKNOWN_RGB).all()


def test_true_colour_is_red_green_blue():
    image = np.stack([np.full((SIDE, SIDE), value) for value in (-2.0, 0.0, 2.0)])[None]  # B2, B3, B4
    label = np.zeros((1, SIDE, SIDE), np.uint8)
    assert tile(panel(image, label, label, bands=("B2", "B3", "B4")), 0)[0].tolist() == [255, 127, 0]


def test_finer_labels_are_shown_whole_and_images_enlarged():
    image, label = np.zeros((1, 1, SIDE, SIDE)), np.zeros((1, 10 * SIDE, 10 * SIDE), np.uint8)
    image[0, 0, 0, 0], label[0, -1, -1] = 2.0, 1
    picture = panel(image, label, label, bands=("B8",))
    assert picture.shape == (10 * SIDE, 3 * 10 * SIDE + 2 * GAP_PX, 3)
    assert (picture[:10, :10] == 255).all() and (picture[:10, 10:20] == 127).all()
    assert picture[-1, -1].tolist() == list(IMPERVIOUS_RGB) and picture[-1, -2].tolist() == list(PERVIOUS_RGB)


def test_large_tiles_are_thinned():
    image, label = np.zeros((1, 1, 120, 120)), np.zeros((1, 1200, 1200), np.uint8)
    assert panel(image, label, label, bands=("B8",)).shape == (400, 3 * 400 + 2 * GAP_PX, 3)


def test_of_several_dates_the_mean_is_shown():
    image = np.stack([np.full((1, SIDE, SIDE), value) for value in (-2.0, 2.0)])[None]
    label = np.zeros((1, SIDE, SIDE), np.uint8)
    assert (tile(panel(image, label, label, bands=("B8",)), 0) == 127).all()


def test_seven_classes_have_seven_colours():
    image, label = np.zeros((1, 1, SIDE, SIDE)), np.tile(np.arange(SIDE, dtype=np.uint8).clip(max=6), (1, SIDE, 1))
    picture = panel(image, label, label, bands=("B8",), classes=SEVEN)
    assert len(np.unique(tile(picture, 1), axis=0)) == 7


def test_the_png_is_the_picture(tmp_path):
    picture = drawn(("B2", "B3", "B4", "VV"), value=1.0)
    save_png(tmp_path / "new" / "a.png", picture)
    assert (np.rint(imread(tmp_path / "new" / "a.png")[..., :3] * 255) == picture).all()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
