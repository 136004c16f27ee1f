"""Lines cut, grids of cells, nearest points (apidocs ee-geometry-cutlines, -coveringgrid, -closestpoint)."""

from __future__ import annotations

import math

import ee
import numpy as np
import pyproj
import pytest
import shapely
from shapely.geometry import shape

from local_ee.errors import EngineError
from local_ee.testing.evaluating import CLIENT, info, value

pytestmark = CLIENT

GEOD = pyproj.Geod(ellps="WGS84")
LINE = [[-122.09, 37.42], [-122.08, 37.43]]  # the sample of apidocs ee-geometry-linestring-cutlines


def pieces(geometry: ee.Geometry) -> list[list]:
    found = info(geometry)
    assert found["type"] == "MultiLineString"
    return found["coordinates"]


def lengths_m(lines: list[list]) -> list[float]:
    return [GEOD.line_length(*np.array(line).T) for line in lines]


def test_a_line_is_cut_at_the_distances():
    found = pieces(ee.Geometry.LineString(LINE).cutLines([10, 100], 1))
    whole = GEOD.line_length(*np.array(LINE).T)
    np.testing.assert_allclose(lengths_m(found), [10, 90, whole - 100], atol=1e-3)
    assert found[0][0] == LINE[0] and found[-1][-1] == LINE[1] and found[0][-1] == found[1][0]


def test_corners_stay_in_the_pieces():
    bent = [[10, 50], [10.001, 50], [10.001, 50.001]]
    east = GEOD.line_length([10, 10.001], [50, 50])
    found = pieces(ee.Geometry.LineString(bent).cutLines([east / 2, east + 20]))
    assert [len(piece) for piece in found] == [2, 3, 2] and found[1][1] == bent[1]


def test_distances_in_units_of_a_projection():
    metric = ee.Projection("EPSG:32650")
    line = ee.Geometry.LineString([[300000, 3400000], [300300, 3400400]], metric, False)
    found = pieces(line.cutLines([250], 1, metric))
    np.testing.assert_allclose(found, [[[300000, 3400000], [300150, 3400200]], [[300150, 3400200], [300300, 3400400]]])


def test_distances_beyond_the_end_cut_nothing():
    assert len(pieces(ee.Geometry.LineString(LINE).cutLines([1e6]))) == 1


def test_every_line_is_cut_from_its_own_start():
    lines = ee.Geometry.MultiLineString([LINE, [[0, 0], [0, 0.01]]])
    assert [round(length) for length in lengths_m(pieces(lines.cutLines([100])))[::2]] == [100, 100]


def test_areas_have_no_lines_to_cut():
    assert pieces(ee.Geometry.Rectangle([0, 0, 1, 1]).cutLines([10])) == []


def test_a_features_lines_are_cut():
    found = info(ee.Feature(ee.Geometry.LineString(LINE), {"a": 1}).cutLines([10]))
    assert found["properties"] == {"a": 1} and len(found["geometry"]["coordinates"]) == 2


def cells(geometry: ee.Geometry, *options) -> dict[str, shapely.Geometry]:
    return {f["id"]: shape(f["geometry"]) for f in info(geometry.coveringGrid(*options))["features"]}


def test_the_cells_of_a_grid_that_an_area_reaches_into():
    area = shapely.Polygon([(0.2, 0.3), (3.4, 0.6), (1.1, 2.7)])
    found = cells(ee.Geometry(shapely.geometry.mapping(area), "EPSG:4326", False), "EPSG:4326")
    expected = {
        f"{col},{row}": shapely.box(col, row, col + 1, row + 1)
        for col in range(5)
        for row in range(4)
        if shapely.box(col, row, col + 1, row + 1).intersects(area)
    }
    assert found.keys() == expected.keys() and all(found[key].equals(expected[key]) for key in expected)


def test_cells_that_an_area_only_touches_are_left_out():
    assert set(cells(ee.Geometry.Rectangle([0, 0, 2, 1], None, False), "EPSG:4326")) == {"0,0", "1,0"}


def test_the_scale_makes_the_cells():
    """Cells of 100 m in UTM over a box of 250 x 150 m whose corner is on the grid."""
    place = ee.Geometry.Rectangle([300000, 3400000, 300250, 3400150], "EPSG:32650", False)
    found = cells(place, ee.Projection("EPSG:32650"), 100)
    assert len(found) == 6 and {round(cell.area) for cell in found.values()} == {10_000}
    assert shapely.unary_union(list(found.values())).bounds == (300000, 3400000, 300300, 3400200)


