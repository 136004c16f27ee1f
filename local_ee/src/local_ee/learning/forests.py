"""Forests, single trees and boosted trees, and classifiers of trees given as text.

Sources: L. Breiman, Machine Learning 45 (2001), 5-32; J. Friedman, Ann. Statist. 29 (2001), 1189-1232. The forests
grow by Smile's rules (bags without replacement, drawn class by class; with replacement where the fraction is 1) but
from another random generator: they are not Smile's trees, number by number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.learning import classifier as modes
from local_ee.learning import estimators, tree_text
from local_ee.learning.classifier import Classifier, Model, Output, of_shares
from local_ee.learning.training import Labels, TrainingSet
from local_ee.learning.tree import LEAF, Tree

_LOSSES = {"LeastSquares": "squared_error", "LeastAbsoluteDeviation": "absolute_error", "Huber": "huber"}
_OF_TREES = (modes.CLASSIFICATION, modes.REGRESSION, modes.PROBABILITY, modes.MULTIPROBABILITY)


def check_leaves(most: int | None, least: int) -> None:
    """EngineError for limits of a tree that no tree meets."""
    if most is not None and most < 2:
        raise EngineError(f"maxNodes must be at least 2, got {most}: a tree with one leaf cannot classify.")
    if least < 1:
        raise EngineError(f"minLeafPopulation must be at least 1, got {least}.")


def forest(options: Mapping[str, Any]) -> Classifier:
    """A random forest; options are those of Classifier.smileRandomForest."""

    def fit(training: TrainingSet, mode: str) -> Model:
        if mode in modes.OF_NUMBERS:
            return _regressing(training, options)
        return _classifying(training, options)

    return Classifier("smileRandomForest", modes.MODES, fit, options)


def _limits(training: TrainingSet, options: Mapping[str, Any]) -> dict[str, Any]:
    inputs = len(training.names)
    # The square root is Earth Engine's default.
    per_split = options["variablesPerSplit"] or max(int(np.sqrt(inputs)), 1)
    if not 1 <= per_split <= inputs:
        raise EngineError(f"variablesPerSplit must be 1 to {inputs}, the number of inputs, got {per_split}.")
    return {
        "max_leaf_nodes": options["maxNodes"],
        "min_samples_leaf": options["minLeafPopulation"],
        "max_features": per_split,
    }


def _bag(groups: Sequence[np.ndarray], fraction: float, chance: np.random.Generator) -> np.ndarray:
    """Rows to grow a tree with: a fraction of each group."""
    if fraction == 1:
        return np.concatenate([chance.choice(group, len(group)) for group in groups])
    parts = [chance.permutation(group)[: max(round(fraction * len(group)), 1)] for group in groups]
    return np.concatenate(parts)


def _grow(
    groups: Sequence[np.ndarray], options: Mapping[str, Any], make: Callable[[np.ndarray, int], Tree]
) -> list[tuple[Tree, np.ndarray]]:
    """Each tree with the rows of its bag."""
    # NumPy takes no seed below 0.
    chance = np.random.default_rng(abs(int(options["seed"])))
    grown = []
    for _ in range(options["numberOfTrees"]):
        budget.check()
        rows = _bag(groups, options["bagFraction"], chance)
        grown.append((make(rows, int(chance.integers(2**31))), rows))
    return grown


def _classifying(training: TrainingSet, options: Mapping[str, Any]) -> Model:
    labels = Labels.of(training.targets)
    count, limits = len(labels.classes), _limits(training, options)
    groups = [np.flatnonzero(labels.codes == code) for code in range(count)]
    grown = _grow(
        groups,
        options,
        lambda rows, seed: estimators.grow(
            training.table[rows], labels.codes[rows], seed=seed, classes=count, **limits
        ),
    )
    trees = [tree for tree, _ in grown]
    explanation = _explained(trees, training, labels.classes)
    explanation["outOfBagErrorEstimate"] = _out_of_bag(grown, training, lambda votes: votes.argmax(1) != labels.codes)
    return Model(_voting(labels, trees), explanation)


def _voting(labels: Labels, trees: Sequence[Tree]) -> dict[str, Output]:
    """Classes by the majority of trees, probabilities by the mean of the leaves' shares."""
    count = len(labels.classes)

    def votes(table: np.ndarray) -> np.ndarray:
        return np.stack([_vote(tree, table) for tree in trees], axis=1)

    def majority(table: np.ndarray) -> np.ndarray:
        tally = np.zeros((len(table), count))
        for tree in trees:
            budget.check()
            tally[np.arange(len(table)), _vote(tree, table)] += 1
        return modes.winners(labels, tally)

    outputs = of_shares(labels, lambda table: _mean(trees, table))
    return outputs | {modes.CLASSIFICATION: majority, modes.RAW: lambda table: labels.classes[votes(table)]}


