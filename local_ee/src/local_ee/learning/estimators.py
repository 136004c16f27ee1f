"""scikit-learn's estimators, made in one place; EngineError with the remedy where it is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.learning.tree import LEAF, Tree


def _library() -> Any:
    try:
        import sklearn.calibration
        import sklearn.ensemble
        import sklearn.svm
        import sklearn.tree
    except ImportError as error:
        raise EngineError("This classifier needs scikit-learn: pip install 'local-ee[learning]'.") from error
    return sklearn


def grow(table: np.ndarray, codes: np.ndarray, **options: Any) -> Tree:
    """A CART that classifies by Gini's impurity; options: max_leaf_nodes, min_samples_leaf, max_features, seed."""
    fitted = _grown("DecisionTreeClassifier", table, codes, options)
    tree = fitted.tree_
    own = tree.value[:, 0, :]
    shares = np.zeros((len(own), int(options["classes"])))
    shares[:, fitted.classes_] = own / own.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(shares > 0, np.log(shares), 0)
    return _tree(tree, shares, -2 * tree.n_node_samples * (shares * logs).sum(axis=1))


def grow_regression(table: np.ndarray, targets: np.ndarray, **options: Any) -> Tree:
    """A CART of least squares."""
    return of_regression(_grown("DecisionTreeRegressor", table, targets, options))


def _grown(name: str, table: np.ndarray, targets: np.ndarray, options: dict[str, Any]) -> Any:
    seed = int(options["seed"]) % 2**32
    estimator = getattr(_library().tree, name)(
        max_leaf_nodes=options.get("max_leaf_nodes"),
        min_samples_leaf=options.get("min_samples_leaf", 1),
        max_features=options.get("max_features"),
        random_state=seed,
    )
    return estimator.fit(table, targets)


def of_regression(fitted: Any) -> Tree:
    """The tree that a regression of scikit-learn grew."""
    return _tree(fitted.tree_, fitted.tree_.value[:, 0, :], fitted.tree_.n_node_samples * fitted.tree_.impurity)


def _tree(tree: Any, values: np.ndarray, losses: np.ndarray) -> Tree:
    is_leaf = tree.children_left < 0
    return Tree(
        np.where(is_leaf, LEAF, tree.feature).astype(np.int64),
        tree.threshold.astype(np.float64),
        np.zeros(len(is_leaf), bool),
        tree.children_left.astype(np.int64),
        tree.children_right.astype(np.int64),
        np.ascontiguousarray(values, np.float64),
        tree.n_node_samples.astype(np.int64),
        np.asarray(losses, np.float64),
    )


def boosting(name: str, **options: Any) -> Any:
    """GradientBoostingClassifier or GradientBoostingRegressor, not fitted."""
    return getattr(_library().ensemble, name)(**options)


def support_vectors(name: str, **options: Any) -> Any:
    """SVC, NuSVC, OneClassSVM, SVR or NuSVR (libsvm), not fitted."""
    return getattr(_library().svm, name)(**options)


def calibrated(estimator: Any, folds: int) -> Any:
    """Platt's sigmoid over the margins of an estimator, by cross-validation, as libsvm gives probabilities."""
    return _library().calibration.CalibratedClassifierCV(estimator, method="sigmoid", cv=folds, ensemble=False)
