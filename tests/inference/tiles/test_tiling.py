"""Tiles of an area: anchored to the zone, every wanted pixel in exactly one, none without a pixel."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from isamap.gee_export.base import regions, zones
from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.outline import in_metres, inside
from isamap.gee_export.base.regions import Region
from isamap.inference.tiles.tiling import TileWindow, tile_windows
from tests.inference.tiles.conftest import wanted_HW

LEFT, TOP = 500_000, 3_400_000  # in zone 50, on its meridian


def rectangle(left: int, top: int, width: int, height: int) -> Region:
    """A region of whole pixels without an outline."""
    return Region("box", 32650, (left, top - 10 * height, left + 10 * width, top), (left, top))


def polygon(points) -> Region:
    """A region with an outline, its corners in metres of zone 50 from LEFT, TOP."""
    back = Transformer.from_crs(32650, 4326, always_xy=True)
    corners = [back.transform(LEFT + x, TOP + y) for x, y in points]
    return regions.from_outline(shapely.convex_hull(shapely.MultiPoint(corners)), name="shape")


def wanted(region: Region) -> dict[tuple[int, int], int]:
    """Pixels of a region by the metre of their upper-left corner, each counted once: the region's own mask."""
    grid = grid_of(region)
    mask = np.ones(grid.shape, bool) if region.outline is None else inside(in_metres(region), grid)
    return counted([(grid, mask)])


def counted(masks) -> dict[tuple[int, int], int]:
    numbers: dict[tuple[int, int], int] = {}
    for grid, mask in masks:
        for row, col in np.argwhere(mask):
            corner = grid.affine * (int(col), int(row))
            numbers[corner] = numbers.get(corner, 0) + 1
    return numbers


def of_tiles(windows: tuple[TileWindow, ...]) -> dict[tuple[int, int], int]:
    return counted((window.geobox, wanted_HW(window)) for window in windows)


boxes = st.builds(
    rectangle,
    st.integers(49_000, 51_000).map(lambda n: 10 * n),
    st.integers(339_000, 341_000).map(lambda n: 10 * n),
    st.integers(1, 70),
    st.integers(1, 70),
)
corners = st.lists(
    st.tuples(st.integers(-400, 400), st.integers(-400, 400)), min_size=3, max_size=7, unique=True
).filter(lambda points: shapely.convex_hull(shapely.MultiPoint(points)).area > 1)
steps = st.integers(16, 64)


@pytest.mark.long
@settings(max_examples=40)
@given(boxes, steps)
def test_each_pixel_of_a_box_is_in_exactly_one_tile(box, step_px):
    assert of_tiles(tile_windows(box, step_px=step_px)) == wanted(box)


@pytest.mark.long
@settings(max_examples=40)
@given(corners, steps)
def test_each_pixel_of_an_outline_is_in_exactly_one_tile(points, step_px):
    shape = polygon(points)
    tiles, expected = of_tiles(tile_windows(shape, step_px=step_px)), wanted(shape)
    assert set(tiles.values()) <= {1}
    line = in_metres(shape).boundary
    differing = [shapely.Point(left + 5, top - 5) for left, top in tiles.keys() ^ expected.keys()]
    assert all(line.distance(centre) < 0.003 for centre in differing)  # a tile's ground is in whole millimetres


@pytest.mark.long
@settings(max_examples=40)
@given(corners, steps)
def test_no_tile_is_without_a_pixel_and_a_full_one_has_no_ground(points, step_px):
    for window in tile_windows(polygon(points), step_px=step_px):
        assert wanted_HW(window).any()
        assert wanted_HW(window).all() == (window.ground_m is None)


