"""The share of each pixel that a shape covers, for shapes of many points: shapely's own areas, in any window."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.raster.geometry import Geometry
from local_ee.raster.rasterise import _surface, covered_share

STEP_M, LEFT_M, TOP_M, SIDE_PX = 30.0, 500_010.0, 3_400_020.0, 140
CENTRE = np.array([LEFT_M, TOP_M]) + STEP_M * SIDE_PX / 2 * np.array([1, -1])


def grid(row: int = 0, col: int = 0, height: int = SIDE_PX, width: int = SIDE_PX) -> GeoBox:
    corner = LEFT_M + col * STEP_M, TOP_M - row * STEP_M
    return GeoBox((height, width), Affine(STEP_M, 0, corner[0], 0, -STEP_M, corner[1]), "EPSG:32650")


def star(seed: int, corners: int = 400) -> shapely.Polygon:
    """A jagged shape of many points with a hole, some of it outside of the grid."""
    rng = np.random.default_rng(seed)
    turns = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = 1900 * (1 + 0.3 * np.sin(3 * turns + seed) + 0.05 * rng.normal(size=corners))
    outline = shapely.Polygon(CENTRE + np.column_stack([np.cos(turns), np.sin(turns)]) * radii[:, None])
    return outline.buffer(0).difference(shapely.Point(CENTRE).buffer(500, quad_segs=64))


def shares(shape: shapely.Geometry, geobox: GeoBox) -> np.ndarray:
    return covered_share(Geometry(shape, "EPSG:32650", geodesic=False), geobox)


@pytest.mark.parametrize("seed", range(3))
def test_shares_are_shapelys_areas(seed):
    shape, (rows, cols) = star(seed), np.mgrid[:SIDE_PX, :SIDE_PX]
    left, top = LEFT_M + cols * STEP_M, TOP_M - rows * STEP_M
    expected = shapely.area(shapely.intersection(shapely.box(left, top - STEP_M, left + STEP_M, top), shape))
    np.testing.assert_allclose(shares(shape, grid()), expected / STEP_M**2, atol=2e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_window_has_the_same_bits_as_the_whole(seed):
    shape = star(seed)
    whole, part = shares(shape, grid()), shares(shape, grid(37, 51, 60, 45))
    np.testing.assert_array_equal(part, whole[37:97, 51:96])


def test_a_shape_that_only_touches_a_tile_covers_nothing_of_it():
    """A comb whose teeth end at the border of pixels, and lines and points beside polygons where parts are cut."""
    teeth = [
        (LEFT_M + STEP_M * (8 * k + side), TOP_M - STEP_M * (8 if side in (2, 4) else 16))
        for k in range(12)
        for side in (0, 2, 4, 6)
    ]
    comb = shapely.Polygon([*teeth, (teeth[-1][0], TOP_M - STEP_M * 24), (teeth[0][0], TOP_M - STEP_M * 24)])
    share = shares(comb, grid())
    assert share[16:24, 0:94].all() and not share[:8].any() and not share[24:].any()
    assert float(share.sum()) * STEP_M**2 == pytest.approx(comb.area)


def test_lines_where_shapes_only_touch_are_left_out():
    square = shapely.box(0, 0, 1, 1)
    common = shapely.GeometryCollection([square, shapely.LineString([(1, 0), (3, 0)]), shapely.Point(5, 5)])
    assert _surface(common).equals(square) and _surface(common).geom_type == "MultiPolygon"
