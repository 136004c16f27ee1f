"""Vegetation Change Tracker: forest, its disturbances and their size in a yearly series of forest z-scores.

Source: C. Huang, S. Goward, J. Masek, N. Thomas, Z. Zhu, J. Vogelmann, Remote Sensing of Environment 114 (2010),
183-198, sections 3.3.1 (gaps) and 3.3.2 (changes); thresholds that the paper leaves open as https://github.com/c11/lcms
has them, a port of the authors' program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

B3, B4, B5, B7, THERMAL, NDVI, DNBR, COMP = range(8)  # rows of the scores
BANDS = ("B3", "B4", "B5", "B7", "thermal", "NDVI", "DNBR", "COMP")
SHADOW, SNOW, WATER = 3, 5, 6  # of the land cover, where 1 to SNOW are filled
NON_FOREST, FOREST, CHANGING, PERMANENT_WATER, BETWEEN, DISTURBED, TRANSITION = range(1, 8)  # of the result
NO_MAGNITUDE = -1.0  # of a pixel that does not change
_SINGLE_LOW, _LOW, _SINGLE_HIGH, _HIGH = range(4)  # a year below or above the threshold, alone or not
_NO_FOREST = 25.4  # mean and deviation without a forest year
_LARGEST = 25.0  # magnitude
_MAGNITUDES = (COMP, B4, NDVI, DNBR)  # in the order of the result


@dataclass(frozen=True)
class Rules:
    """The parameters of ee.Algorithms.TemporalSegmentation.VCT, under its defaults."""

    most_score: float = 4.0  # of the composite, for forest
    least_ndvi: float = 0.45
    forest_range: float = 3.0  # of the composite above its least


def tracked(scores: np.ndarray, cover: np.ndarray, rules: Rules) -> np.ndarray:
    """[class and the magnitudes in COMP, B4, NDVI and DNBR, year] of scores [band, year] and a land cover [year]."""
    limits = (float(rules.most_score), float(rules.least_ndvi), float(rules.forest_range))
    return _tracked(np.asarray(scores, float), np.asarray(cover, float), limits)


@numba.njit(nogil=True, cache=True)
def _is_cloud(scores, i, k, warm):  # pragma: no cover (compiled)
    """Year i is brighter and colder than its neighbour k."""
    above = scores[COMP, i] - scores[COMP, k]
    return above > 3.5 and scores[THERMAL, i] < scores[THERMAL, k] - warm and scores[THERMAL, i] < 0.5


@numba.njit(nogil=True, cache=True)
def _is_dark(scores, i):  # pragma: no cover (compiled)
    return scores[B4, i] < 1 and scores[B5, i] < 1 and scores[B7, i] < 1


@numba.njit(nogil=True, cache=True)
def _is_bad(scores, i):  # pragma: no cover (compiled)
    """Year i looks like cloud or shadow beside its neighbours."""
    last = scores.shape[1] - 1
    if i in (0, last):
        k = 1 if i == 0 else last - 1
        return _is_cloud(scores, i, k, 1.5) or (scores[COMP, i] < scores[COMP, k] - 3.5 and _is_dark(scores, i))
    left, right = scores[COMP, i] - scores[COMP, i - 1], scores[COMP, i] - scores[COMP, i + 1]
    cold = min(scores[THERMAL, i - 1], scores[THERMAL, i + 1]) - 1
    cloud = max(left, right) > 3.5 and min(left, right) > 2.5 and scores[THERMAL, i] < min(cold, 0.5)
    return cloud or (min(left, right) < -3.5 and max(left, right) < -2.5 and _is_dark(scores, i))


@numba.njit(nogil=True, cache=True)
def _filled(scores, bad):  # pragma: no cover (compiled)
    """The scores with bad years from the good ones beside them, in a line between two; as they are if most are bad."""
    good = np.flatnonzero(~bad)
    if 2 * bad.sum() > len(bad) or not len(good):
        return scores
    filled = scores.copy()
    for band in range(len(scores)):
        for i in np.flatnonzero(bad):
            k = np.searchsorted(good, i)
            left, right = good[k - 1 if k > 0 else 0], good[k if k < len(good) else len(good) - 1]
            if k == 0 or k == len(good):
                filled[band, i] = scores[band, right if k == 0 else left]
            else:
                share = (i - left) / (right - left)
                filled[band, i] = scores[band, left] + share * (scores[band, right] - scores[band, left])
    return filled


@numba.njit(nogil=True, cache=True)
def _low_end(composite, spread):  # pragma: no cover (compiled)
    """The least score; or the least above one before it, if that is far above; infinite where no score is."""
    least, second = np.inf, np.inf
    for score in composite:
        least = min(least, score)
        if least < score < second:
            second = score
    return least if second - least < spread else second


@numba.njit(nogil=True, cache=True)
def _longest(composite, low, high):  # pragma: no cover (compiled)
    """The first and the last year (left out) of the longest time between two scores."""
    start, stop, first = 0, 0, 0
    for i in range(len(composite) + 1):
        if i == len(composite) or not low <= composite[i] <= high:
            if i - first > stop - start:
                start, stop = first, i
            first = i + 1
    return start, stop


@numba.njit(nogil=True, cache=True)
def _forest(scores, start, stop):  # pragma: no cover (compiled)
    """Means and deviations of the bands in the forest years."""
    means, deviations = np.full(len(scores), _NO_FOREST), np.full(len(scores), _NO_FOREST)
    for band in range(len(scores)):
        if stop > start:
            means[band] = scores[band, start:stop].mean()
            deviations[band] = scores[band, start:stop].std() if stop > start + 1 else means[band] / 3
    return means, deviations


@numba.njit(nogil=True, cache=True)
def _labels(composite, threshold):  # pragma: no cover (compiled)
    """Whether each year is low or high, alone or not; and how many times of one sort there are."""
    labels, runs, i = np.zeros(len(composite), np.int64), 0, 0
    while i < len(composite):
        end = i
        while end < len(composite) and (composite[end] > threshold) == (composite[i] > threshold):
            end += 1
        label = _LOW if end - i > 1 else _SINGLE_LOW
        labels[i:end] = label + (_SINGLE_HIGH if composite[i] > threshold else 0)
        runs += 1
        i = end
    return labels, runs


@numba.njit(nogil=True, cache=True)
def _smoothed(labels, alone, other, lasting):  # pragma: no cover (compiled)
    """Years alone beside lasting ones of the other sort join them, and so do the single ones of it behind them."""
    count = len(labels)
    i = 1
    while i < count - 1:
        before, after = labels[i - 1], labels[i + 1]
        if labels[i] == alone and before == lasting and after in (lasting, other):
            labels[i] = lasting
            while after == other and i + 1 < count and labels[i + 1] == other:
                i += 1
                labels[i] = lasting
        i += 1
    i = count - 2
    while i > 0:
        if labels[i] == alone and labels[i + 1] == lasting and labels[i - 1] == other:
            labels[i] = lasting
            while i > 0 and labels[i - 1] == other:
                i -= 1
                labels[i] = lasting
        i -= 1


@numba.njit(nogil=True, cache=True)
def _disturb(scores, means, result, start, end):  # pragma: no cover (compiled)
    """Writes a disturbance from its first year to its last: classes, and magnitudes at the peak above the forest."""
    composite = scores[COMP]
    end = min(end, len(composite) - 1)
    peak = start
    result[0, start] = DISTURBED
    for i in range(start + 1, end + 1):
        result[0, i] = TRANSITION
        beside = max(composite[i - 1], composite[min(i + 1, end)])
        if i < end and composite[i] > composite[peak] and composite[i] - beside < 2:
            peak = i
    for row in range(len(_MAGNITUDES)):
        result[row + 1, start] = scores[_MAGNITUDES[row], peak] - means[_MAGNITUDES[row]]


@numba.njit(nogil=True, cache=True)
def _begins(scores, means, deviations, i):  # pragma: no cover (compiled)
    """Whether a year is the first of a minor disturbance within forest."""
    margin = 1.0 if i == 0 else 0.0
    bright = scores[COMP, i] > means[COMP] + 1.5 + deviations[COMP] + margin
    bright = bright or scores[B5, i] > means[B5] + 1 + deviations[B5] + margin
    below = scores[NDVI, i] < means[NDVI] and scores[DNBR, i] < means[DNBR]
    bare = scores[DNBR, i] < means[DNBR] - 0.15 - deviations[DNBR] - 0.1 * margin
    bare = bare or scores[NDVI, i] < means[NDVI] - 0.15 - deviations[NDVI] - 0.1 * margin
    sudden = i == 0
    if i > 0:
        step = scores[:, i] - scores[:, i - 1]
        sudden = step[COMP] > 2 or step[B5] > 2 or step[DNBR] < -0.2
    return ((bright and below) or bare) and sudden


@numba.njit(nogil=True, cache=True)
def _goes_on(scores, means, deviations, i):  # pragma: no cover (compiled)
    """Whether a year is a further one of a minor disturbance."""
    bright = scores[COMP, i] > means[COMP] + 1 + deviations[COMP] / 2
    bright = bright or scores[B5, i] > means[B5] + 1 + deviations[B5] / 2
    below = scores[NDVI, i] < means[NDVI] or scores[DNBR, i] < means[DNBR]
    bare = scores[DNBR, i] < means[DNBR] - 0.1 - deviations[DNBR]
    return (bright and below) or bare or scores[NDVI, i] < means[NDVI] - 0.1 - deviations[NDVI]


@numba.njit(nogil=True, cache=True)
def _minor(scores, bad, forest, span, result, starts):  # pragma: no cover (compiled)
    """Writes the minor disturbances of a time of forest of more than three years; appends their first years."""
    start, end = span
    means, deviations = forest
    i = start
    while end >= start + 3 and i <= end:
        if bad[i] or not _begins(scores, means, deviations, i):
            i += 1
            continue
        k = i + 1
        while k <= end and not bad[k] and _goes_on(scores, means, deviations, k):
            k += 1
        if k - i > 1:
            _disturb(scores, means, result, i, k)
            starts.append(i)
        i = k


@numba.njit(nogil=True, cache=True)
def _changes(scores, bad, forest, labels, result):  # pragma: no cover (compiled)
    """Writes classes and magnitudes of a pixel that changes; the first years of its disturbances."""
    starts = [0]
    starts.clear()
    i = 0
    while i < len(labels):
        end = i
        while end < len(labels) - 1 and labels[end + 1] == labels[i]:
            end += 1
        if labels[i] == _HIGH or (labels[i] == _SINGLE_HIGH and end == len(labels) - 1):
            _disturb(scores, forest[0], result, i, end)
            starts.append(i)
        else:
            result[0, i : end + 1] = BETWEEN
            if labels[i] == _LOW:
                _minor(scores, bad, forest, (i, end), result, starts)
        i = end + 1
    return starts


@numba.njit(nogil=True, cache=True)
def _lasting_class(ndvi, cover, streak, low, limits, runs):  # pragma: no cover (compiled)
    """The class of a pixel that does not change; CHANGING for others."""
    years, (start, stop) = len(ndvi), streak
    third = years // 3
    wet = (cover == WATER) | (cover == SHADOW)
    share, shadow = wet.sum() / years, (cover == SHADOW).sum() / years
    if wet[:third].sum() > 1 and wet[years - third :].sum() > 1 and share > 0.4 and share > 2 * shadow:
        return PERMANENT_WATER
    length = stop - start - (cover[start:stop] == WATER).sum()
    if runs > 0.33 * years or low > limits[0] or ndvi.max() < limits[1]:
        return NON_FOREST
    if length < 3 and 1 < start < years - 1 - length:
        return NON_FOREST
    if length < 1:
        return PERMANENT_WATER if share > 0.15 else NON_FOREST
    return CHANGING


@numba.njit(nogil=True, cache=True)
def _tracked(scores, cover, limits):  # pragma: no cover (compiled)
    years = scores.shape[1]
    bad = np.array([(0 < cover[i] <= SNOW) or _is_bad(scores, i) for i in range(years)])
    scores = _filled(scores, bad)
    low = _low_end(scores[COMP], limits[2])
    start, stop = _longest(scores[COMP], low, low + limits[2])
    forest = _forest(scores, start, stop)
    level = forest[0][COMP]
    labels, runs = _labels(scores[COMP], level + limits[2] * max(1.0, min(level / 5, 1.67)))
    _smoothed(labels, _SINGLE_LOW, _SINGLE_HIGH, _HIGH)
    _smoothed(labels, _SINGLE_HIGH, _SINGLE_LOW, _LOW)
    result = np.zeros((1 + len(_MAGNITUDES), years))
    starts = _changes(scores, bad, forest, labels, result)
    lasting = _lasting_class(scores[NDVI], cover, (start, stop), low, limits, runs)
    if lasting != CHANGING or not len(starts):
        result[0] = FOREST if lasting == CHANGING else lasting
        result[1:] = NO_MAGNITUDE
        return result
    result[1] = np.minimum(result[1], _LARGEST)
    for first in (starts[0], starts[-1]):
        result[1, first] = max(result[1, first], 0.0)
        result[3:, first] = np.minimum(np.maximum(result[3:, first], -1.0), 1.0)
    return result
