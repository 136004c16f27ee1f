"""Classifiers by distance and by place: nearest neighbours, nearest class mean, and a polygon of two inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.learning import classifier as modes
from local_ee.learning.classifier import Classifier, Model
from local_ee.learning.training import Labels, TrainingSet

_BLOCK_NUMBERS = 4_000_000  # of distances at a time
_FEW_DIMENSIONS = 10  # below, AUTO takes a k-d tree (apidocs ee-classifier-smileknn)

# From a table and points to their distances [sample, point].
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _blocks(table: np.ndarray, points: int) -> Iterator[np.ndarray]:
    step = max(_BLOCK_NUMBERS // max(points, 1), 1)
    for start in range(0, len(table), step):
        budget.check()
        yield table[start : start + step]


def _of_scipy(metric: str) -> Distance:
    def distance(table: np.ndarray, points: np.ndarray) -> np.ndarray:
        from scipy.spatial.distance import cdist

        return np.asarray(cdist(table, points, metric))

    return distance


def nearest_neighbors(options: Mapping[str, Any]) -> Classifier:
    """The majority of the k nearest samples; options are those of Classifier.smileKNN.

    A k-d tree measures Euclidean distances whatever the metric (apidocs ee-classifier-smileknn). Of equal shares the
    class with the smallest number wins (assumption).
    """
    search, metric = options["searchMethod"], options["metric"]
    _check_choice("searchMethod", search, ("AUTO", "LINEAR_SEARCH", "KD_TREE", "COVER_TREE"))
    _check_choice("metric", metric, ("EUCLIDEAN", "MAHALANOBIS", "MANHATTAN", "BRAYCURTIS"))
    if options["k"] < 1:
        raise EngineError(f"k must be at least 1, got {options['k']}.")

    def fit(training: TrainingSet, mode: str) -> Model:
        labels = Labels.of(training.targets)
        k = min(options["k"], len(training.table))
        by_tree = search == "KD_TREE" or (search == "AUTO" and len(training.names) < _FEW_DIMENSIONS)
        find = _finder(training.table, k, "EUCLIDEAN" if by_tree else metric)

        def shares(table: np.ndarray) -> np.ndarray:
            near = labels.codes[find(table)]
            return np.stack([(near == code).mean(axis=1) for code in range(len(labels.classes))], axis=1)

        return Model(modes.of_shares(labels, shares), {"classes": labels.classes.tolist()})

    return Classifier("smileKNN", (modes.CLASSIFICATION, modes.PROBABILITY), fit, options)


def _finder(points: np.ndarray, k: int, metric: str) -> Callable[[np.ndarray], np.ndarray]:
    """The places [sample, k] of the nearest points."""
    from scipy.spatial import cKDTree

    if metric == "BRAYCURTIS":
        distance = _of_scipy("braycurtis")
        return lambda table: np.concatenate(
            [np.argsort(distance(block, points), axis=1, kind="stable")[:, :k] for block in _blocks(table, len(points))]
        )
    root = _whitening(points) if metric == "MAHALANOBIS" else np.eye(points.shape[1])
    tree, power = cKDTree(points @ root), 1 if metric == "MANHATTAN" else 2
    return lambda table: tree.query(table @ root, k=k, p=power)[1].reshape(len(table), k)


def _whitening(points: np.ndarray) -> np.ndarray:
    """A matrix after which Euclidean distances are Mahalanobis's."""
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(points, rowvar=False)))
    values, vectors = np.linalg.eigh(inverse)
    return vectors * np.sqrt(np.maximum(values, 0))


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise EngineError(f"{name} must be one of {', '.join(choices)}, got '{value}'.")


_METRICS = {"euclidean": "euclidean", "cosine": "cosine", "manhattan": "cityblock"}


def minimum_distance(options: Mapping[str, Any]) -> Classifier:
    """The class whose mean is nearest; options are those of Classifier.minimumDistance.

    Assumptions: cosine distances are angles in radians; Mahalanobis's take each class's own covariance.
    """
    metric, nearest = options["metric"], options["kNearest"]
    _check_choice("metric", metric, (*_METRICS, "mahalanobis"))
    if nearest < 1:
        raise EngineError(f"kNearest must be at least 1, got {nearest}.")

    def fit(training: TrainingSet, mode: str) -> Model:
        labels = Labels.of(training.targets)
        distances = _to_means(training.table, labels, metric)
        order = np.argsort(labels.classes)
        outputs: dict[str, modes.Output] = {modes.RAW: distances}
        if nearest == 1:
            outputs[modes.CLASSIFICATION] = lambda table: modes.winners(labels, -distances(table))
            outputs[modes.REGRESSION] = lambda table: distances(table).min(axis=1)
        else:

            def ranked(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
                each = distances(table)[:, order]
                places = np.argsort(each, axis=1, kind="stable")[:, :nearest]
                return labels.classes[order][places], np.take_along_axis(each, places, axis=1)

            outputs[modes.CLASSIFICATION] = lambda table: ranked(table)[0]
            outputs[modes.REGRESSION] = lambda table: ranked(table)[1]
        return Model(outputs, {"classes": labels.classes.tolist()})

    arrays = (modes.RAW,) if nearest == 1 else (modes.RAW, modes.CLASSIFICATION, modes.REGRESSION)
    possible = (modes.CLASSIFICATION, modes.REGRESSION, modes.RAW)
    return Classifier("minimumDistance", possible, fit, options, arrays=arrays)


def _to_means(table: np.ndarray, labels: Labels, metric: str) -> modes.Output:
    groups = [table[labels.codes == code] for code in range(len(labels.classes))]
    means = np.stack([group.mean(axis=0) for group in groups])
    if metric == "mahalanobis":
        roots = [_whitening(group) if len(group) > 1 else np.eye(table.shape[1]) for group in groups]
        return lambda rows: np.stack(
            [np.linalg.norm((rows - mean) @ root, axis=1) for mean, root in zip(means, roots, strict=True)], axis=1
        )
    measure = _of_scipy(_METRICS[metric])
    if metric == "cosine":
        return lambda rows: np.arccos(np.clip(1 - measure(rows, means), -1, 1))
    return lambda rows: measure(rows, means)
