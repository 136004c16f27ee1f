"""Shadows and basins of the terrain (apidocs ee-terrain-hillshadow, ee-terrain-fillminima), against plain searches."""

from __future__ import annotations

import heapq
import math

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from tests.local_ee.support.evaluating import info, pixels
from tests.local_ee.support.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(16, 18)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint16", 10)}, seed=3, hidden=1),))


def heights() -> ee.Image:
    return ee.Image("C/a").mod(90).toInt()


def array() -> np.ma.MaskedArray:
    return pixels(heights(), CATALOG, GRID)


def test_a_pixel_is_in_shadow_behind_a_rise():
    """Towards the south-west a ray climbs 10 m x sqrt(2) / tan(60) a step; along the diagonal every pixel is asked."""
    ground = array().filled(-(10**6))
    found = pixels(ee.Terrain.hillShadow(heights(), 225, 60, 6), CATALOG, GRID)
    climb = 10 * math.sqrt(2) / math.tan(math.radians(60))
    for row, col in np.ndindex(9, 18):
        behind = [(row + i, col - i) for i in range(1, 5) if row + i < 16 and col - i >= 0]
        hidden = any(ground[spot] > ground[row, col] + climb * (i + 1) for i, spot in enumerate(behind))
        if found[row, col] is not np.ma.masked:
            assert found[row, col] == (0 if hidden else 1)
    assert 0.1 < found.mean() < 0.9 and info(ee.Terrain.hillShadow(heights(), 225, 60).bandNames(), CATALOG) == [
        "shadow"
    ]


def test_under_a_light_in_the_zenith_nothing_is_hidden():
    found = pixels(ee.Algorithms.HillShadow(heights(), 0, 0, 5), CATALOG, GRID)
    assert (found.compressed() == 1).all()


def flooded(ground: np.ma.MaskedArray) -> np.ndarray:
    """R. Barnes's priority flood: from masked pixels and the rim inwards, always at the lowest place."""
    levels, seen, queue = ground.filled(0).astype(int), np.ma.getmaskarray(ground).copy(), []
    for row, col in np.ndindex(*ground.shape):
        near = [(row + i, col + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        on_rim = any(not (0 <= r < 16 and 0 <= c < 18) or ground[r, c] is np.ma.masked for r, c in near)
        if not seen[row, col] and on_rim:
            heapq.heappush(queue, (levels[row, col], row, col))
    for _, row, col in queue:
        seen[row, col] = True
    while queue:
        level, row, col = heapq.heappop(queue)
        for r, c in [(row + i, col + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]:
            if 0 <= r < 16 and 0 <= c < 18 and not seen[r, c]:
                seen[r, c], levels[r, c] = True, max(levels[r, c], level)
                heapq.heappush(queue, (levels[r, c], r, c))
    return levels


def test_basins_are_filled_to_where_they_drain():
    found, expected = pixels(ee.Terrain.fillMinima(heights()), CATALOG, GRID), flooded(array())
    hidden = np.ma.getmaskarray(found)
    np.testing.assert_array_equal(hidden, np.ma.getmaskarray(array()))
    np.testing.assert_array_equal(found[~hidden], expected[~hidden])
    assert (expected > array().filled(10**6)).sum() > 5


def test_a_border_value_fills_to_it():
    found = pixels(ee.Terrain.fillMinima(heights(), 200), CATALOG, GRID)
    assert (found.compressed() == 200).all()


def test_the_terrain_has_its_products():
    assert info(ee.Algorithms.Terrain(heights()).bandNames(), CATALOG) == ["x", "slope", "aspect", "hillshade"]


@pytest.mark.parametrize("name", ["shadow", "fill"])
def test_a_pixel_does_not_depend_on_the_window(name):
    asked = ee.Terrain.hillShadow(heights(), 200, 50, 7) if name == "shadow" else ee.Terrain.fillMinima(heights())
    whole = pixels(asked, CATALOG, GRID)
    part = pixels(asked, CATALOG, GeoBox((5, 4), GRID.affine * Affine.translation(6, 3), GRID.crs))
    np.testing.assert_array_equal(part.filled(99), whole[3:8, 6:10].filled(99))


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: ee.Terrain.hillShadow(heights(), 10, 95), "zenith must be within"),
        (lambda: ee.Terrain.hillShadow(heights(), 10, 45, 5, True), "no hysteresis"),
        (lambda: ee.Terrain.hillShadow(heights(), 10, 45, 5000), "0 to 1024 pixels"),
        (lambda: ee.Terrain.fillMinima(heights().toFloat()), "Only integer types"),
    ],
)
def test_what_cannot_be_computed_is_refused(graph, words):
    with pytest.raises(EngineError, match=words):
        pixels(graph(), CATALOG, GRID)
