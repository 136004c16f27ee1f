"""Windows over a grid."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.gee_export.base.grid import tiles


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 8), (8, 9), (9, 17), (1, 1), (7, 3)])
def test_tiles_cover_every_pixel_once(height, width):
    covered_HW = np.zeros((height, width), int)
    for tile in tiles(height, width, 8):
        covered_HW[tile.row : tile.row + tile.height, tile.col : tile.col + tile.width] += 1
        assert tile.row + tile.height <= height and tile.col + tile.width <= width
    assert (covered_HW == 1).all()
