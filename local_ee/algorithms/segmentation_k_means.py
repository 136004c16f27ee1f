"""Clusters of pixels, cell by cell (Image.Segmentation.KMeans)."""

from __future__ import annotations

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.algorithms.image_grid import elsewhere
from local_ee.algorithms.image_objects import object_ids
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.learning.clusterer import Centres
from local_ee.learning.k_means import Lloyd, plus_plus
from local_ee.raster.blocks import SIDE, blocks
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels
from local_ee.raster.segments import NONE

_MOST_SIDE = 1024  # pixels of a cell, or around a tile
_MOST_CLUSTERS = 1000


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
    _check(numClusters, numIterations, neighborhoodSize, gridSize)
    margin, side = (0, gridSize) if gridSize else (neighborhoodSize, SIDE)
    model = image.bands[0]
    lloyd = Lloyd("Euclidean", plus_plus, numIterations)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        labels, shown = np.zeros(geobox.shape, np.int32), np.zeros(geobox.shape, bool)
        for block, window, inner in blocks(geobox, margin, side=side):
            member = _members(image, window, lloyd, numClusters, forceConvergence)
            tile = (slice(margin, margin + side),) * 2  # the whole of it, so that its labels depend on no window
            own = np.full(member.shape, NONE, member.dtype)
            own[tile] = member[tile]
            named = _unique(own, window) if uniqueLabels else np.where(own == NONE, 0, own)
            labels[block], shown[block] = named[inner], own[inner] != NONE
        return Pixels((labels,) * len(positions), (shown,) * len(positions))

    bands = [Band("clusters", NAMED["int32"], model.projection, model.dimensions)]
    return recomputed(image, bands, reading, around=elsewhere)


def _check(clusters: int, iterations: int, neighbourhood: int, grid: int | None) -> None:
    if not 1 <= clusters <= _MOST_CLUSTERS:
        raise EngineError(f"numClusters must be 1 to {_MOST_CLUSTERS}, got {clusters}.")
    if iterations < 1:
        raise EngineError(f"numIterations must be at least 1, got {iterations}.")
    if not 0 <= neighbourhood <= _MOST_SIDE:
        raise EngineError(f"neighborhoodSize must be 0 to {_MOST_SIDE} pixels, got {neighbourhood}.")
    if grid is not None and not 0 <= grid <= _MOST_SIDE:
        raise EngineError(f"gridSize must be 1 to {_MOST_SIDE} pixels, got {grid}.")
    if grid and neighbourhood:
        raise EngineError("gridSize and neighborhoodSize exclude each other: give one of them.")


def _members(image: Image, window: GeoBox, lloyd: Lloyd, clusters: int, forced: bool) -> np.ndarray:
    """The cluster of each pixel of a window, counted from 0; NONE where it is masked."""
    pixels = image.read_at(window, image.everything)
    whole = np.logical_and.reduce([np.asarray(mask) == 1 for mask in pixels.masks])
    member = np.full(window.shape, NONE, np.int64)
    budget.allocate(window.shape[0] * window.shape[1] * 8 * (clusters + len(image.bands)))
    if not whole.any():
        return member
    table = np.stack([np.asarray(values, float)[whole] for values in pixels.values], axis=1)
    centres = lloyd.run(table, clusters, np.random.default_rng(0))
    if forced and not _is_settled(table, centres):
        raise EngineError(f"KMeans did not converge in {lloyd.most} iterations: raise numIterations.")
    member[whole] = centres.nearest(table)
    return member


def _is_settled(table: np.ndarray, centres: Centres) -> bool:
    member = centres.nearest(table)
    means = [table[member == k].mean(axis=0) for k in range(len(centres.points)) if (member == k).any()]
    return len(means) == len(centres.points) and np.allclose(means, centres.points, rtol=1e-12, atol=0)


def _unique(member: np.ndarray, window: GeoBox) -> np.ndarray:
    _, rank = np.unique(member[member != NONE], return_inverse=True)
    named = np.zeros(member.shape, np.int32)
    named[member != NONE] = object_ids(member, window)[rank]
    return named
