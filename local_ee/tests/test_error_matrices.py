"""Confusion matrices (apidocs ee-confusionmatrix and its kin, ee-featurecollection-errormatrix), with the array of
Google's sample and the formulas of Congalton (1991)."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix, fbeta_score, precision_score, recall_score

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info
from tests.support.training import blobs, trained

pytestmark = pytest.mark.usefixtures("session")

# samples/python/apidocs/ee_confusionmatrix.py of google/earthengine-community
COUNTS = [
    [32, 0, 0, 0, 1, 0],
    [0, 5, 0, 0, 1, 0],
    [0, 0, 1, 3, 0, 0],
    [0, 1, 4, 26, 8, 0],
    [0, 0, 0, 7, 15, 0],
    [0, 0, 0, 1, 0, 5],
]
ACTUAL = [row for row, counts in enumerate(COUNTS) for count in counts for _ in range(count)]
PREDICTED = [col for counts in COUNTS for col, count in enumerate(counts) for _ in range(count)]


def matrix(order: list[int] | None = None) -> ee.ConfusionMatrix:
    return ee.ConfusionMatrix(ee.Array(COUNTS), order)


def test_a_confusion_matrix_shows_its_counts():
    assert info(matrix()) == COUNTS == info(matrix().array())


def test_overall_accuracy():
    assert info(matrix().accuracy()) == pytest.approx(np.mean(np.equal(ACTUAL, PREDICTED)))


def test_kappa():
    assert info(matrix().kappa()) == pytest.approx(cohen_kappa_score(ACTUAL, PREDICTED))


def test_producers_accuracy_is_a_column_of_recalls():
    expected = recall_score(ACTUAL, PREDICTED, average=None)
    assert np.array(info(matrix().producersAccuracy())) == pytest.approx(expected[:, None])


def test_consumers_accuracy_is_a_row_of_precisions():
    expected = precision_score(ACTUAL, PREDICTED, average=None)
    assert np.array(info(matrix().consumersAccuracy())) == pytest.approx(expected[None, :])


@pytest.mark.parametrize("beta", [1, 2])
def test_f_scores(beta):
    expected = fbeta_score(ACTUAL, PREDICTED, beta=beta, average=None)
    assert info(matrix().fscore(beta)) == pytest.approx(expected.tolist())


def test_classes_without_an_order_are_counted_from_0():
    assert info(matrix().order()) == [0, 1, 2, 3, 4, 5]


def test_an_order_names_the_classes():
    assert info(matrix([11, 22, 42, 52, 71, 81]).order()) == [11, 22, 42, 52, 71, 81]


def pairs(*values: tuple[int, int]) -> ee.FeatureCollection:
    return ee.FeatureCollection([ee.Feature(None, {"actual": a, "predicted": b}) for a, b in values])


def test_a_matrix_of_two_properties():
    rows = pairs(*zip(ACTUAL, PREDICTED, strict=True))
    assert info(rows.errorMatrix("actual", "predicted")) == confusion_matrix(ACTUAL, PREDICTED).tolist()


def test_classes_that_nobody_has_are_empty_rows():
    assert info(pairs((0, 2)).errorMatrix("actual", "predicted")) == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_only_classes_of_the_order_count():
    """apidocs ee-featurecollection-errormatrix: If specified, only values matching this list are used."""
    rows = pairs((10, 10), (10, 20), (30, 10), (20, 20))
    assert info(rows.errorMatrix("actual", "predicted", [20, 10])) == [[1, 0], [1, 1]]


def test_an_empty_class_has_accuracy_0():
    assert info(ee.ConfusionMatrix(ee.Array([[2, 0], [0, 0]])).producersAccuracy()) == [[1], [0]]


def test_the_matrix_of_the_training_data():
    table, labels = blobs()
    tree = trained(ee.Classifier.smileCart(3), table, labels)
    assert np.sum(info(tree.confusionMatrix())) == len(table)
    assert info(trained(ee.Classifier.smileCart(), table, labels).confusionMatrix().accuracy()) == 1


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (lambda: ee.ConfusionMatrix(ee.Array([[1, 2]])), "must be square"),
        (lambda: matrix([1, 2]), "order must have 6 classes"),
        (lambda: pairs((0, 1)).errorMatrix("actual", "other"), "is the property on every feature"),
        (lambda: pairs((-1, 1)).errorMatrix("actual", "predicted"), "must not be negative"),
    ],
)
def test_matrices_that_cannot_be(expression, words):
    with pytest.raises(EngineError, match=words):
        info(expression())
