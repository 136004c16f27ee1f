"""Distances of spectra (apidocs ee-image-spectraldistance), pixel by pixel with SciPy."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from scipy import spatial, stats

from local_ee.errors import EngineError
from local_ee.testing.evaluating import pixels
from local_ee.testing.scenes import Scene, Scenes, utm

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
