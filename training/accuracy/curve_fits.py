"""Curves of calibration fitted to counts: temperature, Platt, beta and isotonic.

Temperature scaling: Guo et al. 2017, ICML, "On Calibration of Modern Neural Networks". Platt 1999, "Probabilistic
outputs for support vector machines". Beta: Kull et al. 2017, AISTATS, "Beta calibration". Isotonic: Zadrozny and Elkan
2002, KDD. Pixels are counted in fine steps of probability first, so any amount of them takes the same memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

from isamap.training.checkpoints.curve import Curve

# A map stores 255 steps of probability: the curve bends nowhere between two of them.
KNOTS = 257
LEAST_SLOPE = 1e-3  # mixed into every curve, so that it increases strictly
_EDGE = 1e-6  # probabilities of 0 and 1 have no logarithm


@dataclass(frozen=True)
class Counts:
    """For steps of probability: their mean probability, how many known pixels, and how many of them impervious."""

    mean_N: np.ndarray
    pixels_N: np.ndarray
    impervious_N: np.ndarray

    def __post_init__(self) -> None:
        positive = self.impervious_N.sum()
        if not 0 < positive < self.pixels_N.sum():
            raise ValueError("the labels hold one class only: a curve cannot be fitted to them, take another split")


Function = Callable[[np.ndarray], np.ndarray]


def fitted(method: str, counts: Counts) -> Curve:
    """The curve of a method of METHODS; ValueError for another name."""
    if method not in METHODS:
        raise ValueError(f"curve {method!r} is not known: choose one of {', '.join(METHODS)}")
    knots = np.sin(np.pi / 2 * np.linspace(0, 1, KNOTS)) ** 2  # closer together near 0 and 1, where curves bend most
    knots[[0, -1]] = 0, 1
    # Isotonic curves have flat steps; without a slope, different probabilities would become equal and lose their order.
    values = (1 - LEAST_SLOPE) * np.maximum.accumulate(METHODS[method](counts)(knots)) + LEAST_SLOPE * knots
    return Curve(method, tuple(knots.tolist()), tuple(np.clip(values, 0, 1).tolist()))


def log_loss(probability_N: np.ndarray, counts: Counts) -> float:
    """Mean negative logarithm of the probability of the true class."""
    p = np.clip(probability_N, _EDGE, 1 - _EDGE)
    hits, misses = counts.impervious_N, counts.pixels_N - counts.impervious_N
    return float(-(hits * np.log(p) + misses * np.log(1 - p)).sum() / counts.pixels_N.sum())


def _temperature(counts: Counts) -> Function:
    # The inverse temperature: the loss is convex in it, in the temperature it is not.
    (inverse,) = _least(counts, lambda p, c: c[0] * logit(p), [1.0], [(1e-3, 1e3)])
    return lambda p: expit(inverse * logit(_inner(p)))


def _platt(counts: Counts) -> Function:
    slope, shift = _least(counts, lambda p, c: c[0] * logit(p) + c[1], [1.0, 0.0], [(0, 1e3), (-50, 50)])
    return lambda p: expit(slope * logit(_inner(p)) + shift)


def _beta(counts: Counts) -> Function:
    def logits(p: np.ndarray, c: np.ndarray) -> np.ndarray:
        return c[0] * np.log(p) - c[1] * np.log(1 - p) + c[2]

    # Slopes of at least 0, as Kull et al. demand: a curve that falls would exchange the classes.
    best = _least(counts, logits, [1.0, 1.0, 0.0], [(0, 1e3), (0, 1e3), (-50, 50)])
    return lambda p: expit(logits(_inner(p), best))


def _isotonic(counts: Counts) -> Function:
    # Steps without a pixel have no share, and weight 0 would still make a knot of them.
    has_pixels_N = counts.pixels_N > 0
    mean, pixels = counts.mean_N[has_pixels_N], counts.pixels_N[has_pixels_N].astype(float)
    shares = isotonic_regression(counts.impervious_N[has_pixels_N] / pixels, weights=pixels).x
    return lambda p: np.interp(p, mean, shares)


def _least(counts: Counts, logits: Callable, start: list[float], limits: list[tuple[float, float]]) -> np.ndarray:
    """The coefficients with the least log loss; it is convex in them, so there is one minimum."""
    mean = _inner(counts.mean_N)
    # L-BFGS-B, because slopes have bounds: Kull et al. and a curve that keeps its order demand none below 0.
    result = minimize(lambda c: log_loss(expit(logits(mean, c)), counts), start, bounds=limits, method="L-BFGS-B")
    return result.x


def _inner(p: np.ndarray) -> np.ndarray:
    return np.clip(p, _EDGE, 1 - _EDGE)


METHODS: dict[str, Callable[[Counts], Function]] = {
    "temperature": _temperature,
    "platt": _platt,
    "beta": _beta,
    "isotonic": _isotonic,
}
