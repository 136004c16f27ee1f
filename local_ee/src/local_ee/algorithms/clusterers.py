"""Clusterers of Weka, their training, and the clustering of images and features.

The algorithms and parameters are Weka's; the random draws are the engine's own, so clusters can be numbered otherwise.
Arguments that only make Weka faster change nothing here.
"""

from __future__ import annotations

import numpy as np

from local_ee.algorithms.classification import inputs_in, of_table
from local_ee.errors import EngineError
from local_ee.evaluation.coerce import accept
from local_ee.evaluation.feature_table import inputs_of, subsample, table_of
from local_ee.evaluation.features import Collection, Element
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image
from local_ee.learning.clusterer import METRICS, Clusterer
from local_ee.learning.k_means import (
    Lloyd,
    Start,
    XMeans,
    cascade,
    check_range,
    farthest_first,
    plus_plus,
    random_rows,
)
from local_ee.learning.training import TrainingSet
from local_ee.raster.pixel_type import NAMED

accept("Clusterer", Clusterer)
_STARTS: dict[int, Start] = {0: random_rows, 1: plus_plus, 3: farthest_first}


def _check_metric(name: str, choices: tuple[str, ...] = ("Euclidean", "Manhattan")) -> None:
    if name not in choices or name not in METRICS:
        raise EngineError(f"distanceFunction must be one of {', '.join(choices)}, got '{name}'.")


@algorithm("Clusterer.wekaKMeans")
def weka_k_means(
    nClusters: int,
    init: int,
    canopies: bool,
    maxCandidates: int,
    periodicPruning: int,
    minDensity: int,
    t1: float,
    t2: float,
    distanceFunction: str,
    maxIterations: int | None,
    preserveOrder: bool,
    fast: bool,
    seed: int,
) -> Clusterer:
    """k-means, not trained."""
    if nClusters < 1:
        raise EngineError(f"nClusters must be at least 1, got {nClusters}.")
    if canopies or init == 2:
        raise EngineError("The local engine has no canopy clustering: use init 0, 1 or 3, and canopies false.")
    if init not in _STARTS:
        raise EngineError(f"init must be 0 (random), 1 (k-means++) or 3 (farthest first), got {init}.")
    _check_metric(distanceFunction)
    lloyd = Lloyd(distanceFunction, _STARTS[init], maxIterations)
    return Clusterer("wekaKMeans", lambda table: lloyd.run(table, nClusters, np.random.default_rng(abs(seed))))


@algorithm("Clusterer.wekaCascadeKMeans")
def weka_cascade_k_means(
    minClusters: int,
    maxClusters: int,
    restarts: int,
    manual: bool,
    init: bool,
    distanceFunction: str,
    maxIterations: int | None,
) -> Clusterer:
    """k-means with the number of clusters of the largest ratio of Calinski and Harabasz, not trained."""
    check_range(minClusters, maxClusters)
    _check_metric(distanceFunction)
    if manual:
        raise EngineError("manual must be false: a server cannot ask for the number of clusters.")
    lloyd = Lloyd(distanceFunction, plus_plus if init else random_rows, maxIterations)
    return Clusterer(
        "wekaCascadeKMeans",
        lambda table: cascade(table, lloyd, least=minClusters, most=maxClusters, restarts=restarts),
    )


@algorithm("Clusterer.wekaXMeans")
def weka_x_means(
    minClusters: int,
    maxClusters: int,
    maxIterations: int,
    maxKMeans: int,
    maxForChildren: int,
    useKD: bool,
    cutoffFactor: float,
    distanceFunction: str,
    seed: int,
) -> Clusterer:
    """k-means that splits clusters as long as it pays, not trained."""
    check_range(minClusters, maxClusters)
    _check_metric(distanceFunction, ("Chebyshev", "Euclidean", "Manhattan"))
    search = XMeans(
        minClusters,
        maxClusters,
        maxIterations,
        Lloyd(distanceFunction, random_rows, maxKMeans),
        Lloyd(distanceFunction, random_rows, maxForChildren),
        cutoffFactor,
        seed,
    )
    return Clusterer("wekaXMeans", search.run)


@algorithm("Clusterer.train")
def train(
    clusterer: Clusterer, features: Collection, inputProperties: list | None, subsampling: float, subsamplingSeed: int
) -> Clusterer:
    """The clusterer with training data."""
    names = inputs_of(features, inputProperties)
    elements = subsample(features.elements, subsampling, subsamplingSeed)
    table = table_of(elements, names)
    return clusterer.trained(TrainingSet(names, table, np.zeros(len(table))))


@algorithm("Clusterer.schema")
def schema_of(clusterer: Clusterer) -> list[str] | None:
    """Its inputs, or null before it has training data."""
    return None if clusterer.schema is None else list(clusterer.schema)


@algorithm("Image.cluster")
def cluster_image(image: Image, clusterer: Clusterer, outputName: str) -> Image:
    """A band of each pixel's cluster, from 0; masked where an input is."""
    inputs = inputs_in(image, clusterer.inputs)
    return of_table(inputs, [(outputName, NAMED["int32"])], clusterer.assign)


@algorithm("FeatureCollection.cluster")
def cluster_features(features: Collection, clusterer: Clusterer, outputName: str) -> Collection:
    """The features with their cluster as a property."""

    def find() -> list[Element]:
        elements = features.elements
        if not elements:
            return []
        numbers = clusterer.assign(table_of(elements, clusterer.inputs)).tolist()
        pairs = zip(elements, numbers, strict=True)
        return [each.with_properties({**each.properties, outputName: cluster}) for each, cluster in pairs]

    return features.of(find)
