"""Placeholder pixels: sums of waves, evaluated by blocks."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from local_ee.world.waves import blocks_of

WAVES = np.array([[0.2, 0.3, -0.1, 1.0], [0.1, 40.0, 25.0, 2.0], [0.05, -300.0, 520.0, 0.5]])
DEGREES = GeoBox((90, 130), Affine(0.001, 0, -10, 0, -0.001, 0.04), "EPSG:4326")  # across the equator
ZONE = GeoBox((150, 200), Affine(30, 0, 500_015, 0, -30, 4_000_005), "EPSG:32610")
COARSE = GeoBox((12, 15), Affine(3840, 0, 500_015, 0, -3840, 4_000_005), "EPSG:32610")


def one_by_one(window: GeoBox) -> np.ndarray:
    """The waves with a cosine for each pixel."""
    columns, rows = np.meshgrid(np.arange(window.shape[1]) + 0.5, np.arange(window.shape[0]) + 0.5)
    x, y = window.affine * (columns, rows)
    lon, lat = Transformer.from_crs(str(window.crs), "EPSG:4326", always_xy=True).transform(x, y)
    total = 0.5 + 0.1 * np.sign(lat)
    for size, east, north, phase in WAVES:
        total += size * np.cos(east * lon + north * lat + phase)
    return np.clip(total, 0, 1)


@pytest.mark.parametrize("window", [DEGREES, ZONE, COARSE])
def test_blocks_are_the_waves_at_each_pixel(window):
    np.testing.assert_allclose(blocks_of(window).shares(WAVES, 0.5, 0.1), one_by_one(window), atol=2e-4)


def test_a_pixel_is_the_same_in_any_window():
    every, some = (blocks_of(window).shares(WAVES, 0.5, 0.1) for window in (ZONE, ZONE[37:120, 11:190]))
    np.testing.assert_array_equal(some, every[37:120, 11:190])


def test_values_stay_between_zero_and_one():
    shares = blocks_of(DEGREES).shares(WAVES * [9, 1, 1, 1], 0.5, 0.1)
    assert (shares.min(), shares.max()) == (0, 1)
