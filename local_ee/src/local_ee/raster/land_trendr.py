"""LandTrendr: a yearly series as straight segments between few vertices.

Source: R. Kennedy, Z. Yang, W. Cohen, Remote Sensing of Environment 114 (2010), 2897-2910: spikes dampened, vertices by
largest deviation, segments fitted one after the other, the model chosen by the p-value of its F.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

_EXACT = 1e-12  # of a series' variance: what deviates by less lies on the line
_TERMS = 200  # of a continued fraction


@dataclass(frozen=True)
class Rules:
    """The parameters of ee.Algorithms.TemporalSegmentation.LandTrendr, under its defaults."""

    segments: int
    spike: float = 0.9
    overshoot: int = 3
    no_one_year_recovery: bool = False
    recovery: float = 0.25
    p_value: float = 0.1
    best: float = 0.75


def segmented(years: np.ndarray, series: np.ndarray, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    """The fitted values of a series (increase: disturbance), and at which years its vertices are."""
    smooth = _without_spikes(np.asarray(series, float), rules.spike)
    limits = (float(rules.recovery), float(rules.p_value), float(rules.best), bool(rules.no_one_year_recovery))
    counts = (rules.segments + 1, rules.segments + 1 + rules.overshoot)
    return _segmented(np.asarray(years, float), smooth, counts, limits)


def fitted(years: np.ndarray, series: np.ndarray, vertices: np.ndarray, spike: float) -> np.ndarray:
    """The values of a series fitted by segments between given years of it (positions, in order)."""
    smooth = _without_spikes(np.asarray(series, float), spike)
    times = np.asarray(years, float)
    return np.interp(times, times[vertices], _anchored(times, smooth, np.asarray(vertices, np.int64)))


# Vertices are chosen one after the other by pixel, each from the errors of the last choice; series have some forty
# years, so that NumPy's calls would be most of the time.
@numba.njit(nogil=True, cache=True)
def _without_spikes(series, threshold):  # pragma: no cover (compiled)
    """A spike whose sides are alike to more than the threshold becomes their mean, the worst first."""
    y = series.copy()
    for _ in range(len(y)):
        worst, share = -1, threshold
        for i in range(1, len(y) - 1):
            height = max(abs(y[i] - y[i - 1]), abs(y[i] - y[i + 1]))
            if height > 0 and 1 - abs(y[i + 1] - y[i - 1]) / height > share:
                worst, share = i, 1 - abs(y[i + 1] - y[i - 1]) / height
        if worst < 0 or threshold >= 1:
            break
        y[worst] += share * ((y[worst - 1] + y[worst + 1]) / 2 - y[worst])
    return y


@numba.njit(nogil=True, cache=True)
def _line(x, y, start, stop):  # pragma: no cover (compiled)
    """Intercept and slope of the least squares of start ... stop (included)."""
    count = stop - start + 1
    mean_x, mean_y = x[start : stop + 1].mean(), y[start : stop + 1].mean()
    across, along = 0.0, 0.0
    for i in range(start, stop + 1):
        across += (x[i] - mean_x) * (y[i] - mean_y)
        along += (x[i] - mean_x) ** 2
    slope = across / along if count > 1 and along > 0 else 0.0
    return mean_y - slope * mean_x, slope


@numba.njit(nogil=True, cache=True)
def _candidates(x, y, most):  # pragma: no cover (compiled)
    """Vertices: both ends, and each time the farthest point from the line of the worst segment."""
    exact = _EXACT * y.var()
    chosen = np.zeros(len(x), np.bool_)
    chosen[0] = chosen[-1] = True
    for _ in range(most - 2):
        ends = np.flatnonzero(chosen)
        worst, error = -1, exact
        for k in range(len(ends) - 1):
            a, slope = _line(x, y, ends[k], ends[k + 1])
            total, far, point = 0.0, -1.0, -1
            for i in range(ends[k], ends[k + 1] + 1):
                away = abs(y[i] - a - slope * x[i])
                total += away * away
                if ends[k] < i < ends[k + 1] and away > far:
                    far, point = away, i
            if point >= 0 and total / (ends[k + 1] - ends[k] + 1) > error:
                worst, error = point, total / (ends[k + 1] - ends[k] + 1)
        if worst < 0:
            break
        chosen[worst] = True
    return np.flatnonzero(chosen)


@numba.njit(nogil=True, cache=True)
def _anchored(x, y, vertices):  # pragma: no cover (compiled)
    """Values at the vertices: the first segment by least squares, each other one from the end of that before it."""
    values = np.zeros(len(vertices))
    a, slope = _line(x, y, vertices[0], vertices[min(1, len(vertices) - 1)])
    values[0] = a + slope * x[vertices[0]]
    for k in range(1, len(vertices)):
        if k > 1:
            across, along = 0.0, 0.0
            for i in range(vertices[k - 1] + 1, vertices[k] + 1):
                step = x[i] - x[vertices[k - 1]]
                across += step * (y[i] - values[k - 1])
                along += step * step
            slope = across / along
        values[k] = values[k - 1] + slope * (x[vertices[k]] - x[vertices[k - 1]])
    return values


@numba.njit(nogil=True, cache=True)
def _together(x, y, vertices):  # pragma: no cover (compiled)
    """Values at the vertices: all segments at once by least squares."""
    count = len(vertices)
    normal, right = np.zeros((count, count)), np.zeros(count)
    k = 0
    for i in range(len(x)):
        while k < count - 2 and x[i] > x[vertices[k + 1]]:
            k += 1
        share = (x[i] - x[vertices[k]]) / (x[vertices[k + 1]] - x[vertices[k]])
        for p, own in ((k, 1 - share), (k + 1, share)):
            right[p] += own * y[i]
            normal[p, k] += own * (1 - share)
            normal[p, k + 1] += own * share
    return np.linalg.solve(normal, right)


@numba.njit(nogil=True, cache=True)
def _error(x, y, vertices, values):  # pragma: no cover (compiled)
    return ((y - np.interp(x, x[vertices], values)) ** 2).sum()


@numba.njit(nogil=True, cache=True)
def _without(vertices, k):  # pragma: no cover (compiled)
    return np.concatenate((vertices[:k], vertices[k + 1 :]))


@numba.njit(nogil=True, cache=True)
def _broken(x, vertices, values, span, recovery, no_one_year):  # pragma: no cover (compiled)
    """The position of a vertex of a recovery that is not allowed; -1 where all are, -2 where none can be taken out."""
    for k in range(len(vertices) - 1):
        drop, time = values[k] - values[k + 1], x[vertices[k + 1]] - x[vertices[k]]
        if drop > 0 and span > 0 and (drop / span / time > recovery or (no_one_year and time <= 1)):
            if len(vertices) == 2:
                return -2
            return k + 1 if k + 1 < len(vertices) - 1 else k
    return -1


@numba.njit(nogil=True, cache=True)
def _weakest(x, y, vertices, jointly):  # pragma: no cover (compiled)
    """The vertex without which the error grows least."""
    best, least = 1, np.inf
    for k in range(1, len(vertices) - 1):
        others = _without(vertices, k)
        values = _together(x, y, others) if jointly else _anchored(x, y, others)
        error = _error(x, y, others, values)
        if error < least:
            best, least = k, error
    return best


@numba.njit(nogil=True, cache=True)
def _model(x, y, vertices, limits, jointly):  # pragma: no cover (compiled)
    """The vertices and values of the chosen model, and the least p-value of all."""
    recovery, _, best, no_one_year = limits
    span = y.max() - y.min()
    # Filled and emptied: numba tells a list's type from what it holds.
    models, levels = [vertices], [np.inf]
    models.clear()
    levels.clear()
    while True:
        values = _together(x, y, vertices) if jointly else _anchored(x, y, vertices)
        broken = _broken(x, vertices, values, span, recovery, no_one_year)
        models.append(vertices)
        levels.append(1.0 if broken != -1 else _p_of_f(y, _error(x, y, vertices, values), 2 * len(vertices) - 2))
        if len(vertices) == 2:
            break
        out = broken if broken > 0 else _weakest(x, y, vertices, jointly)
        vertices = _without(vertices, out)
    least = min(levels)
    for k in range(len(models)):  # the most vertices first
        if levels[k] <= (2 - best) * least:
            vertices = models[k]
            break
    return vertices, _together(x, y, vertices) if jointly else _anchored(x, y, vertices), least


@numba.njit(nogil=True, cache=True)
def _segmented(x, y, counts, limits):  # pragma: no cover (compiled)
    vertices = _candidates(x, y, counts[1])
    while len(vertices) > counts[0]:
        vertices = _without(vertices, _weakest(x, y, vertices, True))
    chosen, values, level = _model(x, y, vertices, limits, False)
    if level > limits[1]:
        chosen, values, level = _model(x, y, vertices, limits, True)
    if level > limits[1]:
        chosen = np.array([0, len(x) - 1])
        values = np.full(2, y.mean())
    shown = np.zeros(len(x), np.bool_)
    shown[chosen] = True
    return np.interp(x, x[chosen], values), shown


@numba.njit(nogil=True, cache=True)
def _p_of_f(y, error, terms):  # pragma: no cover (compiled)
    """The p-value of F for a model of so many terms beside the mean; 1 where the series is too short for it."""
    total, free = ((y - y.mean()) ** 2).sum(), len(y) - terms - 1
    if free < 1 or total <= 0 or error >= total:
        return 1.0
    if error <= _EXACT * total:
        return 0.0
    return _beta_share(error / total, free / 2, terms / 2)


@numba.njit(nogil=True, cache=True)
def _beta_share(x, a, b):  # pragma: no cover (compiled)
    """The regularised incomplete beta function (https://dlmf.nist.gov/8.17#v, continued fraction by Lentz)."""
    # Beyond it the fraction converges slowly, and that of the other side fast.
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_share(1 - x, b, a)
    front = np.exp(_log_gamma(a + b) - _log_gamma(a) - _log_gamma(b) + a * np.log(x) + b * np.log1p(-x)) / a
    # Stands for 0, by which Lentz's method would divide.
    tiny = 1e-300
    value, c, d = 1.0, 1.0, 0.0
    for i in range(_TERMS):
        m = i // 2
        if i == 0:
            step = 1.0
        elif i % 2 == 0:
            step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 + step * d
        d = 1 / (d if abs(d) > tiny else tiny)
        c = 1 + step / c
        c = c if abs(c) > tiny else tiny
        value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return front * (value - 1)


@numba.njit(nogil=True, cache=True)
def _log_gamma(x):  # pragma: no cover (compiled)
    """Stirling's series (https://dlmf.nist.gov/5.11#i) after the argument was raised."""
    shift = 0.0
    # From 10 on the series' next term is less than 1e-10.
    while x < 10:
        shift -= np.log(x)
        x += 1
    return shift + (x - 0.5) * np.log(x) - x + 0.9189385332046727 + 1 / (12 * x) - 1 / (360 * x**3) + 1 / (1260 * x**5)
