"""Tables of numbers to learn from, as features of the client, and answers of the engine for them."""

from __future__ import annotations

import ee
import numpy as np

from local_ee.testing.evaluating import info

NAMES = ["a", "b", "c"]


def blobs(count: int = 60, classes: int = 3, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers [sample, 3] around a mean for each class, which overlap a little, and the classes."""
    chance = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    means = chance.integers(20, 80, (classes, len(NAMES)))
    return np.rint(means[labels] + chance.normal(0, 7, (count, len(NAMES)))), labels


def features(table: np.ndarray, labels: np.ndarray) -> ee.FeatureCollection:
    """A feature for each row, with its class as the property `label`."""
    rows = [dict(zip(NAMES, row, strict=True)) for row in table.tolist()]
    return ee.FeatureCollection(
        [ee.Feature(None, row | {"label": label}) for row, label in zip(rows, labels.tolist(), strict=True)]
    )


def trained(classifier: ee.Classifier, table: np.ndarray, labels: np.ndarray) -> ee.Classifier:
    return classifier.train(features(table, labels), "label", NAMES)


def answers(classifier: ee.Classifier, table: np.ndarray) -> np.ndarray:
    """What a classifier says of each row."""
    rows = features(table, np.zeros(len(table), int)).classify(classifier, "answer")
    return np.array(info(rows.aggregate_array("answer")))
