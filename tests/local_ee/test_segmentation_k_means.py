"""Image.Segmentation.KMeans on pixels whose clusters are known, and against scikit-learn's."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from tests.local_ee.support.evaluating import info, pixels, value
from tests.local_ee.support.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(16, 20)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint16", 10), "y": ("uint16", 10)}, seed=3, hidden=1),))


def clusters(image: ee.Image, **options) -> ee.Image:
    return ee.Algorithms.Image.Segmentation.KMeans(image, **({"numClusters": 3, "gridSize": 1024} | options))


def groups() -> ee.Image:
    """Three values far apart, with a little noise."""
    return ee.Image("C/a").select("x").mod(3).multiply(1000).add(ee.Image("C/a").select("y").mod(7))


def test_pixels_of_one_group_have_one_label():
    group = pixels(ee.Image("C/a").select("x").mod(3), CATALOG, GRID)
    labels = pixels(clusters(groups()), CATALOG, GRID)
    by_group = [set(labels[group == k].compressed().tolist()) for k in range(3)]
    assert [len(each) for each in by_group] == [1, 1, 1] and len(set.union(*by_group)) == 3


def test_the_spread_within_clusters_is_about_scikit_learns():
    from sklearn.cluster import KMeans

    table = np.stack([pixels(ee.Image("C/a"), CATALOG, GRID, band=i).filled(0) for i in (0, 1)], 2).astype(float)
    labels = pixels(clusters(ee.Image("C/a"), numClusters=4, numIterations=100), CATALOG, GRID)
    inside = ~np.ma.getmaskarray(labels)
    own = sum(((table[labels == k] - table[labels == k].mean(axis=0)) ** 2).sum() for k in set(labels.compressed()))
    best = KMeans(4, n_init=10, random_state=0).fit(table[inside]).inertia_
    assert best * 0.999 <= own <= best * 1.2


def test_labels_repeat_from_cell_to_cell_only_where_asked():
    """A: "If true, clusters are assigned unique IDs. Otherwise, they repeat per tile or grid cell"."""
    unique = pixels(clusters(groups(), gridSize=8), CATALOG, GRID)
    repeated = pixels(clusters(groups(), gridSize=8, uniqueLabels=False), CATALOG, GRID)
    assert set(repeated.compressed().tolist()) == {0, 1, 2}
    assert len(set(unique.compressed().tolist())) > 6


@pytest.mark.parametrize("options", [{"gridSize": 8}, {"gridSize": None, "neighborhoodSize": 5}])
def test_a_part_of_a_window_has_the_labels_of_the_whole(options):
    image = clusters(groups(), **options)
    whole, part = pixels(image, CATALOG, GRID), pixels(image, CATALOG, utm(5, 6, top=3_399_930, left=300_040))
    np.testing.assert_array_equal(whole[7:12, 4:10].filled(-1), part.filled(-1))


def test_a_pixel_that_is_masked_in_part_is_masked():
    """A: "Any input pixels with partial masks are fully masked in the output"."""
    image = ee.Image(1).addBands(2).updateMask(ee.Image.pixelCoordinates("EPSG:32650").select("x").gt(300_040).max(0.5))
    assert np.ma.getmaskarray(pixels(clusters(image)))[0].tolist() == [True] * 4 + [False] * 4


def test_it_is_one_whole_number_named_clusters():
    image = value(clusters(groups()), CATALOG)
    assert image.band_names == ("clusters",) and image.bands[0].type.dtype.name == "int32"


def test_clusters_that_did_not_settle_are_an_error_where_asked():
    """A: "If true, an error is thrown if convergence is not achieved before numIterations"."""
    restless = clusters(ee.Image("C/a"), numClusters=20, numIterations=1, forceConvergence=True)
    with pytest.raises(EngineError, match="did not converge in 1 iterations"):
        pixels(restless, CATALOG, GRID)
    settled = clusters(groups(), numIterations=100, forceConvergence=True)
    assert len(set(pixels(settled, CATALOG, GRID).compressed().tolist())) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"numClusters": 0}, "numClusters must be 1 to"),
        ({"numIterations": 0}, "numIterations must be at least 1"),
        ({"gridSize": -1}, "gridSize must be"),
        ({"gridSize": None, "neighborhoodSize": 5000}, "neighborhoodSize must be"),
        ({"gridSize": 8, "neighborhoodSize": 8}, "exclude each other"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(EngineError, match=words):
        info(clusters(groups(), **options), CATALOG)
