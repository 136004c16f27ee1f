"""Composite2Change: a yearly series as straight segments between few of its values, and what each change is.

Source: T. Hermosilla, M. Wulder, J. White, N. Coops, G. Hobart, Remote Sensing of Environment 158 (2015), 220-234
(bottom-up segmentation: E. Keogh, S. Chu, D. Hart, M. Pazzani, ICDM 2001, 289-296), and the authors' program,
https://github.com/saveriofrancini/C2C-GEE.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

CHANGES = ("changeDate", "value", "magnitude", "duration", "rate")
AFTER = ("postMagnitude", "postDuration", "postRate")
REGROWTH = ("indexRegrowth", "recoveryIndicator", "regrowth60", "regrowth80", "regrowth100")
METRICS = (*CHANGES, *AFTER, *REGROWTH)
LEAST_VALUES = 3  # that are no gaps
_LATER = 5  # values after a change, for its regrowth
_SHARES = (0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Rules:
    """The parameters of ee.Algorithms.TemporalSegmentation.C2c for one band, under its defaults."""

    error: float = 0.075
    segments: int = 6
    infill: bool = True
    spikes: float = 0.85
    spike_size: float = 0.1
    is_interpolated: bool = True  # the series that regrows
    is_relative: bool = False  # regrowth, to the loss
    losses_only: bool = False


def changes(times: np.ndarray, series: np.ndarray, rules: Rules) -> np.ndarray | None:
    """[metric, change] of a series in which 0 is a gap, with NaN where a change has none; None with few values."""
    if np.count_nonzero(series) < LEAST_VALUES:
        return None
    values = np.array(series, float)
    if rules.infill:
        _fill(values)
    if rules.spikes < 1:
        _despike(values, float(rules.spikes), float(rules.spike_size))
    vertices = _vertices(times, values, float(rules.error), rules.segments)
    table = _metrics(times, values, vertices)
    regrown = np.interp(times, times[vertices], values[vertices]) if rules.is_interpolated else values
    _regrow(times, regrown, vertices, table, bool(rules.is_relative))
    return table[:, table[2] < 0] if rules.losses_only else table


@numba.njit(nogil=True, cache=True)
def _valued(values, i, step):  # pragma: no cover (compiled)
    """The next position that is no gap; -1 where there is none."""
    if i >= 0:
        i += step
        while 0 <= i < len(values):
            if values[i] != 0:
                return i
            i += step
    return -1


@numba.njit(nogil=True, cache=True)
def _fill(values):  # pragma: no cover (compiled)
    """Gaps take the value beside them on the side that changes less; a last value that changes more is no change."""
    for i in range(len(values)):
        if values[i] != 0:
            continue
        left, right = _valued(values, i, -1), _valued(values, i, 1)
        left2, right2 = _valued(values, left, -1), _valued(values, right, 1)
        side = right
        if left2 >= 0 and right2 >= 0:
            if abs(values[left] - values[left2]) < abs(values[right] - values[right2]):
                side = left
        elif left2 >= 0 and right < 0:
            side = left
        values[i] = values[side]
    if abs(values[-1] - values[-2]) >= abs(values[-2] - values[-3]):
        values[-1] = values[-2]


@numba.njit(nogil=True, cache=True)
def _despike(values, tolerance, size):  # pragma: no cover (compiled)
    """Values far from the mean of their neighbours take it, where these are alike."""
    for i in range(1, len(values) - 1):
        middle = (values[i - 1] + values[i + 1]) / 2
        away = abs(values[i] - middle)
        if away > size and abs(values[i - 1] - values[i + 1]) < (1 - tolerance) * away:
            values[i] = middle


@numba.njit(nogil=True, cache=True)
def _cost(times, values, start, stop):  # pragma: no cover (compiled)
    """The error of a straight line between two values."""
    slope = (values[stop] - values[start]) / (times[stop] - times[start])
    total = 0.0
    for i in range(start + 1, stop):
        total += (values[i] - values[start] - slope * (times[i] - times[start])) ** 2
    return np.sqrt(total / (stop - start))


@numba.njit(nogil=True, cache=True)
def _vertices(times, values, error, segments):  # pragma: no cover (compiled)
    """The values that remain when those without which the error is least were taken out, one after the other."""
    vertices = np.arange(len(values))
    costs = np.array([_cost(times, values, i, i + 2) for i in range(len(values) - 2)])
    while len(costs):
        k = np.argmin(costs)
        if costs[k] >= error and len(costs) < segments:
            break
        vertices = np.concatenate((vertices[: k + 1], vertices[k + 2 :]))
        costs = np.concatenate((costs[:k], costs[k + 1 :]))
        for beside in range(k - 1 if k > 0 else 0, k + 1 if k < len(costs) else len(costs)):
            costs[beside] = _cost(times, values, vertices[beside], vertices[beside + 2])
    return vertices


@numba.njit(nogil=True, cache=True)
def _metrics(times, values, vertices):  # pragma: no cover (compiled)
    """[metric, change], without those of regrowth."""
    table = np.full((len(METRICS), len(vertices)), np.nan)
    table[0], table[1] = times[vertices], values[vertices]
    for k in range(1, len(vertices)):
        height, time = table[1, k] - table[1, k - 1], table[0, k] - table[0, k - 1]
        table[2, k], table[3, k], table[4, k] = height, time, height / time
        table[5, k - 1], table[6, k - 1], table[7, k - 1] = height, time, height / time
    return table


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _regrow(times, values, vertices, table, is_relative):  # pragma: no cover (compiled)
    """Writes how the series regrows after each change but the first and the last."""
    for k in range(1, len(vertices) - 1):
        change, before, height = table[1, k], table[1, k - 1], table[2, k]
        first = vertices[k]
        if first + _LATER < len(values):
            table[8, k] = values[first + _LATER] - change
            table[9, k] = table[8, k] / height
        for row in range(len(_SHARES)):
            for i in range(first + 1, len(values)):
                share = (change - values[i]) / height if is_relative else values[i] / before
                if share >= _SHARES[row]:
                    table[10 + row, k] = times[i] - times[first]
                    break
