"""FORMA's trends of an even series: of all of it, of its worst window, and whether it is stable.

Sources: D. Hammer, R. Kraft, D. Wheeler, FORMA: Forest monitoring for action, Center for Global Development, working
paper 192 (2009), and its program, https://github.com/wri/forma-clj; B. Hansen, Journal of Policy Modeling 14 (1992),
517-533, equation 9, for the slope, the constant and the variance.
"""

from __future__ import annotations

import numba
import numpy as np

LEAST_VALUES = 4  # as many as a line, its variance and one more
_EXACT = 1e-24  # of the squares: less is no error
_SINGULAR = 1e12  # condition of the scores' products, beyond which they have no inverse


@numba.njit(nogil=True, cache=True)
def trends(places, series, window):  # pragma: no cover (compiled)
    """The slope, the least slope of a window, the t of the slope, and Hansen's statistic; NaN where there is no error.

    places: the series' own steps of time.
    """
    slope, residuals = _line(places, series)
    least = np.inf
    width = min(window, len(series))
    for first in range(len(series) - width + 1):
        own, _ = _line(places[first : first + width], series[first : first + width])
        least = min(least, own)
    squares = (residuals**2).sum()
    if squares <= _EXACT * (series**2).sum():
        return slope, least, np.nan, np.nan
    spread = ((places - places.mean()) ** 2).sum()
    student = slope / np.sqrt(squares / (len(series) - 2) / spread)
    away = places - places.mean()
    return slope, least, student, _stability(away / np.abs(away).max(), residuals / np.sqrt(squares / len(series)))


@numba.njit(nogil=True, cache=True)
def _line(places, series):  # pragma: no cover (compiled)
    """The slope of the least squares, and the residuals."""
    away = places - places.mean()
    slope = (away * series).sum() / (away**2).sum()
    return slope, series - series.mean() - slope * away


@numba.njit(nogil=True, cache=True)
def _stability(places, residuals):  # pragma: no cover (compiled)
    """Hansen's statistic of the slope, the constant and the variance together, whatever the units; NaN without one."""
    squares = residuals**2
    scores = np.stack((residuals * places, residuals, squares - squares.mean()))
    products = scores @ scores.T
    if np.linalg.cond(products) > _SINGULAR:
        return np.nan
    sums = np.zeros((3, 3))
    total = np.zeros(3)
    for i in range(len(residuals)):
        total += scores[:, i]
        sums += np.outer(total, total)
    return np.trace(np.linalg.solve(products * len(residuals), sums))
