"""Clusters of pixels, cell by cell (Image.Segmentation.KMeans, GMeans)."""

from __future__ import annotations

import numpy as np

from local_ee import budget
from local_ee.algorithms.segmentation_cells import Cells, clustered
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image
from local_ee.learning.clusterer import Centres
from local_ee.learning.g_means import GMeans
from local_ee.learning.k_means import Lloyd, plus_plus

_MOST_CLUSTERS = 1000
_MOST_OF_G_MEANS = 256
_MOST_ROUNDS = 100


@algorithm("Image.Segmentation.KMeans")
def k_means(
    image: Image,
    numClusters: int,
    numIterations: int,
    neighborhoodSize: int,
    gridSize: int | None,
    forceConvergence: bool,
    uniqueLabels: bool,
) -> Image:
    """Band clusters: the cluster of each pixel, found in cells of gridSize or in tiles with neighborhoodSize around.

    A pixel that any band masks, wholly or in part, is masked. Assumptions (not documented): tiles have 256 pixels a
    side, and cells and tiles begin at the grid's origin; distances are Euclidean in the bands' own units; the first
    centres are those of k-means++ with a fixed seed; a label that is unique is made of the row and column of the
    cluster's first pixel in its cell, another counts from 0.
    """
    if not 1 <= numClusters <= _MOST_CLUSTERS:
        raise EngineError(f"numClusters must be 1 to {_MOST_CLUSTERS}, got {numClusters}.")
    if numIterations < 1:
        raise EngineError(f"numIterations must be at least 1, got {numIterations}.")
    lloyd = Lloyd("Euclidean", plus_plus, numIterations)

    def find(table: np.ndarray) -> np.ndarray:
        budget.allocate(table.shape[0] * 8 * (numClusters + table.shape[1]))
        centres = lloyd.run(table, numClusters, np.random.default_rng(0))
        if forceConvergence and not _is_settled(table, centres):
            raise EngineError(f"KMeans did not converge in {numIterations} iterations: raise numIterations.")
        return centres.nearest(table)

    return clustered(image, Cells(neighborhoodSize, gridSize), find, unique=uniqueLabels)


@algorithm("Image.Segmentation.GMeans")
def g_means(
    image: Image,
    numIterations: int,
    pValue: float,
    neighborhoodSize: int,
    gridSize: int | None,
    uniqueLabels: bool,
) -> Image:
    """Band clusters: as KMeans, with as many clusters as are needed until each looks normal.

    Assumptions (not documented): as those of KMeans; pValue, whose default of 50 is no probability, is the critical
    value of the statistic of Anderson and Darling, corrected for the size, above which a cluster is split;
    numIterations bounds the rounds of tests and the steps of each k-means; the two halves begin on the first principal
    component, on both sides of the mean; there are at most 256 clusters in a cell.
    """
    if not 1 <= numIterations <= _MOST_ROUNDS:
        raise EngineError(f"numIterations must be 1 to {_MOST_ROUNDS}, got {numIterations}.")
    if not pValue >= 0:
        raise EngineError(f"pValue must not be negative, got {pValue:g}.")
    learner = GMeans(pValue, numIterations, _MOST_OF_G_MEANS)

    def find(table: np.ndarray) -> np.ndarray:
        budget.allocate(table.shape[0] * 8 * (_MOST_OF_G_MEANS + table.shape[1]))
        return learner.run(table).nearest(table)

    return clustered(image, Cells(neighborhoodSize, gridSize), find, unique=uniqueLabels)


def _is_settled(table: np.ndarray, centres: Centres) -> bool:
    member = centres.nearest(table)
    means = [table[member == k].mean(axis=0) for k in range(len(centres.points)) if (member == k).any()]
    return len(means) == len(centres.points) and np.allclose(means, centres.points, rtol=1e-12, atol=0)
