"""The patches of a part of a region."""

from __future__ import annotations

import pytest

from isamap.gee_export.base.grid import Window, crop, grid_of
from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets.region_grid import RegionGrid

REGION = Region("plot", 32650, (500_000, 3_400_000, 504_000, 3_404_000), (500_000, 3_404_000))


@pytest.mark.parametrize(("row", "col"), [(0, 0), (80, 160), (1, 79), (81, 159)])
def test_a_part_has_the_patches_of_the_whole_that_lie_in_it(row, col):
    """None begins before it, none ends beyond it, and none of the lattice's is missing."""
    window = Window(row, col, 300, 260)
    windows = RegionGrid(REGION, crop(grid_of(REGION), Window(0, 0, 1, 1)), window).positions(128, 80)
    expected = [
        (top, left)
        for top in range(0, 400, 80)
        for left in range(0, 480, 80)
        if window.row <= top and top + 128 <= window.row_end and window.col <= left and left + 128 <= window.col_end
    ]
    assert list(zip(windows.row.tolist(), windows.col.tolist(), strict=True)) == expected
