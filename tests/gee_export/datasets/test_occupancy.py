"""Positions of outlines of any form: those with a pixel in the outline, counted one window at a time."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isamap.gee_export.base import regions
from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.outline import inside
from isamap.gee_export.base.windows import Windows
from isamap.gee_export.datasets.occupancy import occupied
from isamap.gee_export.datasets.region_grid import RegionGrid

vertices = st.lists(st.tuples(st.floats(-0.03, 0.03), st.floats(-0.03, 0.03)), min_size=3, max_size=12)


def ground(points, hole):
    """Polygons that the points draw, however they cross, without a disc around their middle."""
    drawn = shapely.make_valid(shapely.Polygon([(114.3 + x, 30.5 + y) for x, y in points]))
    parts = [piece for piece in shapely.get_parts(drawn) if piece.geom_type == "Polygon"]
    outline = shapely.union_all(parts).difference(shapely.Point(114.3, 30.5).buffer(hole))
    return outline if outline.area > 1e-7 else shapely.box(114.3, 30.5, 114.301, 30.501)


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(points=vertices, hole=st.sampled_from([0.001, 0.01]), size=st.integers(1, 64), stride=st.integers(5, 70))
@example(points=[(-0.03, 0), (0.03, 0.0001), (0.03, 0)], hole=0.001, size=32, stride=20)  # thinner than a pixel
@example(points=[(-0.03, -0.03), (-0.03, 0.03), (0.03, 0.03), (0.03, -0.03)], hole=0.01, size=8, stride=5)
def test_positions_are_the_windows_with_a_pixel_in_the_outline(points, hole, size, stride):
    region_grid = RegionGrid.of(regions.from_outline(ground(points, hole), name="any"))
    mask = region_grid.inside(region_grid.window)
    top, left = region_grid.window.row, region_grid.window.col
    expected = [
        Window(row, col, size, size)
        for row in range(-(-top // stride) * stride, region_grid.window.row_end - size + 1, stride)
        for col in range(-(-left // stride) * stride, region_grid.window.col_end - size + 1, stride)
        if mask[row - top : row - top + size, col - left : col - left + size].any()
    ]
    assert list(region_grid.positions(size, stride)) == expected


def test_a_sliver_between_pixel_centres_holds_none():
    """4 m wide, along the edge between two rows of pixels whose centres are 10 m apart."""
    lattice = RegionGrid.of(regions.Region("any", 32650, (0, 0, 6400, 6400), (0, 6400))).lattice
    sliver = shapely.box(0, 3998, 6400, 4002)
    row = col = np.arange(0, 640, 64)
    assert not inside(
        sliver,
        RegionGrid.of(regions.Region("any", 32650, (0, 0, 6400, 6400), (0, 6400))).geobox(Window(0, 0, 640, 640)),
    ).any()
    assert not occupied(sliver, lattice, row, col, 64).any()


def test_windows_are_a_sequence_of_windows():
    windows = [Window(0, 3, 8, 8), Window(5, 1, 8, 8), Window(5, 9, 8, 8)]
    arrays = Windows.of(windows)
    assert [*arrays] == windows and arrays[1] == windows[1] and [*arrays[1:]] == windows[1:]


def test_windows_say_where_others_stand_among_them():
    windows = Windows.of([Window(row, col, 8, 8) for row in (0, 5, 9) for col in (-2, 3, 4)])
    assert windows.numbers_of(windows.taken(np.array([1, 4, 8]))).tolist() == [1, 4, 8]
