"""Continuous change detection: segments of a series that one season and trend describes, and the breaks between.

Source: Z. Zhu, C. Woodcock, Remote Sensing of Environment 144 (2014), 152-171.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from local_ee.raster.harmonics import TERMS, cloudy, fit, inputs, predicted, terms_for

LEAST = 12  # observations with which a segment begins
NEAREST = 24  # observations of a like season that tell the error of a prediction
_NOTHING = 1e-12  # stands for no error where a fit is exact


@dataclass(frozen=True)
class Rules:
    """What decides on breaks. change, outlier: limits of the sum of squared relative residuals of all bands."""

    observations: int
    change: float
    outlier: float
    years: float
    penalty: float
    rounds: int


@dataclass(frozen=True)
class Segments:
    """One row a segment: positions of the first, last and breaking observation (-1: none), counts, and fits by band."""

    spans: np.ndarray  # [segment, 4]: first, last, break, count
    probability: np.ndarray
    coefficients: np.ndarray  # [segment, band, term], the trend in years
    rmse: np.ndarray
    magnitude: np.ndarray


def segments(
    years: np.ndarray, phase: np.ndarray, table: np.ndarray, bands: np.ndarray, clouds: np.ndarray, rules: Rules
) -> Segments:
    """The segments of series [band, observation]; bands, clouds: those that tell breaks, and Tmask's."""
    limits = (rules.change, rules.outlier, rules.years, rules.penalty)
    series = (np.ascontiguousarray(each, float) for each in (years, phase, table))
    spans, *others = _segments(*series, (bands, clouds), limits, (rules.observations, rules.rounds))
    return Segments(spans, *others)


# In what follows: data is (years, phase, inputs [observation, term - 1], table [band, observation]); expected is (bands
# that tell breaks, the median difference of neighbours by band); limits is (change, outlier, years, penalty); counts is
# (observations of a break, rounds of the lasso); rules is (limits, counts).


# A pixel's series is followed observation by observation, and what comes next depends on the model so far: there is
# nothing to do for many pixels at once. The fits are small, so the steps between them would be most of Python's time.
@numba.njit(nogil=True, cache=True)
def _fits(data, members, limits, counts):  # pragma: no cover (compiled)
    """Coefficients [band, term], residuals [band, member] and their errors by band."""
    _, _, x, table = data
    terms, count = terms_for(len(members)), len(members)
    coefficients, residuals = np.zeros((len(table), TERMS)), np.zeros((len(table), count))
    errors, own = np.empty(len(table)), x[members]
    for b in range(len(table)):
        series = table[b][members]
        coefficients[b] = fit(own, series, terms, limits[3], counts[1])
        residuals[b] = series - predicted(own, coefficients[b])
        errors[b] = np.sqrt((residuals[b] ** 2).sum() / max(count - terms, 1))
    return coefficients, residuals, errors


@numba.njit(nogil=True, cache=True)
def _away(data, at, model, scale):  # pragma: no cover (compiled)
    """Residuals by band of one observation, and the sum of their squares over the scales (0: a band is left out)."""
    _, _, x, table = data
    residuals, total = np.empty(len(table)), 0.0
    for b in range(len(table)):
        residuals[b] = table[b, at] - model[b, 0] - x[at] @ model[b, 1:]
        if scale[b] > 0:
            total += (residuals[b] / scale[b]) ** 2
    return residuals, total


@numba.njit(nogil=True, cache=True)
def _far(data, peek, model, scale):  # pragma: no cover (compiled)
    """The sum of squares of each observation."""
    totals = np.zeros(len(peek))
    for k in range(len(peek)):
        totals[k] = _away(data, peek[k], model, scale)[1]
    return totals


@numba.njit(nogil=True, cache=True)
def _scale(errors, expected):  # pragma: no cover (compiled)
    """By band the error to expect, at least the series' variation; 0 for bands that tell no breaks."""
    bands, variation = expected
    scale = np.zeros(len(errors))
    for b in bands:
        scale[b] = max(errors[b], variation[b], _NOTHING)
    return scale


@numba.njit(nogil=True, cache=True)
def _seasonal(phase, at, members, residuals, errors):  # pragma: no cover (compiled)
    """The errors of the observations of the nearest season, where there are more than these."""
    if len(members) <= NEAREST:
        return errors
    order = np.argsort(-np.cos(phase[members] - phase[at]))[:NEAREST]
    nearest = np.empty(len(errors))
    for b in range(len(errors)):
        nearest[b] = np.sqrt((residuals[b][order] ** 2).sum() / (NEAREST - TERMS))
    return nearest


@numba.njit(nogil=True, cache=True)
def _stable(years, members, model, residuals, scale):  # pragma: no cover (compiled)
    """How much of a change the trend, the start and the end of a first fit would be."""
    total = 0.0
    for b in range(len(scale)):
        if scale[b] > 0:
            trend = abs(model[b, 1] * (years[members[-1]] - years[members[0]]))
            ends = max(abs(residuals[b, 0]), abs(residuals[b, -1]))
            total += ((trend + ends) / scale[b]) ** 2
    return total


@numba.njit(nogil=True, cache=True)
def _ahead(removed, start, step, stop, most):  # pragma: no cover (compiled)
    """The next observations that are not removed, at most so many."""
    chosen, count, i = np.empty(most, np.int64), 0, start
    while i != stop and count < most:
        if not removed[i]:
            chosen[count] = i
            count += 1
        i += step
    return chosen[:count]


