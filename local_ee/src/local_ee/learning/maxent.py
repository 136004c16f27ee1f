"""Maximum entropy models of presence: exponential models of the background with bounded weights.

Sources: S. Phillips, R. Anderson and R. Schapire, Ecol. Model. 190 (2006), 231-259; S. Phillips and M. Dudik,
Ecography 31 (2008), 161-175 (feature classes by sample size, regularization); S. Phillips et al., Ecography 40 (2017),
887-893 (cloglog). The weights minimise the same convex loss as Maxent's, here by L-BFGS-B.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.learning import classifier as modes
from local_ee.learning.classifier import Classifier, Model
from local_ee.learning.training import TrainingSet

FORMATS = ("raw", "logistic", "cloglog", "cumulative")
_KNOTS = 25  # of hinges and thresholds, for each input
# Regularization by the number of presences (Phillips and Dudik 2008, table 2; as in Maxent 3.3 and later).
_BETA_LINEAR = ((10, 30, 100), (1.0, 0.2, 0.05))
_BETA_QUADRATIC = ((0, 10, 17, 30, 100), (1.3, 0.8, 0.5, 0.25, 0.05))
_BETA_PRODUCT = ((0, 10, 17, 30, 100), (2.6, 1.6, 0.9, 0.55, 0.05))
_BETA_CATEGORICAL = ((0, 10, 17), (0.65, 0.5, 0.25))
_BETA_THRESHOLD = ((0, 100), (2.0, 1.0))
_BETA_HINGE = ((0, 1), (0.5, 0.5))
_MOST_ROUNDS = 500
# A term that is the same at all presences has no spread, and nothing would bound its weight.
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Terms:
    """The functions of the inputs: scaled inputs, squares, products, steps, hinges and categories.

    categories: for each input the values that it had in training, or None where it is continuous.
    """

    classes: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    categories: tuple[np.ndarray | None, ...]

    def scaled(self, table: np.ndarray) -> np.ndarray:
        return (table - self.low) / np.where(self.high > self.low, self.high - self.low, 1)

    def of(self, table: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """Columns [sample, term], and the class of each."""
        continuous = [i for i, values in enumerate(self.categories) if values is None]
        own = self.scaled(table)[:, continuous]
        columns: list[np.ndarray] = []
        names: list[str] = []
        for name in self.classes:
            made = _COLUMNS[name](own)
            columns += made
            names += [name] * len(made)
        for i, values in enumerate(self.categories):
            if values is not None:
                columns += [(table[:, i] == value).astype(float) for value in values]
                names += ["categorical"] * len(values)
        if not columns:
            raise EngineError("amnhMaxent has no feature class: allow linear, or use autoFeature.")
        return np.column_stack(columns), tuple(names)


def _columns(table: np.ndarray) -> list[np.ndarray]:
    return list(table.T)


def _squares(table: np.ndarray) -> list[np.ndarray]:
    return list((table**2).T)


def _products(table: np.ndarray) -> list[np.ndarray]:
    count = table.shape[1]
    return [table[:, i] * table[:, j] for i in range(count) for j in range(i + 1, count)]


def _steps(table: np.ndarray) -> list[np.ndarray]:
    knots = (np.arange(_KNOTS) + 0.5) / _KNOTS
    return [(column > knot).astype(float) for column in table.T for knot in knots]


def _hinges(table: np.ndarray) -> list[np.ndarray]:
    knots = np.arange(_KNOTS) / _KNOTS
    up = [np.maximum(column - knot, 0) / (1 - knot) for column in table.T for knot in knots]
    return up + [np.maximum(1 - knot - column, 0) / (1 - knot) for column in table.T for knot in knots]


_COLUMNS = {"linear": _columns, "quadratic": _squares, "product": _products, "threshold": _steps, "hinge": _hinges}
_BETAS = {
    "linear": (_BETA_LINEAR, "betaLqp"),
    "quadratic": (_BETA_QUADRATIC, "betaLqp"),
    "product": (_BETA_PRODUCT, "betaLqp"),
    "threshold": (_BETA_THRESHOLD, "betaThreshold"),
    "hinge": (_BETA_HINGE, "betaHinge"),
    "categorical": (_BETA_CATEGORICAL, "betaCategorical"),
}


def maximum_entropy(options: Mapping[str, Any]) -> Classifier:
    """Options are those of Classifier.amnhMaxent."""
    if options["outputFormat"] not in FORMATS:
        raise EngineError(f"outputFormat must be one of {', '.join(FORMATS)}, got '{options['outputFormat']}'.")
    if options["randomTestPoints"]:
        raise EngineError("The local engine holds no test points back: randomTestPoints must be 0.")
    bands = ("probability", "clamp") if options["writeClampGrid"] else ("probability",)

    def fit(training: TrainingSet, mode: str) -> Model:
        return _fitted(training, options)

    return Classifier("amnhMaxent", (modes.PROBABILITY,), fit, options, modes.PROBABILITY, bands=bands, arrays=())


def _classes(count: int, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Feature classes by the number of presences, or those that are allowed."""
    if not options["autoFeature"]:
        return tuple(name for name in _COLUMNS if options[name])
    feature_classes = ["linear"]
    if count >= options["l2lqThreshold"]:
        feature_classes.append("quadratic")
    if count >= options["lq2lqptThreshold"]:
        feature_classes.append("product")
    if count >= options["hingeThreshold"]:
        feature_classes.append("hinge")
    return tuple(feature_classes)


