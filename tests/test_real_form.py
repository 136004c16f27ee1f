"""Figures of the form of ground: components, 10-m majorities and repeated calls, on windows counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import real_form
from benchmarks.real_form import PAVED, ROOF, WINDOW_PX


def window(fill: int) -> np.ndarray:
    return np.full((WINDOW_PX, WINDOW_PX), fill, np.uint8)


def test_components_that_the_edge_cuts_are_left_out():
    ground = np.zeros((40, 40), bool)
    ground[:5, :5] = ground[10:15, 10:20] = ground[30, 30] = True
    ground[31, 31] = True  # joined by a corner alone
    assert sorted(real_form.component_sizes(ground)) == [1, 1, 50]


def test_a_perfect_10_m_map_misses_what_fills_less_than_half():
    """A pixel of 40 roofed m2 is missed, one of 70 paved m2 is called: 70 hits, 30 false, 40 missed."""
    ground = window(3)
    ground[:4, :10], ground[20:27, 20:30] = ROOF, PAVED
    figures = real_form.form([ground, ground])
    assert figures["f1_of_a_perfect_10_m_map"]["value"] == pytest.approx(140 / (140 + 30 + 40), abs=1e-4)
    assert figures["pure_pixels_of_10_m"]["value"] == pytest.approx(1 - 2 / 3600, abs=1e-4)


def test_pervious_components_beside_unknown_ground_do_not_count():
    ground = window(ROOF)
    ground[100:105, 100:105] = ground[200:210, 200:210] = ground[300:302, 300:302] = 4
    ground[303, 300:302] = 0
    ground[302, 300:302] = 4
    assert real_form.form([ground, ground])["pervious_components_below_50_m2"]["value"] == 0.5


def test_a_call_is_repeated_where_the_next_month_says_the_same(tmp_path):
    """Two points: built in months 1, 2 and 3 of 3, and in month 1 alone: two of three calls are repeated."""
    folder = tmp_path / "presto_points"
    folder.mkdir()
    np.save(folder / "fuel_moisture_dynamic_world.npy", np.array([[6, 6, 6], [6, 1, 1]], np.uint8))
    np.save(folder / "fuel_moisture_latlon.npy", np.array([[40.5, -100.5], [41.5, -100.5]]))
    np.save(folder / "fuel_moisture_s1_s2_era5_srtm.npy", np.ones((2, 3, 18)))
    figures = real_form.dynamic_world(tmp_path, "fuel_moisture")
    assert figures["built_again_in_the_next_month"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert (figures["ever_built"], figures["built_in_every_month"], figures["mostly_built"]) == (2, 1, 1)