def _vote(tree: Tree, table: np.ndarray) -> np.ndarray:
    winner: np.ndarray = tree.values.argmax(axis=1)[tree.leaves(table)]
    return winner


def _mean(trees: Sequence[Tree], table: np.ndarray) -> np.ndarray:
    total = np.zeros((len(table), trees[0].values.shape[1]))
    for tree in trees:
        budget.check()
        total += tree.predict(table)
    return total / len(trees)


def _regressing(training: TrainingSet, options: Mapping[str, Any]) -> Model:
    limits = _limits(training, options)
    grown = _grow(
        [np.arange(len(training.table))],
        options,
        lambda rows, seed: estimators.grow_regression(
            training.table[rows], training.targets[rows], seed=seed, **limits
        ),
    )
    trees = [tree for tree, _ in grown]
    explanation = _explained(trees, training, None)
    explanation["outOfBagErrorEstimate"] = _out_of_bag(
        grown, training, lambda means: (means[:, 0] - training.targets) ** 2, np.sqrt
    )
    return Model(_numbers(trees), explanation)


def _numbers(trees: Sequence[Tree]) -> dict[str, Output]:
    return {
        modes.REGRESSION: lambda table: _mean(trees, table)[:, 0],
        modes.RAW_REGRESSION: lambda table: np.column_stack([tree.predict(table) for tree in trees]),
    }


def _out_of_bag(
    grown: Sequence[tuple[Tree, np.ndarray]],
    training: TrainingSet,
    errors: Callable[[np.ndarray], np.ndarray],
    finish: Callable[[float], float] = float,
) -> float | None:
    """The mean error of samples by the trees whose bags lack them; None where every bag has every sample."""
    total = np.zeros((len(training.table), grown[0][0].values.shape[1]))
    seen = np.zeros(len(total))
    for tree, rows in grown:
        outside = np.ones(len(total), bool)
        outside[rows] = False
        total[outside] += tree.predict(training.table[outside])
        seen += outside
    if not seen.any():
        return None
    means = total / np.maximum(seen, 1)[:, None]
    return float(finish(float(np.mean(errors(means)[seen > 0]))))


def _explained(trees: Sequence[Tree], training: TrainingSet, classes: np.ndarray | None) -> dict[str, Any]:
    explanation: dict[str, Any] = {} if classes is None else {"classes": classes.tolist()}
    explanation["importance"] = dict(zip(training.names, _importance(trees, len(training.names)), strict=True))
    explanation["trees"] = [tree_text.written(tree, training.names, classes) for tree in trees]
    return explanation


def _importance(trees: Sequence[Tree], inputs: int) -> list[float]:
    """How much each input lowers the impurity (Gini, or squares), summed over the nodes of all trees."""
    total = np.zeros(inputs)
    for tree in trees:
        loss = tree.losses if tree.values.shape[1] == 1 else tree.counts * (1 - (tree.values**2).sum(axis=1))
        inner = np.flatnonzero(tree.inputs != LEAF)
        gain = loss[inner] - loss[tree.left[inner]] - loss[tree.right[inner]]
        np.add.at(total, tree.inputs[inner], gain)
    return [float(value) for value in total]


