"""Superpixels (ee.Algorithms.Image.Segmentation), against the published algorithm written plainly."""

from __future__ import annotations

import heapq
from itertools import pairwise

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(18, 20)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint16", 10), "y": ("uint16", 10)}, seed=3, hidden=1),))
SIZE = 5


def snic(**options) -> ee.Image:
    return ee.Algorithms.Image.Segmentation.SNIC(ee.Image("C/a"), **({"size": SIZE} | options))


def seeds_at() -> list[tuple[int, int]]:
    """Pixels in the middle of cells of 5 x 5 from the origin of the projection: x = 0, y = 0."""
    row, col = round(GRID.affine.f / GRID.affine.e), round(GRID.affine.c / GRID.affine.a)
    return [(r, c) for r, c in np.ndindex(*GRID.shape) if (r + row) % SIZE == 2 and (c + col) % SIZE == 2]


def reference(compactness: float, connectivity: int) -> np.ndarray:
    """Algorithm 1 of Achanta and Suesstrunk (2017) with lists and dictionaries; labels 0 where there is none."""
    bands = [pixels(ee.Image("C/a"), CATALOG, GRID, band=i) for i in range(2)]
    hidden = np.ma.getmaskarray(bands[0]) | np.ma.getmaskarray(bands[1])
    colours = np.dstack([band.filled(0) for band in bands]).astype(float)
    near = [(0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, -1), (-1, 1)][:connectivity]
    labels, members = np.zeros(GRID.shape, int), {}
    queue = [(0.0, i, spot, i + 1) for i, spot in enumerate(seeds_at()) if not hidden[spot]]
    turn = len(queue)
    while queue:
        _, _, spot, label = heapq.heappop(queue)
        if labels[spot]:
            continue
        labels[spot] = label
        members.setdefault(label, []).append(spot)
        place = np.mean(members[label], axis=0)
        colour = np.mean([colours[member] for member in members[label]], axis=0)
        for step in near:
            other = spot[0] + step[0], spot[1] + step[1]
            inside = 0 <= other[0] < GRID.shape[0] and 0 <= other[1] < GRID.shape[1]
            if inside and not labels[other] and not hidden[other]:
                away = ((colours[other] - colour) ** 2).sum()
                away += compactness**2 * ((np.array(other) - place) ** 2).sum() / SIZE**2
                heapq.heappush(queue, (away, turn, other, label))
                turn += 1
    return labels


@pytest.mark.parametrize(("compactness", "connectivity"), [(0, 8), (900, 8), (900, 4)])
def test_clusters_are_those_of_the_paper(compactness, connectivity):
    found = pixels(snic(compactness=compactness, connectivity=connectivity).select("clusters"), CATALOG, GRID)
    expected = reference(compactness, connectivity)
    np.testing.assert_array_equal(~np.ma.getmaskarray(found), expected > 0)
    pairs = {(int(a), int(b)) for a, b in zip(found.compressed(), expected[expected > 0], strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) > 8


def test_bands_are_averaged_over_clusters():
    image = snic(compactness=300)
    assert info(image.bandNames(), CATALOG) == ["clusters", "seeds", "x_mean", "y_mean"]
    labels, means = pixels(image, CATALOG, GRID), pixels(image, CATALOG, GRID, band=3)
    values = pixels(ee.Image("C/a"), CATALOG, GRID, band=1)
    for label in np.unique(labels.compressed()):
        members = (labels == label).filled(False)
        np.testing.assert_allclose(means[members], values[members].mean())


def test_seeds_lie_on_a_grid():
    shown = ~np.ma.getmaskarray(pixels(ee.Algorithms.Image.Segmentation.seedGrid(SIZE), CATALOG, GRID))
    assert [tuple(spot) for spot in np.argwhere(shown)] == seeds_at()


def test_rows_of_a_hexagonal_grid_are_moved():
    shown = ~np.ma.getmaskarray(pixels(ee.Algorithms.Image.Segmentation.seedGrid(4, "hex"), CATALOG, GRID))
    rows = [np.flatnonzero(row) for row in shown if row.any()]
    assert all(abs(int(a[0]) - int(b[0])) == 2 for a, b in pairwise(rows))


def test_seeds_may_be_given():
    """Two seeds, on both sides of a step of 1000: two clusters, the sides."""
    column = ee.Image.pixelCoordinates(ee.Projection("EPSG:32650").atScale(10)).select("x").floor()
    step = column.gt(GRID.affine.c / 10 + 9).multiply(1000)
    planted = column.eq(GRID.affine.c / 10 + 4).Or(column.eq(GRID.affine.c / 10 + 15)).selfMask()
    clipped = step.updateMask(ee.Image("C/a").select("x").mask().gte(0)).clip(
        ee.Geometry.Rectangle(list(GRID.extent.boundingbox), "EPSG:32650", False)
    )
    image = ee.Algorithms.Image.Segmentation.SNIC(clipped, SIZE, 0, 8, 20, planted)
    found = pixels(image, CATALOG, GRID)
    assert info(image.bandNames(), CATALOG) == ["clusters", "x_mean"]
    assert len(np.unique(found[:, :10])) == len(np.unique(found[:, 10:])) == 1 and len(np.unique(found)) == 2


def test_a_pixel_does_not_depend_on_the_window():
    whole = pixels(snic(compactness=300), CATALOG, GRID, band=2)
    part = pixels(
        snic(compactness=300), CATALOG, GeoBox((5, 4), GRID.affine * Affine.translation(6, 3), GRID.crs), band=2
    )
    np.testing.assert_array_equal(part.filled(-1), whole[3:8, 6:10].filled(-1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 0}, "size must be 1 to 512"),
        ({"connectivity": 6}, "connectivity must be 4 or 8, got 6"),
        ({"neighborhoodSize": 5000}, "neighborhoodSize must be 0 to 1024"),
    ],
)
def test_what_cannot_be_clustered_is_refused(options, words):
    with pytest.raises(EngineError, match=words):
        pixels(snic(**options), CATALOG, GRID)
    with pytest.raises(EngineError, match="Unknown gridType"):
        pixels(ee.Algorithms.Image.Segmentation.seedGrid(5, "round"), CATALOG, GRID)
