"""Confusion matrices: made from arrays or from two properties of features, and their measures.

Producer's accuracies are a column [class, 1] and consumer's a row [1, class], as Earth Engine shows them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.arrays import Array
from local_ee.evaluation.coerce import accept
from local_ee.evaluation.error_matrix import ErrorMatrix
from local_ee.evaluation.features import Collection, get_property
from local_ee.evaluation.registry import algorithm

accept("ConfusionMatrix", ErrorMatrix)


@algorithm("ConfusionMatrix")
def confusion_matrix(array: Any, order: list | None) -> ErrorMatrix:
    """A square array of counts; its classes are 0, 1 ... unless an order names them."""
    if isinstance(array, ErrorMatrix):
        return array
    if not isinstance(array, Array) or not np.array_equal(array.values, np.rint(array.values)):
        raise EngineError("A confusion matrix is made of an ee.Array of whole numbers.")
    counts = array.values.astype(np.int64)
    classes = range(len(np.atleast_1d(counts))) if order is None else order
    return ErrorMatrix(counts, tuple(int(value) for value in classes))


@algorithm("Collection.errorMatrix")
def error_matrix(collection: Collection, actual: str, predicted: str, order: list | None) -> ErrorMatrix:
    """Counts of the values of two properties."""
    elements = collection.elements
    truth, guess = ([get_property(element, name) for element in elements] for name in (actual, predicted))
    return ErrorMatrix.of(truth, guess, order=order)


@algorithm("ConfusionMatrix.accuracy")
def accuracy(confusionMatrix: ErrorMatrix) -> float:
    """The share of samples that were taken for their own class."""
    return confusionMatrix.accuracy()


@algorithm("ConfusionMatrix.kappa")
def kappa(confusionMatrix: ErrorMatrix) -> float:
    """Cohen's kappa."""
    return confusionMatrix.kappa()


@algorithm("ConfusionMatrix.array")
def counts_of(confusionMatrix: ErrorMatrix) -> Array:
    """The counts."""
    return Array.of(confusionMatrix.counts)


@algorithm("ConfusionMatrix.order")
def order_of(confusionMatrix: ErrorMatrix) -> list[int]:
    """The classes of rows and columns."""
    return list(confusionMatrix.order)


@algorithm("ConfusionMatrix.producersAccuracy")
def producers_accuracy(confusionMatrix: ErrorMatrix) -> Array:
    """Of each actual class, the share that was found."""
    return Array.of(confusionMatrix.producers()[:, None])


@algorithm("ConfusionMatrix.consumersAccuracy")
def consumers_accuracy(confusionMatrix: ErrorMatrix) -> Array:
    """Of each predicted class, the share that is right."""
    return Array.of(confusionMatrix.consumers()[None, :])


@algorithm("ConfusionMatrix.fscore")
def fscore(confusionMatrix: ErrorMatrix, beta: float) -> Array:
    """The F-score of each class (assumption: as an array with one axis)."""
    return Array.of(confusionMatrix.fscore(beta))
