"""What the world's kernels share between rows and tiles changes no number."""

from __future__ import annotations

import numpy as np
import pytest

from local_ee.world import materials as m
from local_ee.world import sun
from local_ee.world.fractions import HEIGHT, LAYERS
from local_ee.world.ground import SHADE_REACH, shade_of
from local_ee.world.noise import column_keys, hash2, next_row, point_hash, row_state, smooth, smooth_row


@pytest.mark.parametrize("length", (2.6, 6.0, 70.0))
def test_rows_that_share_their_lattice_points_are_those_drawn_alone(length):
    seed, state = np.uint64(7), row_state(200)
    out, alone = np.empty(200), np.empty(200)
    for row in (-3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 80, 81, 2):
        next_row(seed, -55, 1.0, length, row / length, state, out)
        smooth_row(seed, -55, 1.0, length, row / length, alone)
        assert (out == alone).all()
    assert out[17] == smooth(seed, (-55 + 17) / length, 2 / length)


def test_a_columns_key_gives_the_hashes_of_its_points():
    keys = column_keys(np.uint64(99), -4, 9)
    hashes = [[point_hash(np.uint64(key), row) for key in keys] for row in (-2, 0, 5)]
    assert hashes == [[hash2(np.uint64(99), column, row) for column in range(-4, 5)] for row in (-2, 0, 5)]


@pytest.mark.parametrize("month", range(1, 13))
def test_the_sun_stands_in_the_south_east(month):
    """So a tile's shadows need the tiles below and on the right only."""
    east, south, _ = sun.direction(month)
    assert east > 0
    assert south > 0


def test_a_tower_in_the_margin_shades_the_pixels_to_its_north_west():
    layers = np.zeros((LAYERS, 20 + SHADE_REACH, 20 + SHADE_REACH), np.uint8)
    layers[m.LAWN] = 100
    tower = layers[:, 22, 22]
    tower[m.LAWN], tower[m.ROOF_DARK], tower[HEIGHT] = 0, 100, 90
    shade = shade_of(layers, SHADE_REACH, np.sqrt(0.5), np.sqrt(0.5), 1.0)
    rows, cols = np.nonzero(shade)
    # 90 m at 45 degrees reach 9 pixels, along the diagonal that ends in the tower.
    assert set(zip(rows.tolist(), cols.tolist(), strict=True)) == {(k, k) for k in range(16, 20)}
    assert (shade[rows, cols] == 1).all()
