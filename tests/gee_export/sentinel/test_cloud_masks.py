"""Cloud masks against the world's own clouds: one day of broken cloud over fields, seen by two tiles."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks.clouds import counts_of
from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.regions import Period, from_bbox
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel.sentinel2 import Optical, sensed

PLACE, DAY = (113.90, 30.20, 113.925, 30.222), "2019-05-25..2019-05-25"
MASKS = {
    "cloud_score_plus": Optical(),
    "s2cloudless": Optical(clouds="s2cloudless", dark_nir=0.2),
    "qa60": Optical(clouds="qa60"),
}


@pytest.fixture(scope="module")
def shares(session) -> dict[str, np.ndarray]:
    """By mask: the share of cloud missed, of shadow missed, of clear ground taken."""
    tallies = sum(counts_of(from_bbox(PLACE), Period.parse(DAY), list(MASKS.values())))
    assert (tallies[:, ::2] > 10_000).all(), "a place and day with cloud, shadow and clear ground"
    return dict(zip(MASKS, tallies[:, 1::2] / tallies[:, ::2], strict=True))


@pytest.mark.long
def test_shadows_are_projected_away_from_the_sun(shares):
    """By the scene's azimuth: projected the other way, all of this day's shadows are missed (as by QA60)."""
    cloud, shadow, clear = shares["s2cloudless"]
    assert shadow < 0.25 and cloud < 0.25 and clear < 0.05
    assert shares["qa60"][1] == 1


def test_cloud_score_plus_finds_clouds_and_most_shadows(shares):
    cloud, shadow, _ = shares["cloud_score_plus"]
    assert cloud < 0.05 and shadow < 0.25


@pytest.mark.long
@pytest.mark.parametrize("mask", ["cloud_score_plus", "s2cloudless", "scl", "qa60"])
def test_clear_ground_is_where_something_was_counted(session, mask):
    optical = Optical(clouds=mask)
    seen = sensed(PLACE, Period.parse(DAY), optical)
    grid = grid_of(from_bbox(PLACE))
    notices = pixels.fetch(seen.clear.rename("clear"), grid, ["clear"]).values_BHW[0] > 0
    counted = pixels.fetch(seen.count, grid, ["s2_count"]).values_BHW[0] > 0
    assert 0.1 < counted.mean() < 0.999
    if optical.mask.rough is None:
        np.testing.assert_array_equal(notices, counted)
    else:  # shadows and specks of cloud are left to the mask itself
        assert (notices == counted).mean() > 0.85 and notices.mean() > counted.mean()


@pytest.mark.parametrize("mask", ["cloud_score_plus", "s2cloudless", "scl", "qa60"])
def test_clear_ground_is_told_without_looking_at_the_ground(session, mask):
    """No reflectance band is named in the request, of which one would be read at every pixel."""
    optical = Optical(clouds=mask)
    text = sensed(PLACE, Period.parse(DAY), optical).clear.serialize()
    assert not re.findall(r'"B\d+A?"', text)


def test_without_a_mask_nothing_is_told_of_clear_ground(session):
    assert sensed(PLACE, Period.parse(DAY), Optical(clouds="none")).clear is None
