"""The minimum mapping unit: GDAL's result of two classes, the definition of more, the same for every cut."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.features import sieve as gdal_sieve
from scipy.ndimage import gaussian_filter

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.cog import RowsFile
from isamap.inference.postprocessing import sieve
from isamap.inference.postprocessing.sieve import SievePiece, reach_px, sieved, sieved_pieces, unit_px
from tests.support.minimum_unit import by_definition


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
    actual = np.concatenate(list(sieved(rows, out, least_px).read()), axis=1)
    np.testing.assert_array_equal(actual[1], share_HW)
    return actual[0]


@pytest.mark.parametrize("least_px", [2, 9, 40])
@pytest.mark.parametrize("strip_px", [1 << 22, 400])
def test_two_classes_are_those_of_gdals_sieve(least_px, strip_px, tmp_path, monkeypatch):
    monkeypatch.setattr(sieve, "STRIP_PX", strip_px)
    class_HW = noisy(150, 130)
    expected = gdal_sieve(class_HW, least_px, connectivity=4, mask=class_HW != UNKNOWN)
    actual = cleaned(class_HW, least_px, tmp_path)
    np.testing.assert_array_equal(actual, expected)
    assert (actual != class_HW).any()


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


def cut(class_HW: np.ndarray, height: int, width: int, strips: int) -> list[SievePiece]:
    """Tiles of a size in rows, each in strips; those without a known pixel are left out."""
    tiles = [
        (row, col, class_HW[row * height : (row + 1) * height, col * width : (col + 1) * width])
        for row in range(-(-class_HW.shape[0] // height))
        for col in range(-(-class_HW.shape[1] // width))
    ]
    return [
        SievePiece(row * strips + index, col, strip_HW)
        for row, col, tile_HW in tiles
        if (tile_HW != UNKNOWN).any()
        for index, strip_HW in enumerate(np.array_split(tile_HW, strips))
    ]


@pytest.mark.parametrize(
    ("height", "width", "strips"), [(60, 50, 1), (20, 50, 1), (60, 10, 1), (15, 10, 1), (20, 25, 3)]
)
def test_pieces_of_any_cut_are_those_of_the_whole(height, width, strips):
    class_HW = noisy(60, 50, classes=3, seed=11)
    class_HW[20:40, 20:30] = UNKNOWN  # with 20 x 10 and smaller: a tile that is missing
    before = cut(class_HW, height, width, strips)
    after = cut(by_definition(class_HW, 12), height, width, strips)
    items = list(sieved_pieces(lambda: iter(before), 12))
    for piece, expected in zip(items, after, strict=True):
        assert (piece.row, piece.col) == (expected.row, expected.col)
        np.testing.assert_array_equal(piece.class_HW, expected.class_HW)


def test_pieces_on_both_sides_of_a_missing_one_do_not_touch():
    """Two halves of a component that only a missing piece would join, each too small alone."""
    ground = np.zeros((4, 4), np.uint8)
    ground[1, 3] = 1
    far = np.zeros((4, 4), np.uint8)
    far[1, 0] = 1
    (left, right) = sieved_pieces(lambda: iter([SievePiece(0, 0, ground), SievePiece(0, 2, far)]), 2)
    assert not left.class_HW.any() and not right.class_HW.any()
    (left, right) = sieved_pieces(lambda: iter([SievePiece(0, 0, ground), SievePiece(0, 1, far)]), 2)
    assert left.class_HW[1, 3] == right.class_HW[1, 0] == 1
