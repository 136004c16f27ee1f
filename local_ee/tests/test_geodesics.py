"""Edges of geometries in degrees are shortest paths unless they are said to be straight (guides/geometries, "Planar vs.
geodesic geometries"; apidocs ee-geometry-polygon: "geodesic ... The default is the geodesic state of the inputs, or
true if the inputs are numbers").
"""

from __future__ import annotations

import math
from itertools import pairwise

import ee
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from local_ee.raster.geodesic import bent
from local_ee.testing.evaluating import info, pixels

pytestmark = pytest.mark.usefixtures("session")

WIDE = [[-35, -10], [35, -10], [35, 10], [-35, 10]]
BULGE_DEG = math.degrees(math.atan(math.tan(math.radians(10)) / math.cos(math.radians(35))))  # on the sphere
GEOD = pyproj.Geod(ellps="WGS84")
SPHERE = pyproj.Geod(a=6_371_007.181, f=0)  # areas: see test_recorded_answers.py


def wide(*, geodesic: bool = True) -> ee.Geometry:
    return ee.Geometry.Polygon(WIDE) if geodesic else ee.Geometry.Polygon([WIDE], None, False)


def south_of_the_chord() -> ee.Geometry:
    return ee.Geometry.Point([0, -11])


@pytest.mark.parametrize("geodesic", [True, False])
def test_a_point_between_arc_and_chord(geodesic):
    assert info(wide(geodesic=geodesic).contains(south_of_the_chord())) is geodesic
    assert info(wide(geodesic=geodesic).intersects(south_of_the_chord())) is geodesic
    assert info(south_of_the_chord().containedIn(wide(geodesic=geodesic))) is geodesic


def test_bounds_reach_as_far_as_the_arc():
    (west, south), _, (east, north), *_ = info(wide().bounds().coordinates())[0]
    assert (west, east) == (-35, 35)
    assert -south == pytest.approx(BULGE_DEG, abs=0.02) and north == pytest.approx(BULGE_DEG, abs=0.02)


def test_bounds_of_straight_edges_are_those_of_the_corners():
    assert info(wide(geodesic=False).bounds().coordinates()) == [[*WIDE, WIDE[0]]]


def test_the_area_within_arcs():
    area = abs(SPHERE.polygon_area_perimeter(*zip(*WIDE, strict=True))[0])
    assert info(wide().area()) == pytest.approx(area, rel=1e-9)


def test_the_area_within_parallels():
    """Cells of a hundredth of a degree, each so small that its edges are arcs and chords alike."""
    lats = np.linspace(-10, 10, 2001)
    cells = [abs(SPHERE.polygon_area_perimeter([0, 0.01, 0.01, 0], [a, a, b, b])[0]) for a, b in pairwise(lats)]
    assert info(wide(geodesic=False).area()) == pytest.approx(sum(cells) * 7000, rel=1e-5)


def test_an_arc_is_shorter_than_its_parallel():
    points = [[-35, 50], [35, 50]]
    arc, chord = (info(ee.Geometry.LineString(points, None, g).length()) for g in (True, False))
    assert arc == pytest.approx(GEOD.inv(-35, 50, 35, 50)[2], rel=1.2e-5)  # Andoyer: of the first order in flattening
    assert chord == pytest.approx(math.radians(70) * 6378137 * math.cos(math.radians(50)), rel=3e-3)


@pytest.mark.parametrize("geodesic", [True, False])
def test_pixels_between_arc_and_chord(geodesic):
    grid = GeoBox.from_bbox((-0.02, -11.02, 0.02, -10.98), "EPSG:4326", resolution=0.01)
    shown = pixels(ee.Image(1).clip(wide(geodesic=geodesic)), grid=grid)
    assert bool(shown.mask.all()) is not geodesic


def test_an_intersection_of_arcs_holds_what_lies_between_arc_and_chord():
    west = ee.Geometry.Rectangle([-20, -30, 20, 30], None, False)
    assert info(wide().intersection(west).contains(south_of_the_chord()))


def test_short_edges_keep_their_points():
    small = [[114.3, 30.5], [114.35, 30.5], [114.35, 30.55], [114.3, 30.55]]
    found = info(ee.Geometry.Polygon(small).intersection(ee.Geometry.Polygon(small)))
    assert {tuple(point) for point in found["coordinates"][0]} == {tuple(point) for point in small}


def test_an_edge_across_the_antimeridian_stays_on_its_side():
    lon = shapely.get_coordinates(bent(shapely.LineString([(170, 40), (190, 40)])))[:, 0]
    assert (np.diff(lon) > 0).all() and lon[0] == 170 and lon[-1] == 190


def test_the_whole_globe_stays_a_box():
    box = shapely.box(-180, -90, 180, 90)
    assert bent(box).equals(box)


@settings(max_examples=60, deadline=None)
@given(*[st.floats(-170, 0), st.floats(-80, 80), st.floats(1, 170), st.floats(-80, 80)])
def test_pieces_lie_on_the_shortest_path(west, south, width, north):
    """At the middle of every piece the way over that point is no longer than the arc by more than a small detour."""
    east = west + min(width, 179)
    _, _, length = GEOD.inv(west, south, east, north)
    chain = shapely.get_coordinates(bent(shapely.LineString([(west, south), (east, north)])))
    middle = (chain[:-1] + chain[1:]) / 2
    ones = np.ones(len(middle))
    _, _, before = GEOD.inv(west * ones, south * ones, middle[:, 0], middle[:, 1])
    _, _, after = GEOD.inv(middle[:, 0], middle[:, 1], east * ones, north * ones)
    assert (before + after - length).max() < 1e-3 * length