def test_points_and_lines_reach_into_cells():
    assert set(cells(ee.Geometry.Point([5.5, -3.5]), "EPSG:4326")) == {"5,-4"}
    assert len(cells(ee.Geometry.LineString([[0.5, 0.5], [2.5, 0.5]], None, False), "EPSG:4326")) == 3


def test_a_grid_of_too_many_cells_is_refused():
    with pytest.raises(EngineError, match="too large"):
        value(ee.Geometry.Rectangle([0, 0, 40, 40]).coveringGrid("EPSG:3857", 10))
    with pytest.raises(EngineError, match="scale must be positive"):
        value(ee.Geometry.Rectangle([0, 0, 1, 1]).coveringGrid("EPSG:3857", -1))


def square() -> ee.Geometry:
    return ee.Geometry.Rectangle([10, 45, 10.01, 45.01], None, False)


def test_the_nearest_point_lies_on_the_right_geometry():
    found = info(ee.Geometry.Point([10.02, 45.005]).closestPoint(square(), 1))
    assert found["type"] == "Point" and found["coordinates"] == pytest.approx([10.01, 45.005], abs=1e-6)


def test_the_nearest_points_of_both():
    found = info(ee.Feature(square()).closestPoints(ee.Feature(ee.Geometry.Point([10.02, 45.02])), 1))
    assert found["left"]["coordinates"] == pytest.approx([10.01, 45.01], abs=1e-6)
    assert found["right"]["coordinates"] == pytest.approx([10.02, 45.02])


def test_nothing_is_near_to_nothing():
    empty = ee.Geometry.MultiPoint([])
    assert info(square().closestPoint(empty, 1)) is None and info(square().closestPoints(empty, 1)) == {}


def test_within_a_distance():
    """0.01 degrees of longitude at 45 N are 788 m on the ellipsoid, 786 on the sphere."""
    point = ee.Geometry.Point([10.02, 45.005])
    away = math.cos(math.radians(45.005)) * math.radians(0.01) * 6371008.8
    assert info(point.withinDistance(square(), away + 1, 1)) and not info(point.withinDistance(square(), away - 1, 1))
    assert info(ee.Feature(point).withinDistance(ee.Feature(square()), away + 1, 1))


def test_the_distance_of_features():
    assert info(ee.Feature(square()).distance(ee.Feature(ee.Geometry.Point([10.02, 45.005])), 1)) == pytest.approx(
        GEOD.inv(10.01, 45.005, 10.02, 45.005)[2], rel=1e-4
    )


def test_a_features_geometry_is_simplified():
    line = [[0, 0], [0.001, 0.000001], [0.002, 0]]
    found = info(ee.Feature(ee.Geometry.LineString(line), {"a": 1}).simplify(10))
    np.testing.assert_allclose(found["geometry"]["coordinates"], [[0, 0], [0.002, 0]], atol=1e-9)
    assert found["properties"] == {"a": 1}


A, B, C = ([0, 0], [2, 0], [2, 2])


@pytest.mark.parametrize(
    ("geometry", "coordinates"),
    [
        (lambda: ee.Geometry.LineString([ee.Geometry.Point(A), ee.Geometry.Point(B)]), [A, B]),
        (lambda: ee.Geometry.MultiPoint([ee.Geometry.Point(A), ee.Geometry.Point(B)]), [A, B]),
        (lambda: ee.Geometry.LinearRing([ee.Geometry.Point(each) for each in (A, B, C)]), [A, B, C, A]),
        (lambda: ee.Geometry.Polygon([ee.Geometry.LinearRing([A, B, C, A])]), [[A, B, C, A]]),
        (lambda: ee.Geometry.MultiLineString([ee.Geometry.LineString([A, B])]), [[A, B]]),
    ],
    ids=["line", "points", "ring", "polygon", "lines"],
)
def test_geometries_stand_for_their_coordinates(geometry, coordinates):
    """apidocs ee-geometry-linestring: "a list of at least two ee.Geometry objects describing a point"; its kin too."""
    assert info(ee.Geometry(geometry()).coordinates()) == coordinates


def test_an_area_is_no_point_of_a_line():
    area = ee.Geometry.BBox(0, 0, 1, 1)
    with pytest.raises(EngineError, match="a Polygon stands where a point or a line is expected"):
        info(ee.Geometry.LineString([area, area]))


def test_areas_that_become_one_are_a_multi_polygon():
    """geetools' test of toPolygons reads the parts of every area that it made so."""
    touching = ee.Geometry.MultiPolygon([ee.Geometry.BBox(0, 0, 1, 1), ee.Geometry.BBox(1, 0, 2, 1)])
    assert info(touching)["type"] == "MultiPolygon" and len(info(touching)["coordinates"]) == 1
