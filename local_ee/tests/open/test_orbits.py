"""Relative orbits of Sentinel-1 against products whose track is published."""

from __future__ import annotations

import pytest

from local_ee.open.orbits import relative_orbit


@pytest.mark.parametrize(
    ("platform", "absolute", "track"),
    [
        ("S1A", 30352, 5),  # ../shared/data/open/planetary-computer: sat:relative_orbit of S1A_..._030352_0378DC
        ("S1C", 1681, 110),  # scottstanie/sentineleof, a real product
        ("S1C", 8018, 147),  # its last before it was moved (scottstanie/sentineleof pull request 86)
        ("S1C", 8019, 46),  # the first after
        ("S1D", 2389, 73),  # isce-framework/s1-reader pull request 151, a real product over Croatia
    ],
)
def test_a_products_track_is_the_published_one(platform, absolute, track):
    assert relative_orbit(platform, absolute) == track


def test_a_cycle_of_175_orbits_ends_where_it_began():
    tracks = [relative_orbit("S1B", orbit) for orbit in range(1000, 1175)]
    assert sorted(tracks) == list(range(1, 176)) and relative_orbit("S1B", 1175) == tracks[0]
