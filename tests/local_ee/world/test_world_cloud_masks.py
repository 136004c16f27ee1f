"""Cloud masks against the world's own clouds: one day of broken cloud over fields, seen by two tiles."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.clouds import counts_of
from gee_export.base.regions import Period, from_bbox
from gee_export.sentinel.sentinel2 import Optical

PLACE, DAY = (113.90, 30.20, 113.925, 30.222), "2019-05-25..2019-05-25"
MASKS = {
    "cloud_score_plus": Optical(),
    "strict": Optical(clear=0.65),
    "s2cloudless": Optical(clouds="s2cloudless", dark_nir=0.2),
    "qa60": Optical(clouds="qa60"),
}


@pytest.fixture(scope="module")
def shares(session) -> dict[str, np.ndarray]:
    """By mask: the share of cloud missed, of shadow missed, of clear ground taken."""
    tallies = sum(counts_of(from_bbox(PLACE), Period.parse(DAY), list(MASKS.values())))
    assert (tallies[:, ::2] > 10_000).all(), "a place and day with cloud, shadow and clear ground"
    return dict(zip(MASKS, tallies[:, 1::2] / tallies[:, ::2], strict=True))


def test_shadows_are_projected_away_from_the_sun(shares):
    """By the scene's azimuth: projected the other way, all of this day's shadows are missed (as by QA60)."""
    cloud, shadow, clear = shares["s2cloudless"]
    assert shadow < 0.25 and cloud < 0.25 and clear < 0.05
    assert shares["qa60"][1] == 1


def test_cloud_score_plus_finds_clouds_and_most_shadows(shares):
    cloud, shadow, _ = shares["cloud_score_plus"]
    assert cloud < 0.05 and shadow < 0.25


def test_a_higher_threshold_hides_more_shadow_and_more_clear_ground(shares):
    loose, strict = shares["cloud_score_plus"], shares["strict"]
    assert strict[1] < loose[1] and strict[2] > loose[2]
