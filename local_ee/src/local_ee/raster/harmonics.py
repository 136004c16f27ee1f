"""Fits of a season and a trend: lasso or least squares of up to three harmonics, and clouds by a robust season.

Sources: Z. Zhu, C. Woodcock, Remote Sensing of Environment 144 (2014), 152-171 (the terms); J. Friedman, T. Hastie,
R. Tibshirani, J. Stat. Softw. 33 (2010), 1-22 (coordinate descent, inputs scaled to one standard deviation); Z. Zhu,
C. Woodcock, Remote Sensing of Environment 152 (2014), 217-234 (Tmask).
"""

from __future__ import annotations

import numba
import numpy as np

TERMS = 8  # offset, trend, and cosine and sine of one, two and three turns a year
_SETTLED = 1e-9  # of the standard deviation of a series
_ROUNDS = 10  # of the robust fit
_TUNING, _MAD = 4.685, 0.6745  # of the bisquare; of a normal distribution
CLOUD = 4.89  # Tmask's factor of the series' variation


# Called from ccdc.py's loops for every pixel and window; matrices of eight columns, too small for calls from Python.
@numba.njit(nogil=True, cache=True)
def inputs(years, phase):  # pragma: no cover (compiled)
    """[observation, term - 1]: the trend and the harmonics at each time."""
    table = np.empty((len(years), TERMS - 1))
    table[:, 0] = years
    for k in range(3):
        table[:, 1 + 2 * k] = np.cos((k + 1) * phase)
        table[:, 2 + 2 * k] = np.sin((k + 1) * phase)
    return table


@numba.njit(nogil=True, cache=True)
def terms_for(count):  # pragma: no cover (compiled)
    """How many terms so many observations carry: three for each."""
    return 4 if count < 18 else (6 if count < 24 else TERMS)


@numba.njit(nogil=True, cache=True)
def fit(table, series, terms, penalty, rounds):  # pragma: no cover (compiled)
    """The coefficients of all terms (0 beyond `terms`) of one series; a penalty or rounds of 0: least squares."""
    count, size = len(series), terms - 1
    mean_y, x = series.mean(), np.zeros((count, size))
    means, deviations = np.empty(size), np.empty(size)
    for k in range(size):
        means[k] = table[:, k].mean()
        deviations[k] = table[:, k].std()
        if deviations[k] > 0:
            x[:, k] = (table[:, k] - means[k]) / deviations[k]
    y = series - mean_y
    if penalty <= 0 or rounds <= 0:
        scaled = np.linalg.lstsq(x, y)[0]
    else:
        scaled = _lasso(x.T @ x / count, x.T @ y / count, penalty, rounds, _SETTLED * y.std())
    coefficients = np.zeros(TERMS)
    coefficients[0] = mean_y
    for k in range(size):
        if deviations[k] > 0:
            coefficients[k + 1] = scaled[k] / deviations[k]
            coefficients[0] -= coefficients[k + 1] * means[k]
    return coefficients


@numba.njit(nogil=True, cache=True)
def _lasso(gram, right, penalty, rounds, settled):  # pragma: no cover (compiled)
    """Coordinate descent on half the mean square error plus the penalty times the sum of sizes."""
    scaled = np.zeros(len(right))
    for _ in range(rounds):
        change = 0.0
        for k in range(len(right)):
            if gram[k, k] <= 0:
                continue
            own = right[k] - gram[k] @ scaled + gram[k, k] * scaled[k]
            size = max(abs(own) - penalty, 0.0) / gram[k, k]
            updated = size if own > 0 else -size
            change = max(change, abs(updated - scaled[k]))
            scaled[k] = updated
        if change <= settled:
            break
    return scaled


@numba.njit(nogil=True, cache=True)
def predicted(table, coefficients):  # pragma: no cover (compiled)
    """The fitted values."""
    return coefficients[0] + table @ coefficients[1:]


@numba.njit(nogil=True, cache=True)
def cloudy(phase, span, series, variation):  # pragma: no cover (compiled)
    """Which observations lie far from a robust season and trend of a series (span: its years)."""
    count = len(series)
    x = np.ones((count, 5))
    slow = phase / max(np.ceil(span), 1.0)
    x[:, 1], x[:, 2], x[:, 3], x[:, 4] = np.cos(phase), np.sin(phase), np.cos(slow), np.sin(slow)
    weights = np.ones(count)
    residuals = series - series.mean()
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        coefficients = np.linalg.lstsq(x * root.reshape(-1, 1), series * root)[0]
        residuals = series - x @ coefficients
        scale = np.median(np.abs(residuals)) / _MAD
        if scale <= 0:
            break
        share = np.minimum(np.abs(residuals) / (_TUNING * scale), 1.0)
        weights = (1 - share**2) ** 2
    return np.abs(residuals) > CLOUD * variation
