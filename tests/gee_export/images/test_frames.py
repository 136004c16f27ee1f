"""Dated frames: which days are taken, what stands beside them, and that a month's frame is that month's composite."""

from __future__ import annotations

import json
from datetime import date

import ee
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isamap.gee_export.base import regions
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.images.frames import MIN_CLEAR, Frames, chosen_days, open_frames
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import NoScenes, Settings
from tests.support import plot as plots

GROUND = RegionGrid.of(plots.REGION)
JUNE = regions.Month(2019, 6).period
SETTINGS = Settings.of(speckle="none", clouds="scl")
BANDS = [*plots.BANDS, "VV", "VH"]
DAYS = [date(2019, 6, day) for day in range(1, 7)]


def clear_days(*shares, pixels_=100):
    """Days whose first pixels are clear, by share."""
    return {day: np.arange(pixels_) < share * pixels_ for day, share in zip(DAYS, shares, strict=False)}


def test_the_clearest_days_are_taken_and_given_in_order_of_time():
    assert chosen_days(clear_days(0.3, 0.9, 0.5, 1.0), 2) == [DAYS[1], DAYS[3]]


def test_a_day_that_shows_other_ground_goes_before_a_clearer_one_of_ground_seen():
    """Large regions are seen strip by strip: each pixel should have its frames."""
    left, right = np.arange(100) < 60, np.arange(100) >= 60
    days = {DAYS[0]: left, DAYS[1]: left, DAYS[2]: right}
    assert chosen_days(days, 2) == [DAYS[0], DAYS[2]]


def test_days_that_show_hardly_anything_are_not_taken():
    assert chosen_days(clear_days(MIN_CLEAR / 2, 0.9, 0.0), 3) == [DAYS[1]]
    assert chosen_days(clear_days(0.0, 0.0), 3) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 6))
def test_at_most_so_many_days_all_able_and_none_twice(shares, most):
    days = clear_days(*shares)
    actual = chosen_days(days, most)
    able = [day for day, shown in days.items() if shown.mean() >= MIN_CLEAR]
    assert actual == sorted(set(actual)) and len(actual) == min(most, len(able)) and set(actual) <= set(able)


def test_days_are_judged_without_a_lattice_of_their_own(plot_session):
    """Under a coarse picture all 20-m pixels of a reprojected band would be computed (guides/best_practices)."""
    optical = Settings.of(clouds="s2cloudless").optical
    image = ee.Image([1, 2, 3]).rename(["probability", "B8", "SCL"])
    assert "reproject" not in json.dumps(ee.serializer.encode(optical.mask.rough(image, optical, "L2A")))


def test_scenes_are_single_days_of_both_sensors(plot_session, plot):
    """Sentinel-1 passes of 3, 9 and 27 June are usable (plot.py): the nearest within six days stands beside."""
    frames = open_frames(Frames(most=8), GROUND, JUNE, SETTINGS)
    days = {frame.day: frame.facts for frame in frames}
    assert list(days) == ["20190602", "20190612", "20190622"]
    assert [day["sentinel2"][0][:8] for day in days.values()] == ["20190602", "20190612", "20190622"]
    assert [day["sentinel1"][0][17:25] for day in days.values()] == ["20190603", "20190609", "20190627"]
    raster = pixels.fetch(frames[1].image, plots.GRID, BANDS)
    index = "20190612T025551_20190612T030602_T50RKU"
    valid = raster.valid_BHW[0]
    np.testing.assert_array_equal(raster.values_BHW[0][valid], plot.dn[index]["B2"][valid])
    clear = np.isin(plot.scl[index], [4, 5]).repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(valid, clear)


def test_a_day_without_a_radar_pass_near_has_no_backscatter(plot_session):
    """Of 22 June the nearest usable pass is the 27th, of 12 June the 9th: on orbit 3 alone there is only 3 June."""
    settings = Settings.of(speckle="none", clouds="scl", orbits=(3,))
    frames = open_frames(Frames("days", (date(2019, 6, 12),)), GROUND, JUNE, settings)
    assert frames[0].facts["sentinel1"] == []
    raster = pixels.fetch(frames[0].image, plots.GRID, BANDS)
    assert not raster.valid_BHW[4:].any() and raster.valid_BHW[:4].any()


def test_a_months_frame_is_the_months_composite(plot_session):
    spring = regions.Period.between("2019-05-01", "2019-06-30")
    frames = open_frames(Frames("months"), GROUND, spring, SETTINGS)
    assert [frame.day for frame in frames] == ["20190601"]  # May has no scenes: no file, not a file of zeros
    expected = pixels.fetch(composite.build(plots.REGION, JUNE, SETTINGS).packed, plots.GRID, BANDS)
    raster = pixels.fetch(frames[0].image, plots.GRID, BANDS)
    np.testing.assert_array_equal(raster.valid_BHW, expected.valid_BHW)
    np.testing.assert_array_equal(raster.values_BHW, expected.values_BHW)


def test_days_without_a_scene_name_the_nearest_ones(plot_session):
    with pytest.raises(
        ValueError, match="no scene of plot on that day; near it are 2019-06-02, 2019-06-12, 2019-06-22"
    ):
        open_frames(Frames("days", (date(2019, 6, 11),)), GROUND, JUNE, SETTINGS)


def test_a_period_without_a_date_is_no_scenes(plot_session):
    with pytest.raises(NoScenes, match="no date for frames"):
        open_frames(Frames("days", (date(2019, 6, 12),)), GROUND, regions.Month(2019, 7).period, SETTINGS)


def test_words_become_frames():
    assert Frames.parse(["months"], 12) == Frames("months", most=12)
    actual = Frames.parse(["2019-06-12", "2019-06-02"], 4)
    assert actual.days == (date(2019, 6, 2), date(2019, 6, 12)) and actual.count([JUNE]) == 2
    assert Frames("months").count([JUNE, regions.Period.parse("2019-summer")]) == 3


@pytest.mark.parametrize(
    ("words", "most", "message"),
    [
        (["weeks"], 8, "expected scenes, months or days"),
        (["scenes", "2019-06-02"], 8, "expected scenes, months or days"),
        (["scenes"], 0, "--max-frames 0"),
        (["2019-06-02", "2019-06-02"], 8, "each once"),
        (["2019-06-02", "2019-06-12"], 1, "expected 1 to 1"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(words, most, message):
    with pytest.raises(ValueError, match=message):
        Frames.parse(words, most)


def test_days_outside_every_period_are_refused():
    with pytest.raises(ValueError, match=r"--frames 2019-07-02 lies in no period of the export \(2019-06\)"):
        Frames.parse(["2019-06-02", "2019-07-02"], 4).count([JUNE])


def test_more_months_than_frames_are_refused():
    with pytest.raises(ValueError, match="12 months, --max-frames 8"):
        Frames("months").count([regions.Period.parse("2019")])