@numba.njit(nogil=True, cache=True)
def _window(removed, years, start, span):  # pragma: no cover (compiled)
    """The fewest observations from a start on that are enough for a first fit; none where there are not enough."""
    members = _ahead(removed, start, 1, len(years), len(years) - start)
    for count in range(LEAST, len(members) + 1):
        if years[members[count - 1]] - years[members[0]] >= span:
            return members[:count]
    return members[:0]


@numba.njit(nogil=True, cache=True)
def _hides(data, clouds, removed, members, variation):  # pragma: no cover (compiled)
    """Removes the clouds among the members; whether there were some."""
    years, phase, _, table = data
    hidden = False
    for b in clouds:
        far = cloudy(phase[members], years[members[-1]] - years[members[0]], table[b][members], variation[b])
        for k in range(len(members)):
            if far[k]:
                removed[members[k]] = hidden = True
    return hidden


@numba.njit(nogil=True, cache=True)
def _begun(data, removed, start, clouds, expected, rules):  # pragma: no cover (compiled)
    """The members of the first window from a start on that a stable model describes, and its fits; none at the end."""
    limits, counts = rules
    while True:
        members = _window(removed, data[0], start, limits[2])
        if len(members) == 0:
            return members, np.zeros((0, TERMS)), np.zeros(0)
        if _hides(data, clouds, removed, members, expected[1]):
            continue
        model, residuals, errors = _fits(data, members, limits, counts)
        scale = _scale(errors, expected)
        if _stable(data[0], members, model, residuals, scale) <= limits[0]:
            return members, model, scale
        start = members[0] + 1


@numba.njit(nogil=True, cache=True)
def _earlier(data, removed, members, fits, edge, rules):  # pragma: no cover (compiled)
    """The members with those before them, after an edge, that their model describes."""
    (model, scale), (limits, counts) = fits, rules
    i = members[0] - 1
    while i >= edge:
        before = _ahead(removed, i, -1, edge - 1, counts[0])
        if len(before) == 0:
            break
        far = _far(data, before, model, scale)
        if far.min() > limits[0]:
            break
        if far[0] > limits[1]:
            removed[before[0]] = True
        else:
            members = np.concatenate((before[:1], members))
        i = before[0] - 1
    return members


@numba.njit(nogil=True, cache=True)
def _grown(data, removed, members, expected, rules):  # pragma: no cover (compiled)
    """The members with all after them that belong to them, and the observations that break them (fewer at the end)."""
    (years, phase, _, _), (limits, counts) = data, rules
    model, residuals, errors = _fits(data, members, limits, counts)
    base, span = members, years[members[-1]] - years[members[0]]
    after = members[-1] + 1
    while True:
        peek = _ahead(removed, after, 1, len(years), counts[0])
        if len(peek) == 0:
            return members, peek
        scale = _scale(_seasonal(phase, peek[0], base, residuals, errors), expected)
        far = _far(data, peek, model, scale)
        if far.min() > limits[0]:
            return members, peek
        after = peek[0] + 1
        if far[0] > limits[1] or (far[0] > limits[0] and len(peek) < counts[0]):
            removed[peek[0]] = True
            continue
        members = np.append(members, peek[0])
        grown = years[members[-1]] - years[members[0]]
        if len(members) <= NEAREST or grown >= limits[2] * span:
            model, residuals, errors = _fits(data, members, limits, counts)
            base, span = members, grown


@numba.njit(nogil=True, cache=True)
def _median_residuals(data, model, peek):  # pragma: no cover (compiled)
    width = len(model)
    out, each = np.zeros(width), np.empty((width, len(peek)))
    for k in range(len(peek)):
        # `out` is still 0, and stands for scales by which no sum is made.
        each[:, k] = _away(data, peek[k], model, out)[0]
    for b in range(width):
        out[b] = np.median(each[b])
    return out


@numba.njit(nogil=True, cache=True)
def _variation(table):  # pragma: no cover (compiled)
    """The median difference of neighbours, by band."""
    variation = np.zeros(len(table))
    for b in range(len(table)):
        if table.shape[1] > 1:
            variation[b] = np.median(np.abs(np.diff(table[b])))
    return variation


@numba.njit(nogil=True, cache=True)
def _segments(years, phase, table, chosen, limits, counts):  # pragma: no cover (compiled)
    bands, clouds = chosen
    most, width = len(years) // LEAST + 1, len(table)
    spans, probability = np.full((most, 4), -1, np.int64), np.zeros(most)
    coefficients, rmse = np.zeros((most, width, TERMS)), np.zeros((most, width))
    magnitude = np.zeros((most, width))
    data, expected, rules = (years, phase, inputs(years, phase), table), (bands, _variation(table)), (limits, counts)
    removed, number, edge = np.zeros(len(years), np.bool_), 0, 0
    while True:
        members, model, scale = _begun(data, removed, edge, clouds, expected, rules)
        if len(members) == 0:
            break
        members = _earlier(data, removed, members, (model, scale), edge, rules)
        members, peek = _grown(data, removed, members, expected, rules)
        model, _, errors = _fits(data, members, limits, counts)
        spans[number, 0], spans[number, 1], spans[number, 3] = members[0], members[-1], len(members)
        coefficients[number], rmse[number] = model, errors
        if len(peek):
            spans[number, 2], probability[number] = peek[0], len(peek) / counts[0]
            magnitude[number] = _median_residuals(data, model, peek)
        number += 1
        if len(peek) < counts[0]:
            break
        edge = peek[0]
    return spans[:number], probability[:number], coefficients[:number], rmse[:number], magnitude[:number]
