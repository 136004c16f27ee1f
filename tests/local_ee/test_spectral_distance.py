"""Distances of spectra (apidocs ee-image-spectraldistance, ee-image-spectraldilation), pixel by pixel with SciPy."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import spatial, stats

from local_ee.errors import EngineError
from tests.local_ee.support.evaluating import info, pixels
from tests.local_ee.support.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(10, 11)
BANDS = {"a": ("uint16", 10), "b": ("uint16", 10), "c": ("uint16", 10)}
CATALOG = Scenes((Scene("C/a", GRID, BANDS, seed=3), Scene("C/b", GRID, BANDS, seed=9, hidden=2)))


def spectra(name: str) -> np.ndarray:
    return np.stack([pixels(ee.Image(name).add(1), CATALOG, GRID, band=i).filled(0) for i in range(3)]).astype(float)


def divergence(left: np.ndarray, right: np.ndarray) -> float:
    return float(stats.entropy(left, right) + stats.entropy(right, left))


MEASURES = {
    "sam": lambda left, right: np.arccos(1 - spatial.distance.cosine(left, right)),
    "sid": divergence,
    "sed": spatial.distance.sqeuclidean,
    "emd": lambda left, right: stats.wasserstein_distance(range(3), range(3), left, right),
}


@pytest.mark.parametrize("metric", MEASURES)
def test_distances_of_two_images(metric):
    left, right = spectra("C/a"), spectra("C/b")
    asked = ee.Image("C/a").add(1).spectralDistance(ee.Image("C/b").add(1), metric)
    found = pixels(asked, CATALOG, GRID)
    assert 0 < np.ma.getmaskarray(found).sum() < found.size / 2
    for row, col in np.argwhere(~np.ma.getmaskarray(found)):
        expected = MEASURES[metric](left[:, row, col], right[:, row, col])
        assert found[row, col] == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("centroid", [True, False])
@pytest.mark.parametrize(("name", "choose"), [("spectralDilation", max), ("spectralErosion", min)])
def test_the_neighbour_that_is_farthest_or_nearest(name, choose, centroid):
    """By visiting the nine neighbours of each inner pixel."""
    source = spectra("C/a")
    asked = getattr(ee.Image("C/a").add(1), name)("sed", None, centroid)
    found = np.stack([pixels(asked, CATALOG, GRID, band=i) for i in range(3)])
    for row, col in np.ndindex(8, 9):
        near = source[:, row : row + 3, col : col + 3].reshape(3, 9)
        middle = near.mean(axis=1) if centroid else near[:, 4]
        expected = choose(near.T, key=lambda one: spatial.distance.sqeuclidean(one, middle))
        np.testing.assert_array_equal(found[:, row + 1, col + 1], expected)


def test_the_gradient_lies_between_dilation_and_erosion():
    image = ee.Image("C/a").add(1)
    dilation, erosion = (image.spectralDilation("sam", None, True), image.spectralErosion("sam", None, True))
    found = pixels(image.spectralGradient("sam", None, True), CATALOG, GRID)
    np.testing.assert_array_equal(found, pixels(dilation.spectralDistance(erosion, "sam"), CATALOG, GRID))
    assert info(image.spectralGradient().bandNames(), CATALOG) == ["distance"]


def test_a_pixel_does_not_depend_on_the_window():
    asked = ee.Image("C/b").spectralDilation("sid", ee.Kernel.square(2), True)
    whole = pixels(asked, CATALOG, GRID)
    part = pixels(asked, CATALOG, GeoBox((4, 3), GRID.affine * Affine.translation(5, 3), GRID.crs))
    np.testing.assert_array_equal(part.filled(9), whole[3:7, 5:8].filled(9))


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: ee.Image([1, 2]).spectralDistance(ee.Image(1)), "same number of bands, got 2 and 1"),
        (lambda: ee.Image([1, 2]).spectralDistance(ee.Image([1, 2]), "cosine"), "Unknown metric 'cosine'"),
    ],
)
def test_what_cannot_be_measured_is_refused(graph, words):
    with pytest.raises(EngineError, match=words):
        pixels(graph())
