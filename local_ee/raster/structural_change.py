"""Breaks of a linear regression: the partition of a series with the least sum of squares, its size by Schwarz's BIC.

Sources: J. Bai, P. Perron, J. Appl. Econometrics 18 (2003), 1-22 (dynamic programming over all segments); A. Zeileis,
C. Kleiber, W. Kraemer, K. Hornik, Comput. Stat. Data Anal. 44 (2003), 109-123 (R's strucchange::breakpoints).
"""

from __future__ import annotations

from itertools import pairwise

import numba
import numpy as np

_EXACT = 1e-18  # of a series' sum of squares: less is no error


def breaks(table: np.ndarray, series: np.ndarray, spacing: int, most: int) -> list[int]:
    """The first positions of all segments but the first. table [observation, term]; at most so many breaks."""
    count = len(series)
    most = min(most, max(-(-count // spacing) - 2, 0))
    errors = _errors(np.ascontiguousarray(table, float), np.ascontiguousarray(series, float), spacing)
    floor = max(_EXACT * float(((series - series.mean()) ** 2).sum()), np.finfo(float).tiny)
    best, starts = np.inf, _partition(errors, spacing, 0)
    for number in range(most + 1):
        partition = _partition(errors, spacing, number)
        if len(partition) < number:
            break
        edges = [0, *partition, count]
        total = max(sum(errors[a, b - 1] for a, b in pairwise(edges)), floor)
        # -2 log likelihood with a variance, and the logarithm of the count for every parameter
        level = count * (np.log(total) + 1 - np.log(count) + np.log(2 * np.pi))
        level += np.log(count) * (table.shape[1] + 1) * (number + 1)
        if level < best:
            best, starts = level, partition
    return [int(start) for start in starts]


@numba.njit(nogil=True, cache=True)
def _errors(table, series, spacing):  # pragma: no cover (compiled)
    """The sum of squared residuals of each segment [first, last]; infinite for those shorter than the spacing."""
    count, _terms = table.shape
    errors = np.full((count, count), np.inf)
    for first in range(count - spacing + 1):
        x, y = table[first : first + spacing], series[first : first + spacing]
        fit = np.linalg.lstsq(x, y)[0]
        inverse = np.linalg.pinv(x.T @ x)
        error = ((y - x @ fit) ** 2).sum()
        errors[first, first + spacing - 1] = error
        for last in range(first + spacing, count):
            gain = inverse @ table[last]
            scale = 1 + table[last] @ gain
            away = series[last] - table[last] @ fit
            error += away * away / scale
            fit += gain * (away / scale)
            inverse -= np.outer(gain, gain) / scale
            errors[first, last] = error
    return errors


@numba.njit(nogil=True, cache=True)
def _partition(errors, spacing, number):  # pragma: no cover (compiled)
    """The first positions of the segments after so many breaks, of the least sum; fewer where there is no room."""
    count = len(errors)
    least = errors[0].copy()
    before = np.zeros((number + 1, count), np.int64)
    for k in range(1, number + 1):
        total = np.full(count, np.inf)
        for last in range((k + 1) * spacing - 1, count):
            for start in range(k * spacing, last - spacing + 2):
                own = least[start - 1] + errors[start, last]
                if own < total[last]:
                    total[last] = own
                    before[k, last] = start
        least = total
    if not np.isfinite(least[count - 1]):
        return np.zeros(0, np.int64)
    starts, last = np.zeros(number, np.int64), count - 1
    for k in range(number, 0, -1):
        starts[k - 1] = before[k, last]
        last = starts[k - 1] - 1
    return starts
