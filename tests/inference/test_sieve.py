"""The minimum mapping unit: GDAL's result of two classes, the definition of more, the same for every cut."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.features import sieve as gdal_sieve
from scipy.ndimage import gaussian_filter

from gee_export.base.scheme import UNKNOWN
from inference import sieve
from inference.cog import RowsFile
from inference.sieve import reach_px, sieved, unit_px


def noisy(height: int, width: int, classes: int = 2, seed: int = 0) -> np.ndarray:
    """Classes with many small components and a few large ones, and unknown pixels."""
    rng = np.random.default_rng(seed)
    fields = np.stack([gaussian_filter(rng.standard_normal((height, width)), 1.5) for _ in range(classes)])
    class_HW = fields.argmax(axis=0).astype(np.uint8)
    class_HW[rng.random(class_HW.shape) < 0.02] = UNKNOWN
    return class_HW


def cleaned(class_HW: np.ndarray, least_px: int, folder) -> np.ndarray:
    """The classes after the sieve; their probabilities stay as they are."""
    rows, out = RowsFile(folder / "rows.u8", class_HW.shape[1]), RowsFile(folder / "out.u8", class_HW.shape[1])
    rows.path.unlink(missing_ok=True)
    share_HW = np.arange(class_HW.size, dtype=np.uint64).reshape(class_HW.shape).astype(np.uint8)
    rows.append(np.stack([class_HW, share_HW]))
    found = np.concatenate(list(sieved(rows, out, least_px).read()), axis=1)
    np.testing.assert_array_equal(found[1], share_HW)
    return found[0]


@pytest.mark.parametrize("least_px", [2, 9, 40])
@pytest.mark.parametrize("strip_px", [1 << 22, 400])
def test_two_classes_are_those_of_gdals_sieve(least_px, strip_px, tmp_path, monkeypatch):
    monkeypatch.setattr(sieve, "STRIP_PX", strip_px)
    class_HW = noisy(150, 130)
    expected = gdal_sieve(class_HW, least_px, connectivity=4, mask=class_HW != UNKNOWN)
    found = cleaned(class_HW, least_px, tmp_path)
    np.testing.assert_array_equal(found, expected)
    assert (found != class_HW).any()


def by_definition(class_HW: np.ndarray, least_px: int) -> np.ndarray:
    """Pixel by pixel, with components filled one after another."""
    label_HW, sizes = np.zeros(class_HW.shape, int), [0]
    height, width = class_HW.shape

    def beside(row, col):
        for r, c in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            if 0 <= r < height and 0 <= c < width and class_HW[r, c] != UNKNOWN:
                yield r, c

    for start in zip(*np.nonzero(class_HW != UNKNOWN), strict=True):
        if label_HW[start]:
            continue
        waiting, label_HW[start], size = [start], len(sizes), 0
        while waiting:
            pixel = waiting.pop()
            size += 1
            for other in beside(*pixel):
                if class_HW[other] == class_HW[start] and not label_HW[other]:
                    label_HW[other] = len(sizes)
                    waiting.append(other)
        sizes.append(size)
    result = class_HW.copy()
    for number, size in enumerate(sizes):
        if not number or size >= least_px:
            continue
        votes = np.zeros(255, int)
        for pixel in zip(*np.nonzero(label_HW == number), strict=True):
            for other in beside(*pixel):
                if label_HW[other] != number and sizes[label_HW[other]] >= least_px:
                    votes[class_HW[other]] += 1
        if votes.any():
            result[label_HW == number] = votes.argmax()
    return result


@pytest.mark.parametrize("strip_px", [1 << 22, 200])
def test_of_more_classes_the_longest_border_decides(strip_px, tmp_path, monkeypatch):
    monkeypatch.setattr(sieve, "STRIP_PX", strip_px)
    class_HW = noisy(60, 50, classes=4, seed=3)
    np.testing.assert_array_equal(cleaned(class_HW, 12, tmp_path), by_definition(class_HW, 12))


@pytest.mark.parametrize("classes", [2, 4])
def test_a_tile_with_its_margin_equals_the_whole_map(classes, tmp_path):
    """docs/reference/performance.md, "P3": for tiles that begin anywhere."""
    class_HW, least_px = noisy(120, 110, classes, seed=5), 11
    whole_HW = cleaned(class_HW, least_px, tmp_path)
    margin = reach_px(least_px)
    for top, left in ((0, 0), (37, 41), (70, 55)):
        first_row, first_col = max(top - margin, 0), max(left - margin, 0)
        wide_HW = class_HW[first_row : top + 40 + margin, first_col : left + 40 + margin]
        tile_HW = cleaned(wide_HW, least_px, tmp_path)[top - first_row :, left - first_col :][:40, :40]
        np.testing.assert_array_equal(tile_HW, whole_HW[top : top + 40, left : left + 40])


def test_a_component_over_three_strips_is_one(tmp_path, monkeypatch):
    """A U whose arms meet in the last strip only: 11 pixels stay, with 12 asked for they go."""
    monkeypatch.setattr(sieve, "STRIP_PX", 1)  # two rows at once
    class_HW = np.zeros((9, 5), np.uint8)
    class_HW[2:7, 1] = class_HW[2:7, 3] = class_HW[6, 2] = 1
    np.testing.assert_array_equal(cleaned(class_HW, 11, tmp_path), class_HW)
    assert not cleaned(class_HW, 12, tmp_path).any()


def test_what_touches_nothing_large_stays(tmp_path):
    class_HW = np.full((6, 6), UNKNOWN, np.uint8)
    class_HW[2, 2], class_HW[2, 3] = 1, 0
    np.testing.assert_array_equal(cleaned(class_HW, 4, tmp_path), class_HW)


@pytest.mark.parametrize(
    ("text", "step_m", "pixels"),
    [
        ("9", 10.0, 9),
        ("9px", 1.0, 9),
        ("500m2", 10.0, 5),
        ("501 m2", 10.0, 6),
        ("0.5ha", 10.0, 50),
        ("1km2", 10.0, 10000),
    ],
)
def test_units_in_pixels(text, step_m, pixels):
    assert unit_px(text, step_m) == pixels


@pytest.mark.parametrize(
    ("text", "words"),
    [("many", "such as 9, 9px, 500m2"), ("-3", "such as"), ("1", "less than two pixels"), ("100m2", "less")],
)
def test_units_that_mean_nothing_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        unit_px(text, 10.0)