def cart(options: Mapping[str, Any]) -> Classifier:
    """One tree of all samples and inputs; options are those of Classifier.smileCart."""
    limits = {"max_leaf_nodes": options["maxNodes"], "min_samples_leaf": options["minLeafPopulation"], "seed": 0}

    def fit(training: TrainingSet, mode: str) -> Model:
        if mode == modes.REGRESSION:
            tree = estimators.grow_regression(training.table, training.targets, **limits)
            return Model(_numbers([tree]), _explained([tree], training, None))
        labels = Labels.of(training.targets)
        tree = estimators.grow(training.table, labels.codes, classes=len(labels.classes), **limits)
        return Model(_voting(labels, [tree]), _explained([tree], training, labels.classes))

    return Classifier("smileCart", _OF_TREES, fit, options)


def boosted(options: Mapping[str, Any]) -> Classifier:
    """Stochastic gradient boosting; options are those of Classifier.smileGradientTreeBoost."""
    common = {
        "n_estimators": options["numberOfTrees"],
        "learning_rate": options["shrinkage"],
        "subsample": options["samplingRate"],
        "max_leaf_nodes": options["maxNodes"],
        # scikit-learn would stop at 3; here only maxNodes does.
        "max_depth": None,
        # scikit-learn takes 32 bits and no sign.
        "random_state": int(options["seed"]) % 2**32,
    }
    if options["loss"] not in _LOSSES:
        raise EngineError(f"The loss must be one of {', '.join(_LOSSES)}, got '{options['loss']}'.")

    def fit(training: TrainingSet, mode: str) -> Model:
        if mode == modes.REGRESSION:
            estimator = estimators.boosting("GradientBoostingRegressor", loss=_LOSSES[options["loss"]], **common)
            budget.abandonable(lambda: estimator.fit(training.table, training.targets))
            return Model({modes.REGRESSION: estimator.predict}, _boosted_trees(estimator, training, {}))
        labels = Labels.of(training.targets)
        estimator = estimators.boosting("GradientBoostingClassifier", **common)
        budget.abandonable(lambda: estimator.fit(training.table, labels.codes))
        explanation = _boosted_trees(estimator, training, {"classes": labels.classes.tolist()})
        return Model(of_shares(labels, estimator.predict_proba), explanation)

    return Classifier("smileGradientTreeBoost", _OF_TREES, fit, options)


def _boosted_trees(estimator: Any, training: TrainingSet, explanation: dict[str, Any]) -> dict[str, Any]:
    trees = [estimators.of_regression(each) for each in estimator.estimators_.ravel()]
    return explanation | _explained(trees, training, None)


def of_texts(name: str, texts: Sequence[str]) -> Classifier:
    """The classifier of decision trees in text; their majority, or in REGRESSION mode their mean."""
    trees, names = tree_text.parse(texts)

    def raw(table: np.ndarray) -> np.ndarray:
        return np.column_stack([tree.predict(table)[:, 0] for tree in trees])

    def majority(table: np.ndarray) -> np.ndarray:
        votes = np.rint(raw(table)).astype(np.int64)
        values, codes = np.unique(votes, return_inverse=True)
        codes = codes.reshape(votes.shape)
        tally = np.stack([(codes == code).sum(axis=1) for code in range(len(values))], axis=1)
        winner: np.ndarray = values[tally.argmax(axis=1)]
        return winner

    outputs: dict[str, Output] = {
        modes.CLASSIFICATION: majority,
        modes.REGRESSION: lambda table: raw(table).mean(axis=1),
        modes.RAW: raw,
        modes.RAW_REGRESSION: raw,
    }
    explanation = {"numberOfTrees": len(trees), "trees": list(texts)}
    return Classifier(name, tuple(outputs), lambda training, mode: Model(outputs, explanation), schema=names)