@settings(max_examples=40)
@given(boxes, boxes, steps)
def test_two_areas_share_the_squares_of_their_common_ground(one, other, step_px):
    squares = [{window.bounds_m for window in tile_windows(box, step_px=step_px)} for box in (one, other)]
    for left, _, right, top in squares[0] | squares[1]:
        assert left % (10 * step_px) == 0 and top % (10 * step_px) == 0 and right - left == 10 * step_px
    left, bottom, right, top = (
        max(one.bounds_m[0], other.bounds_m[0]),
        max(one.bounds_m[1], other.bounds_m[1]),
        min(one.bounds_m[2], other.bounds_m[2]),
        min(one.bounds_m[3], other.bounds_m[3]),
    )
    if left < right and bottom < top:
        middle = (left + right) / 2, (bottom + top) / 2
        holders = [[b for b in each if b[0] <= middle[0] <= b[2] and b[1] <= middle[1] <= b[3]] for each in squares]
        assert set(holders[0]) & set(holders[1])


def test_the_squares_of_an_area_come_by_zone_and_row():
    parts = zones.of_bbox((118.9, 30.9, 121.1, 31.0), name="across")
    order = [(window.epsg, window.row, window.col) for window in tile_windows(parts, step_px=512)]
    assert order == sorted(order) and {epsg for epsg, _, _ in order} == {32650, 32651}


def holders(windows, lon, lat) -> np.ndarray:
    """In how many tiles' wanted pixels each point of ground lies."""
    count = np.zeros(len(lon), int)
    for window in windows:
        x, y = Transformer.from_crs(4326, window.epsg, always_xy=True).transform(lon, lat)
        left, _, _, top = window.bounds_m
        col, row = np.floor((x - left) / 10).astype(int), np.floor((top - y) / 10).astype(int)
        near = (row >= 0) & (row < window.step_px) & (col >= 0) & (col < window.step_px)
        count[near] += wanted_HW(window)[row[near], col[near]]
    return count


@pytest.mark.long
def test_ground_at_the_meridian_of_two_zones_is_in_one_tile():
    """Points more than a pixel from the meridian and the sides: two lattices' pixels cannot meet closer."""
    parts = zones.of_bbox((118.97, 30.9, 121.03, 30.93), name="across")
    rng = np.random.default_rng(3)
    lon, lat = rng.uniform(119.95, 120.05, 20_000), rng.uniform(30.9002, 30.9298, 20_000)
    far = np.abs(lon - 120) > 1.1e-4
    assert (holders(tile_windows(parts, step_px=256), lon, lat)[far] == 1).all()


@pytest.mark.long
def test_ground_of_two_overlapping_regions_in_two_zones_is_the_first_ones():
    """Two boxes given in one call, each on its own grid, share a strip."""
    west = regions.from_bbox((119.9, 30.9, 120.02, 30.95), epsg=32650)
    east = regions.from_bbox((119.98, 30.9, 120.1, 30.95), epsg=32651)
    rng = np.random.default_rng(4)
    lon, lat = rng.uniform(119.902, 120.098, 20_000), rng.uniform(30.902, 30.948, 20_000)
    x, _ = Transformer.from_crs(4326, 32650, always_xy=True).transform(lon, lat)
    far = np.abs(x - west.bounds_m[2]) > 15  # a pixel's diagonal: the lattices of two zones are turned to each other
    windows = tile_windows((west, east), step_px=256)
    assert (holders(windows, lon, lat)[far] == 1).all()
    shared = (lon > 119.982) & (lon < 120.018)
    assert (holders([w for w in windows if w.epsg == 32650], lon, lat)[shared] == 1).all()


def test_two_regions_of_one_zone_that_overlap_share_their_tiles():
    single, second = rectangle(LEFT, TOP, 60, 60), rectangle(LEFT + 300, TOP, 60, 60)
    windows = tile_windows((single, second), step_px=16)
    assert len({(window.row, window.col) for window in windows}) == len(windows)
    assert of_tiles(windows) == dict.fromkeys(wanted(single) | wanted(second), 1)


@pytest.mark.parametrize("step_px", [0, 15, 20_000])
def test_a_side_that_no_job_can_have_is_refused(step_px):
    with pytest.raises(ValueError, match=rf"tiles of {step_px} px a side: expected 16 to 16384"):
        tile_windows(rectangle(LEFT, TOP, 60, 60), step_px=step_px)
