"""Clusterers (apidocs ee-clusterer-wekakmeans and its kin) by what holds for every k-means."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from sklearn.metrics import calinski_harabasz_score

from local_ee.errors import EngineError
from local_ee.learning.clusterer import Centres
from local_ee.learning.k_means import calinski_harabasz
from local_ee.testing.evaluating import info, pixels
from tests.support.training import NAMES, features

pytestmark = pytest.mark.usefixtures("session")

CHANCE = np.random.default_rng(6)
MIDDLES = np.array([[10, 10, 10], [90, 20, 10], [20, 90, 80]])
GROUPS = np.repeat(np.arange(3), 15)
TABLE = np.rint(MIDDLES[GROUPS] + CHANCE.normal(0, 3, (45, 3)))


def clusters(clusterer: ee.Clusterer, table: np.ndarray = TABLE) -> np.ndarray:
    rows = features(table, np.zeros(len(table), int))
    return np.array(info(rows.cluster(clusterer.train(rows, NAMES)).aggregate_array("cluster")))


def same_groups(numbers: np.ndarray, groups: np.ndarray = GROUPS) -> bool:
    """Whether two numberings part the rows alike."""
    pairs = set(zip(numbers.tolist(), groups.tolist(), strict=True))
    return len(pairs) == len(set(numbers.tolist())) == len(set(groups.tolist()))


@pytest.mark.parametrize("init", [1, 3])
@pytest.mark.parametrize("distance", ["Euclidean", "Manhattan"])
def test_k_means_finds_groups_far_apart(init, distance):
    assert same_groups(clusters(ee.Clusterer.wekaKMeans(3, init, distanceFunction=distance)))


def test_every_row_is_nearest_to_the_mean_of_its_cluster():
    numbers = clusters(ee.Clusterer.wekaKMeans(4, seed=5))
    scaled = (TABLE - TABLE.min(axis=0)) / np.ptp(TABLE, axis=0)
    means = np.stack([scaled[numbers == k].mean(axis=0) for k in range(numbers.max() + 1)])
    assert ((scaled[:, None] - means) ** 2).sum(axis=2).argmin(axis=1).tolist() == numbers.tolist()


def test_inputs_count_by_their_range():
    """Weka's EuclideanDistance scales each attribute by its range: a small one tells as much as a large one."""
    table = np.column_stack([np.repeat([0, 1], 10), np.zeros(20), np.tile(np.linspace(0, 300, 10), 2)])
    assert same_groups(clusters(ee.Clusterer.wekaKMeans(2, 3), table), np.repeat([0, 1], 10))


def test_the_same_seed_gives_the_same_clusters():
    first, second = (clusters(ee.Clusterer.wekaKMeans(5, seed=9)) for _ in range(2))
    assert first.tolist() == second.tolist()


def test_cascaded_k_means_finds_the_number_of_groups():
    assert same_groups(clusters(ee.Clusterer.wekaCascadeKMeans(2, 6, 5)))


def test_the_ratio_of_calinski_and_harabasz():
    centres = Centres(np.stack([TABLE[k == GROUPS].mean(axis=0) for k in range(3)]))
    assert calinski_harabasz(TABLE, centres) == pytest.approx(calinski_harabasz_score(TABLE, GROUPS))


def test_x_means_finds_the_number_of_groups():
    assert same_groups(clusters(ee.Clusterer.wekaXMeans(1, 8)))


def test_x_means_ends_at_the_most_clusters():
    assert len(set(clusters(ee.Clusterer.wekaXMeans(1, 2)))) == 2


def test_an_image_is_clustered():
    rows = features(TABLE, GROUPS)
    clusterer = ee.Clusterer.wekaKMeans(3, 1).train(rows, NAMES)
    numbers = clusters(ee.Clusterer.wekaKMeans(3, 1))
    image = ee.Image.constant(TABLE[20].tolist()).rename(NAMES).cluster(clusterer)
    assert pixels(image)[0, 0] == numbers[20]


def test_a_masked_pixel_has_no_cluster():
    clusterer = ee.Clusterer.wekaKMeans(3, 1).train(features(TABLE, GROUPS), NAMES)
    assert pixels(ee.Image.constant([1, 2, 3]).rename(NAMES).updateMask(0).cluster(clusterer)).mask.all()


def test_the_schema_of_a_clusterer():
    assert info(ee.Clusterer.wekaKMeans(3).schema()) is None
    assert info(ee.Clusterer.wekaKMeans(3).train(features(TABLE, GROUPS), NAMES).schema()) == NAMES


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ee.Clusterer.wekaKMeans(0), "nClusters must be at least 1, got 0"),
        (lambda: ee.Clusterer.wekaKMeans(2, 2), "no canopy clustering"),
        (lambda: ee.Clusterer.wekaKMeans(2, distanceFunction="Cosine"), "distanceFunction must be one of"),
        (lambda: ee.Clusterer.wekaCascadeKMeans(5, 3), "minClusters must be 1 to maxClusters"),
    ],
)
def test_arguments_that_cannot_be(make, words):
    with pytest.raises(EngineError, match=words):
        info(make().schema())
