"""Maps of years as one series: in order, on one grid, and refused with a remedy where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from isamap.inference.years import series
from isamap.inference.years.series import open_series
from tests.inference.years.conftest import WUHAN, random_shares


def shares(seed: int = 0, shape: tuple[int, int] = (40, 30)) -> np.ndarray:
    return random_shares(1, shape[0] * shape[1], seed)[0].reshape(shape)


def test_maps_come_in_the_order_of_their_years(year_map):
    paths = [year_map(year, shares(year)) for year in (2021, 2017, 2019)]
    opened = open_series(paths)
    assert opened.years == (2017, 2019, 2021)
    assert [each.path for each in opened.maps] == [paths[1], paths[2], paths[0]]


def test_a_winter_belongs_to_the_year_of_its_middle(year_map):
    winter = year_map(2019, shares(), name="winter", period_start="2019-12-01", period_end="2020-03-01")
    assert open_series([year_map(2017, shares()), winter]).years == (2017, 2020)


def test_rows_are_the_maps_pixels(year_map):
    pixels = [shares(year) for year in (2017, 2019)]
    opened = open_series([year_map(year, each) for year, each in zip((2017, 2019), pixels, strict=True)])
    pieces = list(opened.rows(most_px=7 * 30))
    assert [piece.row for piece in pieces] == [0, 7, 14, 21, 28, 35]
    np.testing.assert_array_equal(np.concatenate([piece.share_THW for piece in pieces], axis=1), np.stack(pixels))


@pytest.mark.long
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"transform": WUHAN * Affine.translation(0.5, 0)}, "different grids .0.5 pixels apart.: map each year with"),
        ({"transform": WUHAN * Affine.scale(2)}, "different grids"),
        ({"name": "again", "period_start": "2017-07-01", "period_end": "2017-08-01"}, "both of 2017: give one map"),
        ({"period_start": "", "name": "undated"}, "does not say of which time it is"),
        ({"classes": "impervious,pervious"}, "give maps of one legend"),
        ({"target": "share"}, "holds percents, and a series of years follows probabilities"),
    ],
)
def test_maps_that_are_no_series_are_refused(year_map, changes, words):
    first, second = year_map(2017, shares()), year_map(2019, shares(), **changes)
    with pytest.raises(ValueError, match=words):
        open_series([first, second])


def test_another_size_is_another_grid(year_map):
    with pytest.raises(ValueError, match="40 x 30 and 40 x 31 pixels"):
        open_series([year_map(2017, shares()), year_map(2019, shares(shape=(40, 31)))])


def test_years_without_a_calibration_curve_are_named(year_map):
    first = year_map(2017, shares(), calibration="beta")
    notes = open_series([first, year_map(2019, shares()), year_map(2021, shares())]).notes
    assert any("the maps of 2019, 2021 were made without a calibration curve" in note for note in notes)


def test_maps_of_one_curve_need_no_word_and_maps_of_two_do(year_map):
    paths = [year_map(year, shares(), name=f"{curve}-{year}", calibration=curve) for year, curve in
             ((2017, "beta"), (2019, "beta"), (2021, "platt"))]  # fmt: skip
    assert not any("curve" in note for note in open_series(paths[:2]).notes)
    assert any("different curves (beta, platt)" in note for note in open_series(paths).notes)


def test_one_map_is_no_series(year_map):
    with pytest.raises(ValueError, match="1 maps: give 2 to 100 maps of different years"):
        open_series([year_map(2017, shares())])


def test_maps_of_several_networks_are_named_as_such(year_map):
    curve = {"calibration": "beta"}
    opened = open_series([year_map(2017, shares(), **curve), year_map(2019, shares(), checkpoint="d" * 32, **curve)])
    assert len(opened.notes) == 1 and "of 2 checkpoints" in opened.notes[0]


def test_maps_of_several_seasons_are_named_as_such(year_map):
    opened = open_series([year_map(2017, shares()), year_map(2019, shares(), period_start="2019-01-01")])
    assert "different times of the year" in opened.notes[0]


@pytest.mark.long
@pytest.mark.parametrize(("row", "col"), [(0, 0), (4, 8), (12, 20)])
def test_the_sample_is_fixed_to_the_ground(year_map, monkeypatch, row, col):
    """A part of a map takes the same pixels of its ground as the whole map does, for the same step."""
    monkeypatch.setattr(series, "ROWS_PX", 7)
    full = [shares(year, (64, 48)) for year in (2017, 2019)]
    window = [each[row : row + 32, col : col + 24] for each in full]
    where = {"transform": WUHAN * Affine.translation(col, row)}
    large = open_series([year_map(year, each) for year, each in zip((2017, 2019), full, strict=True)])
    small = open_series(
        [year_map(year, each, name=f"part{year}", **where) for year, each in zip((2017, 2019), window, strict=True)]
    )
    taken = series.sampled(large, most=64 * 48 // 16)
    step, origin = 4, (round(WUHAN.f / WUHAN.e), round(WUHAN.c / WUHAN.a))
    rows, cols = (slice(-first % step, None, step) for first in origin)
    np.testing.assert_array_equal(taken, np.stack([each[rows, cols].ravel() for each in full]))
    inside = np.zeros((64, 48), bool)
    inside[row : row + 32, col : col + 24] = True
    kept = inside[rows, cols].ravel()
    np.testing.assert_array_equal(series.sampled(small, most=32 * 24 // 16), taken[:, kept])