def _fitted(training: TrainingSet, options: Mapping[str, Any]) -> Model:
    presence = training.targets == 1
    if not np.isin(training.targets, (0, 1)).all() or not presence.any() or presence.all():
        raise EngineError("amnhMaxent learns from presences (class 1) and background (class 0); it needs both.")
    present, background = training.table[presence], _background(training, presence, options)
    terms = Terms(
        _classes(len(present), options),
        training.table.min(axis=0),
        training.table.max(axis=0),
        _categories(training, options["categoricalNames"] or ()),
    )
    columns, names = terms.of(present)
    grounds, _ = terms.of(background)
    betas = _regularization(columns, names, options)
    weights = budget.abandonable(lambda: _weights(columns.mean(axis=0), grounds, betas))
    scores = grounds @ weights
    shift = float(np.logaddexp.reduce(scores))
    raw = np.exp(scores - shift)
    # 0 log 0 counts as 0, which NumPy's is not.
    entropy = float(-(raw * np.log(np.maximum(raw, 1e-300))).sum())
    predict = _Prediction(terms, weights, shift, entropy, np.sort(raw), options)
    contribution = {"numberOfTerms": len(weights), "entropy": entropy, "featureClasses": list(terms.classes)}
    return Model({modes.PROBABILITY: predict}, contribution)


def _background(training: TrainingSet, presence: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
    present, background = training.table[presence], training.table[~presence]
    if options["addAllSamplesToBackground"]:
        return np.concatenate([background, present])
    if not options["addSamplesToBackground"]:
        return background
    rows = {row.tobytes() for row in background}
    new = [row for row in present if row.tobytes() not in rows]
    return np.concatenate([background, np.array(new).reshape(-1, background.shape[1])])


def _categories(training: TrainingSet, names: Sequence[str]) -> tuple[np.ndarray | None, ...]:
    for name in names:
        if name not in training.names:
            raise EngineError(f"categoricalNames has '{name}', which is not among the inputs {list(training.names)}.")
    columns = zip(training.names, training.table.T, strict=True)
    return tuple(np.unique(column) if name in names else None for name, column in columns)


def _regularization(columns: np.ndarray, names: Sequence[str], options: Mapping[str, Any]) -> np.ndarray:
    """The bound of each term: a factor by the number of presences, times the standard error of the term's mean."""
    count = len(columns)
    spread = np.maximum(columns.std(axis=0), _LEAST_SPREAD) / np.sqrt(count)
    factors = []
    for name in names:
        (sizes, values), option = _BETAS[name]
        automatic = float(np.interp(count, sizes, values))
        factors.append(automatic if options[option] < 0 else options[option])
    return np.array(factors) * spread * options["betaMultiplier"]


def _weights(means: np.ndarray, grounds: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """Minimises log sum exp(grounds w) - means w + sum betas |w|; the weights as differences of numbers >= 0."""
    from scipy.optimize import minimize

    size = len(means)

    def loss(both: np.ndarray) -> tuple[float, np.ndarray]:
        weights = both[:size] - both[size:]
        scores = grounds @ weights
        # Less the greatest score no exponential overflows.
        top = scores.max()
        raw = np.exp(scores - top)
        total = raw.sum()
        slope = grounds.T @ (raw / total) - means
        value = top + np.log(total) - means @ weights + betas @ (both[:size] + both[size:])
        return float(value), np.concatenate([slope + betas, betas - slope])

    result = minimize(
        loss,
        np.zeros(2 * size),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * (2 * size),
        options={"maxiter": _MOST_ROUNDS},
    )
    weights: np.ndarray = result.x[:size] - result.x[size:]
    return weights


@dataclass(frozen=True)
class _Prediction:
    """The modeled probability of rows, and how much clamping changes it."""

    terms: Terms
    weights: np.ndarray
    shift: float
    entropy: float
    raw: np.ndarray
    options: Mapping[str, Any]

    def __call__(self, table: np.ndarray) -> np.ndarray:
        inside = np.clip(table, self.terms.low, self.terms.high)
        free = self._output(table)
        clamped = self._output(inside)
        value = clamped if self.options["doClamp"] else free
        if not self.options["extrapolate"]:
            value = np.where((inside == table).all(axis=1), value, 0)
        return np.column_stack([value, np.abs(free - clamped)]) if self.options["writeClampGrid"] else value[:, None]

    def _output(self, table: np.ndarray) -> np.ndarray:
        columns, _ = self.terms.of(table)
        # exp(709) is the last that a float64 holds.
        logs = np.clip(columns @ self.weights - self.shift, -700, 700)
        return _FORMATS[self.options["outputFormat"]](self, logs)

    def cumulative(self, raw: np.ndarray) -> np.ndarray:
        """The percentage of the background's probability that is at most as large."""
        sums = np.concatenate([[0], np.cumsum(self.raw)])
        return 100 * sums[np.searchsorted(self.raw, raw, side="right")]


_FORMATS = {
    "raw": lambda model, logs: np.exp(logs),
    "logistic": lambda model, logs: 1 / (1 + np.exp(-np.clip(logs + model.entropy, -700, 700))),
    "cloglog": lambda model, logs: 1 - np.exp(-np.exp(np.clip(logs + model.entropy, -700, 50))),
    "cumulative": lambda model, logs: model.cumulative(np.exp(logs)),
}
