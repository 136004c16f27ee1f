"""Image.cumulativeCost (guides/image_cumulative_cost), against networkx's shortest paths and hand examples."""

from __future__ import annotations

import ee
import networkx
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.testing.evaluating import pixels
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(18, 20)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint16", 10), "y": ("uint16", 10)}, seed=3, hidden=2),))
FAR_M = 400


def cost() -> ee.Image:
    return ee.Image("C/a").select("x").mod(5).toByte()


def origins() -> ee.Image:
    return ee.Image("C/a").select("y").mod(40).eq(0).selfMask()


def expected(catalog: Scenes = CATALOG) -> np.ndarray:
    """By networkx: nodes are passable pixels, an edge costs the mean of its ends times its length in metres."""
    price, starts = pixels(cost(), catalog, GRID), pixels(origins(), catalog, GRID)
    graph = networkx.Graph()
    for row, col in np.argwhere(~np.ma.getmaskarray(price)):
        graph.add_node((row, col))
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            other = row + down, col + right
            if 0 <= other[0] < 18 and 0 <= other[1] < 20 and price[other] is not np.ma.masked:
                length = 10 * np.hypot(down, right)
                graph.add_edge((row, col), other, weight=(float(price[row, col]) + float(price[other])) / 2 * length)
    sources = {tuple(spot) for spot in np.argwhere(~np.ma.getmaskarray(starts))} & set(graph)
    assert len(sources) > 2
    totals = networkx.multi_source_dijkstra_path_length(graph, sources)
    result = np.full(GRID.shape, np.nan)
    for spot, total in totals.items():
        result[spot] = total
    return result


def test_costs_are_those_of_the_cheapest_paths():
    found = pixels(cost().cumulativeCost(origins(), FAR_M, False), CATALOG, GRID)
    np.testing.assert_array_equal(np.ma.getmaskarray(found), np.isnan(expected()))
    np.testing.assert_allclose(found.compressed(), expected()[~np.isnan(expected())])
    assert (found == 0).sum() > 3  # sources, and pixels that cost nothing beside them


def test_a_detour_around_a_wall():
    """A masked wall across a corridor of cost 2 per metre, with a gap in row 5: the path goes through the gap."""
    corner = ee.Projection("EPSG:32650", [10, 0, GRID.affine.c, 0, -10, GRID.affine.f])
    place = ee.Image.pixelCoordinates(corner).floor()
    open_ground = place.select("x").neq(3).Or(place.select("y").eq(5)).And(place.gte(0).reduce("min"))
    ground = ee.Image(2).updateMask(open_ground.And(place.select("y").lt(6)).And(place.select("x").lt(8)))
    start = place.select("x").eq(0).And(place.select("y").eq(0))
    found = pixels(ground.cumulativeCost(start, 500, False), CATALOG, GRID)
    diagonal = 10 * np.sqrt(2)
    through = 2 * (3 * diagonal + 2 * 10)  # to (row 5, column 3): three diagonal steps and two down
    assert found[5, 3] == pytest.approx(through) and found[0, 6] == pytest.approx(through + 2 * (3 * diagonal + 2 * 10))


def test_distances_on_the_sphere_are_shorter_away_from_the_equator():
    """Steps of 0.001 degrees at 60 N: 111.319 m x cos(60) to the east on a sphere of 6,378,137 m."""
    grid = GeoBox((1, 3), Affine(0.001, 0, 10, 0, -0.001, 60.0005), "EPSG:4326")
    start = ee.Image.pixelLonLat().select("longitude").lt(10.001)
    sphere = pixels(ee.Image(1).cumulativeCost(start, 1000, True), CATALOG, grid)
    plane = pixels(ee.Image(1).cumulativeCost(start, 1000, False), CATALOG, grid)
    assert sphere[0, 1] == pytest.approx(6378137 * np.radians(0.001) * 0.5, rel=1e-4)
    assert plane[0, 1] == pytest.approx(6378137 * np.radians(0.001), rel=1e-4)


def test_what_is_too_far_is_masked():
    start = ee.Image.pixelCoordinates(ee.Projection("EPSG:32650")).select("x").lt(GRID.affine.c + 10)
    found = pixels(ee.Image(1).cumulativeCost(start, 35, False), CATALOG, GRID)
    assert np.ma.getmaskarray(found)[7].tolist() == [False] * 4 + [True] * 16


def test_a_pixel_does_not_depend_on_the_window():
    """The window lies across the corner of blocks: rows and columns are counted from the grid's origin."""
    asked = cost().cumulativeCost(origins(), FAR_M)
    whole = pixels(asked, CATALOG, GRID)
    part = pixels(asked, CATALOG, GeoBox((5, 4), GRID.affine * Affine.translation(6, 3), GRID.crs))
    np.testing.assert_allclose(part.filled(-1), whole[3:8, 6:10].filled(-1), rtol=1e-12)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: ee.Image("C/a").cumulativeCost(origins(), 100), "one cost band"),
        (lambda: cost().cumulativeCost(origins(), 1e6), "spans 100000 pixels"),
        (lambda: cost().cumulativeCost(origins(), 0), "must be positive"),
        (lambda: cost().subtract(3).cumulativeCost(origins(), 100), "must not be negative"),
    ],
)
def test_what_cannot_be_computed_is_refused(graph, words):
    with pytest.raises(EngineError, match=words):
        pixels(graph(), CATALOG, GRID)
