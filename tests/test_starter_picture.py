"""README's picture of a real scene: drawn by its program, small, and under the licence that README says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import real_ground, starter_picture
from benchmarks.real_catalogs import BASELINE_OFFSET, TERRAMIND
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.shared_data import SHARED, needs_shared

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "docs" / "img" / "starter.jpg"
LARGEST_BYTES = 150_000
RED, GREY = (196, 40, 27), (217, 217, 217)  # LABEL_COLOURS


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (np.abs(picture.astype(int) - colour) < 12).all(axis=-1)


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_label_and_map_stand_beside_the_image(tmp_path):
    """A green image; the label is red in its western half, the map in its northern one."""
    green = np.full((224, 224, 3), (0.0, 0.6, 0.0))
    west, north = (np.indices((224, 224))[axis] < 112 for axis in (1, 0))
    out = tmp_path / "p.jpg"
    starter_picture.panels(green, west.astype(np.uint8), north.astype(np.uint8), out=out)
    panels = np.split(pixels_of(out)[60:-20], 3, axis=1)  # without titles
    assert near(panels[0], (0, 153, 0)).mean() > 0.8
    for panel, axis in ((panels[1], 1), (panels[2], 0)):
        first, second = (np.argwhere(near(panel, colour))[:, axis].mean() for colour in (RED, GREY))
        assert first < second - 100


def test_pixels_of_no_known_class_are_neither():
    at = np.array([0, 1])
    ground = real_ground.KnownGround("here", "here", Path(), at, at, np.array([True, False]))
    expected = [[1, 2], [2, 0]]
    np.testing.assert_array_equal(starter_picture.classes_of(ground, ground.impervious_N, (2, 2)), expected)


@needs_shared
@pytest.mark.long
def test_the_stored_picture_is_the_programs(tmp_path):
    """And the figures that README says are those of its map."""
    ground = real_ground.terramesh(SHARED, tmp_path, TERRAMIND, BASELINE_OFFSET)
    said = starter_picture.draw(ground, tmp_path, tmp_path / "again.jpg")
    stored, again = (pixels_of(path).astype(int) for path in (STORED, tmp_path / "again.jpg"))
    assert stored.shape == again.shape and np.abs(stored - again).mean() < 2
    f1, auc = (word.removeprefix("0") for word in (said.split()[4].strip(","), said.split()[6]))
    assert f"(F1 {f1}, AUC {auc})" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_pages_that_show_it_say_source_and_licence(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    caption = text[text.index("starter.jpg") :].split("\n\n")[1].replace("\n", " ")
    for word in ("Real:", "TerraMesh (GitHub IBM/terramind)", "by-sa/4.0", "modified Copernicus Sentinel data 2020"):
        assert word in caption


def test_it_is_small():
    assert STORED.stat().st_size <= LARGEST_BYTES
