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
    numbers = (rules.change, rules.outlier, rules.years, rules.penalty)
    series = (np.ascontiguousarray(each, float) for each in (years, phase, table))
    spans, *others = _segments(*series, bands, clouds, numbers, (rules.observations, rules.rounds))
    return Segments(spans, *others)


@numba.njit(nogil=True, cache=True)
def _fits(x, table, members, rule):  # pragma: no cover (compiled)
    """Coefficients [band, term], residuals [band, member] and their errors by band."""
    terms, count = terms_for(len(members)), len(members)
    coefficients, residuals = np.zeros((len(table), TERMS)), np.zeros((len(table), count))
    own = x[members]
    for b in range(len(table)):
        series = table[b][members]
        coefficients[b] = fit(own, series, terms, rule[0], rule[1])
        residuals[b] = series - predicted(own, coefficients[b])
    errors = np.empty(len(table))
    for b in range(len(table)):
        errors[b] = np.sqrt((residuals[b] ** 2).sum() / max(count - terms, 1))
    return coefficients, residuals, errors


@numba.njit(nogil=True, cache=True)
def _away(x, table, at, model, scale):  # pragma: no cover (compiled)
    """Residuals by band of one observation, and the sum of their squares over the scales (0: a band is left out)."""
    residuals, total = np.empty(len(table)), 0.0
    for b in range(len(table)):
        residuals[b] = table[b, at] - model[b, 0] - x[at] @ model[b, 1:]
        if scale[b] > 0:
            total += (residuals[b] / scale[b]) ** 2
    return residuals, total


@numba.njit(nogil=True, cache=True)
def _scale(phase, at, members, residuals, errors, variation, bands):  # pragma: no cover (compiled)
    """By band the error to expect: of the fit at this season, at least the series' variation; 0 for other bands."""
    scale, count = np.zeros(len(errors)), len(members)
    order = np.arange(count)
    if count > NEAREST:
        order = np.argsort(-np.cos(phase[members] - phase[at]))[:NEAREST]
    for b in bands:
        error = errors[b]
        if count > NEAREST:
            error = np.sqrt((residuals[b][order] ** 2).sum() / (NEAREST - TERMS))
        scale[b] = max(error, variation[b], _NOTHING)
    return scale


@numba.njit(nogil=True, cache=True)
def _stable(x, years, members, model, residuals, scale, change):  # pragma: no cover (compiled)
    """Whether a first fit has no trend, start or end that a change would give it."""
    total = 0.0
    for b in range(len(scale)):
        if scale[b] > 0:
            trend = abs(model[b, 1] * (years[members[-1]] - years[members[0]]))
            ends = max(abs(residuals[b, 0]), abs(residuals[b, -1]))
            total += ((trend + ends) / scale[b]) ** 2
    return total <= change


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
def _earlier(x, table, removed, members, model, scale, numbers, start, observations):  # pragma: no cover (compiled)
    """The members with those before them that their model describes."""
    i = members[0] - 1
    while i >= start:
        before = _ahead(removed, i, -1, start - 1, observations)
        if len(before) == 0:
            break
        broken, first = True, 0.0
        for k in range(len(before)):
            total = _away(x, table, before[k], model, scale)[1]
            first = total if k == 0 else first
            broken &= total > numbers[0]
        if broken:
            break
        if first > numbers[1]:
            removed[before[0]] = True
        else:
            members = np.concatenate((before[:1], members))
        i = before[0] - 1
    return members


@numba.njit(nogil=True, cache=True)
def _median_residuals(x, table, model, peek):  # pragma: no cover (compiled)
    out, none = np.zeros(len(table)), np.zeros(len(table))
    each = np.empty((len(table), len(peek)))
    for k in range(len(peek)):
        each[:, k] = _away(x, table, peek[k], model, none)[0]
    for b in range(len(table)):
        out[b] = np.median(each[b])
    return out


@numba.njit(nogil=True, cache=True)
def _segments(years, phase, table, bands, clouds, numbers, counts):  # pragma: no cover (compiled)
    change, _, least_years, penalty = numbers
    observations, rounds = counts
    rule = (penalty, rounds)
    total, width = len(years), len(table)
    most = total // LEAST + 1
    spans, probability = np.full((most, 4), -1, np.int64), np.zeros(most)
    coefficients, rmse = np.zeros((most, width, TERMS)), np.zeros((most, width))
    magnitude = np.zeros((most, width))
    x, removed = inputs(years, phase), np.zeros(total, np.bool_)
    variation = np.zeros(width)
    for b in range(width):
        if total > 1:
            variation[b] = np.median(np.abs(np.diff(table[b])))
    found, start, edge = 0, 0, 0
    while True:
        members = _window(removed, years, start, least_years)
        if len(members) == 0:
            break
        hidden = False
        for b in clouds:
            span = years[members[-1]] - years[members[0]]
            far = cloudy(phase[members], span, table[b][members], variation[b])
            for k in range(len(members)):
                if far[k]:
                    removed[members[k]] = True
                    hidden = True
        if hidden:
            continue
        model, residuals, errors = _fits(x, table, members, rule)
        scale = np.zeros(width)
        for b in bands:
            scale[b] = max(errors[b], variation[b], _NOTHING)
        if not _stable(x, years, members, model, residuals, scale, change):
            start = members[0] + 1
            continue
        members = _earlier(x, table, removed, members, model, scale, numbers, edge, observations)
        members, peek, model = _grown(years, phase, x, table, removed, members, variation, bands, numbers, counts)
        model, residuals, errors = _fits(x, table, members, rule)
        spans[found, 0], spans[found, 1], spans[found, 3] = members[0], members[-1], len(members)
        coefficients[found], rmse[found] = model, errors
        if len(peek):
            spans[found, 2] = peek[0]
            probability[found] = len(peek) / observations
            magnitude[found] = _median_residuals(x, table, model, peek)
        found += 1
        if len(peek) < observations:
            break
        start = edge = peek[0]
    return spans[:found], probability[:found], coefficients[:found], rmse[:found], magnitude[:found]


@numba.njit(nogil=True, cache=True)
def _grown(years, phase, x, table, removed, members, variation, bands, numbers, counts):  # pragma: no cover (compiled)
    """The members with all after them that belong to them, and the observations that break them (fewer at the end)."""
    change, outlier, least_years, penalty = numbers
    observations, rounds = counts
    rule = (penalty, rounds)
    model, residuals, errors = _fits(x, table, members, rule)
    base, span = members, years[members[-1]] - years[members[0]]
    after = members[-1] + 1
    while True:
        peek = _ahead(removed, after, 1, len(years), observations)
        if len(peek) == 0:
            return members, peek, model
        scale = _scale(phase, peek[0], base, residuals, errors, variation, bands)
        far = np.zeros(len(peek))
        for k in range(len(peek)):
            far[k] = _away(x, table, peek[k], model, scale)[1]
        if far.min() > change:
            return members, peek, model
        after = peek[0] + 1
        if far[0] > outlier or (far[0] > change and len(peek) < observations):
            removed[peek[0]] = True
            continue
        members = np.append(members, peek[0])
        grown = years[members[-1]] - years[members[0]]
        if len(members) <= NEAREST or grown >= least_years * span:
            model, residuals, errors = _fits(x, table, members, rule)
            base, span = members, grown
