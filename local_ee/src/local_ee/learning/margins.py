"""Support vector machines (libsvm, through scikit-learn) and naive Bayes.

Sources: C.-C. Chang and C.-J. Lin, ACM TIST 2 (2011), 27; apidocs ee-classifier-libsvm and
ee-classifier-smilenaivebayes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.learning import classifier as modes
from local_ee.learning import estimators
from local_ee.learning.classifier import Classifier, Model, of_shares
from local_ee.learning.training import Labels, TrainingSet

_KERNELS = {"LINEAR": "linear", "POLY": "poly", "RBF": "rbf", "SIGMOID": "sigmoid"}
_CLASSES = (modes.CLASSIFICATION, modes.PROBABILITY, modes.MULTIPROBABILITY)
_MACHINES = {
    "C_SVC": ("SVC", _CLASSES),
    "NU_SVC": ("NuSVC", _CLASSES),
    "ONE_CLASS": ("OneClassSVM", (modes.CLASSIFICATION,)),
    "EPSILON_SVR": ("SVR", (modes.CLASSIFICATION, modes.REGRESSION)),
    "NU_SVR": ("NuSVR", (modes.REGRESSION,)),
}
_TAKES = {
    "SVC": {"C": "cost"},
    "NuSVC": {"nu": "nu"},
    "OneClassSVM": {"nu": "nu"},
    "SVR": {"C": "cost", "epsilon": "lossEpsilon"},
    "NuSVR": {"C": "cost", "nu": "nu"},
}
_DEFAULTS = {"cost": 1.0, "nu": 0.5, "lossEpsilon": 0.1}
_FOLDS = 5  # of libsvm's cross-validation for probabilities
_NOT_WHOLE = "One-class machines give 0 or 1: oneClass must be one of them, got {}."


def support_vectors(options: Mapping[str, Any]) -> Classifier:
    """Options are those of Classifier.libsvm; an option that the type of machine does not take is left out."""
    for name, choices in (
        ("svmType", _MACHINES),
        ("kernelType", _KERNELS),
        ("decisionProcedure", ("Voting", "Margin")),
    ):
        if options[name] not in choices:
            raise EngineError(f"{name} must be one of {', '.join(choices)}, got '{options[name]}'.")
    machine, possible = _MACHINES[options["svmType"]]

    def fit(training: TrainingSet, mode: str) -> Model:
        if machine == "OneClassSVM":
            return _one_class(training, options)
        if machine in ("SVR", "NuSVR"):
            estimator = _fitted(_made(machine, options), training.table, training.targets)
            return Model(dict.fromkeys((modes.CLASSIFICATION, modes.REGRESSION), estimator.predict), _size(estimator))
        return _separating(training, options, mode)

    first = modes.REGRESSION if machine == "NuSVR" else modes.CLASSIFICATION
    return Classifier("libsvm", possible, fit, options, mode=first)


def _made(machine: str, options: Mapping[str, Any]) -> Any:
    own = {name: _or_default(options, option) for name, option in _TAKES[machine].items()}
    # 1 / the number of inputs is libsvm's default, and not scikit-learn's.
    gamma = "auto" if options["gamma"] is None else options["gamma"]
    return estimators.support_vectors(
        machine,
        kernel=_KERNELS[options["kernelType"]],
        degree=3 if options["degree"] is None else options["degree"],
        gamma=gamma,
        coef0=options["coef0"] or 0.0,
        shrinking=options["shrinking"],
        tol=1e-3 if options["terminationEpsilon"] is None else options["terminationEpsilon"],
        **own,
    )


def _or_default(options: Mapping[str, Any], name: str) -> float:
    return _DEFAULTS[name] if options[name] is None else float(options[name])


def _fitted(estimator: Any, *table: np.ndarray) -> Any:
    try:
        return budget.abandonable(lambda: estimator.fit(*table))
    except ValueError as error:
        raise EngineError(f"Classifier training failed: '{error}'.") from error


def _size(estimator: Any) -> dict[str, Any]:
    return {"numberOfSupportVectors": int(np.sum(estimator.n_support_))}


def _separating(training: TrainingSet, options: Mapping[str, Any], mode: str) -> Model:
    labels = Labels.of(training.targets)
    # A margin for each pair of classes, which `_by_margin` needs; scikit-learn would give one for each class.
    machine = _made(_MACHINES[options["svmType"]][0], options).set_params(decision_function_shape="ovo")
    if mode != modes.CLASSIFICATION:
        # Each fold needs a sample of each class.
        folds = min(_FOLDS, int(labels.counts.min()))
        if folds < 2:
            raise EngineError(f"{mode} needs at least two samples of each class to learn probabilities from.")
        estimator = _fitted(estimators.calibrated(machine, folds), training.table, labels.codes)
        return Model(of_shares(labels, estimator.predict_proba), {"classes": labels.classes.tolist()})
    estimator = _fitted(machine, training.table, labels.codes)
    decide = _by_margin if options["decisionProcedure"] == "Margin" else _by_votes

    def classify(table: np.ndarray) -> np.ndarray:
        return labels.classes[decide(estimator, table)]

    return Model({modes.CLASSIFICATION: classify}, {"classes": labels.classes.tolist()} | _size(estimator))


def _by_votes(estimator: Any, table: np.ndarray) -> np.ndarray:
    """One vote for each pair of classes."""
    votes: np.ndarray = estimator.predict(table)
    return votes


def _by_margin(estimator: Any, table: np.ndarray) -> np.ndarray:
    """The class with the largest sum of margins over its pairs (assumption: Google documents the name only)."""
    margins = estimator.decision_function(table)
    if margins.ndim == 1:
        return (margins > 0).astype(np.int64)
    count = len(estimator.classes_)
    total = np.zeros((len(table), count))
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    for column, (i, j) in enumerate(pairs):
        total[:, i] += margins[:, column]
        total[:, j] -= margins[:, column]
    return total.argmax(axis=1)


def _one_class(training: TrainingSet, options: Mapping[str, Any]) -> Model:
    """oneClass where a sample is like those of that class, else the other of 0 and 1."""
    member = 0 if options["oneClass"] is None else options["oneClass"]
    if member not in (0, 1):
        raise EngineError(_NOT_WHOLE.format(member))
    rows = training.table[training.targets == member]
    if not len(rows):
        raise EngineError(f"No training sample has the class {member} of oneClass.")
    estimator = _fitted(_made("OneClassSVM", options), rows)
    return Model(
        {modes.CLASSIFICATION: lambda table: np.where(estimator.predict(table) > 0, member, 1 - member)},
        _size(estimator),
    )


def naive_bayes(smoothing: float) -> Classifier:
    """Multinomial naive Bayes of whole numbers >= 0; negative inputs count nothing."""
    if smoothing < 0:
        raise EngineError(f"lambda must not be negative, got {smoothing:g}.")

    def fit(training: TrainingSet, mode: str) -> Model:
        labels = Labels.of(training.targets)
        numbers = _counted(training.table)
        totals = np.stack([numbers[labels.codes == code].sum(axis=0) for code in range(len(labels.classes))])
        with np.errstate(divide="ignore"):
            inputs = np.log(totals + smoothing) - np.log(
                totals.sum(axis=1, keepdims=True) + smoothing * totals.shape[1]
            )
            prior = np.log(labels.counts / len(labels.codes))

        def shares(table: np.ndarray) -> np.ndarray:
            scores = prior + _counted(table) @ np.maximum(inputs, -1e300).T
            scores -= scores.max(axis=1, keepdims=True)
            each = np.exp(scores)
            return each / each.sum(axis=1, keepdims=True)

        return Model(of_shares(labels, shares), {"classes": labels.classes.tolist()})

    return Classifier("smileNaiveBayes", _CLASSES, fit, {"lambda": smoothing})


def _counted(table: np.ndarray) -> np.ndarray:
    return np.floor(np.maximum(table, 0))
