"""EWMACD: the residuals of a seasonal model on control charts.

Source: E. Brooks, R. Wynne, V. Thomas, C. Blinn, J. Coulston, IEEE Trans. Geosci. Remote Sens. 52 (2014), 3316-3332:
harmonic regression of the training years, Shewhart's X-bar limits, an exponentially weighted moving average in units of
its control limits, and the signals that last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

DAYS = 365.0  # of the model's year
_LEAST_DETERMINANT = 1e-3  # of the terms' products; below it the observations do not tell the terms
_EXACT = 1e-12  # of a series' largest value: residuals below it are rounding
_LEAST_CHARTED = 4


@dataclass(frozen=True)
class Rules:
    """The parameters of ee.Algorithms.TemporalSegmentation.Ewmacd, under its defaults."""

    vegetation: float
    training_limit: float = 1.5  # standard deviations of a residual
    running_limit: float = 20.0
    weight: float = 0.3  # of the newest residual
    sigmas: float = 3.0
    rounding: bool = True
    persistence: int = 3


@dataclass(frozen=True)
class Chart:
    """Signals and residuals of all observations, and the regression: its coefficients, rmse and r-squared."""

    signals: np.ndarray
    coefficients: np.ndarray
    rmse: float
    r_squared: float
    residuals: np.ndarray


def terms(days: np.ndarray, harmonics: int) -> np.ndarray:
    """[observation, term]: 1, and the sine and cosine of each harmonic of the days of the year."""
    phase = 2 * np.pi * np.asarray(days, float) / DAYS
    waves = [wave(k * phase) for k in range(1, harmonics + 1) for wave in (np.sin, np.cos)]
    return np.column_stack([np.ones(len(phase)), *waves])


def charted(table: np.ndarray, series: np.ndarray, training: np.ndarray, rules: Rules) -> Chart | None:
    """The chart of a series with the terms [observation, term]; None where its training years have too few."""
    coefficients, error, total, count = _trained(table[training], series[training], float(rules.training_limit))
    if not count:
        return None
    residuals = series - table @ coefficients
    residuals[np.abs(residuals) <= _EXACT * np.abs(series).max()] = 0
    limits = (float(rules.training_limit), float(rules.running_limit), float(rules.vegetation))
    kept, deviation = _kept(series, residuals, training, limits)
    signals = np.zeros(len(series))
    if len(kept) >= _LEAST_CHARTED and deviation > 0:
        levels = _levels(residuals[kept], deviation, float(rules.weight), float(rules.sigmas), bool(rules.rounding))
        signals = _filled(_sustained(levels, rules.persistence), kept, len(series))
    return Chart(signals, coefficients, np.sqrt(error / count), 1 - error / total if total > 0 else 0.0, residuals)


@numba.njit(nogil=True, cache=True)
def _trained(table, series, limit):  # pragma: no cover (compiled)
    """The coefficients without outliers, the squares of errors and about the mean, and the count: 0 without a fit."""
    count, width = table.shape
    fit = np.zeros(width)
    chosen = np.ones(count, np.bool_)
    for _ in range(2):
        x, y = table[chosen], series[chosen]
        products = x.T @ x
        if len(y) <= width or abs(np.linalg.det(products)) < _LEAST_DETERMINANT:
            return fit, 0.0, 0.0, 0
        fit = np.linalg.solve(products, x.T @ y)
        away = y - x @ fit
        error, total, size = (away**2).sum(), ((y - y.mean()) ** 2).sum(), len(y)
        rough = _EXACT * np.abs(y).max() + limit * np.sqrt(error / (len(y) - 1))
        chosen = np.abs(series - table @ fit) <= rough
    return fit, error, total, size


@numba.njit(nogil=True, cache=True)
def _deviation(values):  # pragma: no cover (compiled)
    return np.sqrt(((values - values.mean()) ** 2).sum() / (len(values) - 1)) if len(values) > 1 else 0.0


@numba.njit(nogil=True, cache=True)
def _kept(series, residuals, training, limits):  # pragma: no cover (compiled)
    """The observations with vegetation and within the X-bar limits, and the deviation of the training ones of them."""
    first = _deviation(residuals[training])
    limit = np.where(training, limits[0], limits[1]) * first
    inside = (series > limits[2]) & (np.abs(residuals) < limit)
    return np.flatnonzero(inside), _deviation(residuals[inside & training])


@numba.njit(nogil=True, cache=True)
def _levels(residuals, deviation, weight, sigmas, rounding):  # pragma: no cover (compiled)
    """The moving averages as whole numbers: of control limits, towards 0, or as they are, to the nearest."""
    average = residuals[0]
    levels = np.zeros(len(residuals))
    for i in range(len(residuals)):
        average = average if i == 0 else (1 - weight) * average + weight * residuals[i]
        if rounding:
            spread = weight / (2 - weight) * (1 - (1 - weight) ** (2 * (i + 1)))
            levels[i] = np.trunc(average / (deviation * sigmas * np.sqrt(spread)))
        else:
            levels[i] = np.floor(average + 0.5)
    return levels + 0.0  # no negative zeros


@numba.njit(nogil=True, cache=True)
def _sustained(levels, persistence):  # pragma: no cover (compiled)
    """Levels of a sign that lasts; others take the level before them that did, or 0."""
    result, last, i = np.zeros(len(levels)), 0.0, 0
    while i < len(levels):
        end = i
        while end < len(levels) and np.sign(levels[end]) == np.sign(levels[i]):
            end += 1
        for k in range(i, end):
            last = levels[k] if end - i >= persistence else last
            result[k] = last
        i = end
    return result


@numba.njit(nogil=True, cache=True)
def _filled(levels, kept, count):  # pragma: no cover (compiled)
    """Levels at all observations: those left out take the one before; 0 before the first."""
    result, last, k = np.zeros(count), 0.0, 0
    for i in range(count):
        if k < len(kept) and kept[k] == i:
            last = levels[k]
            k += 1
        result[i] = last
    return result
