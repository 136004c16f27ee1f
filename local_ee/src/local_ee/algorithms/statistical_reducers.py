"""Reducers of statistics: fits, correlations, moments, histograms, angles, runs and bits.

Output names as Google's list and reference say (https://developers.google.com/earth-engine/apidocs/ee-reducer-linearfit
and its kin). Assumptions: skewness and kurtosis are those of the population, the latter less 3; p-values are of
two-sided tests; correlations and trends take weights for masks only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.raster import correlating, relating
from local_ee.raster.accumulate import Collecting, Folding, Reduced
from local_ee.raster.pixel_type import DOUBLE, NAMED, PixelType
from local_ee.raster.reducing import Reducer, anything
from local_ee.raster.relating import Finish, Tupling, by_place

_BUCKETS = 256  # of a histogram without maxBuckets
_MOST_INPUTS = 1024  # of a regression: as many as a request may have bands


def _numbers(count: int) -> Callable[[PixelType], tuple[PixelType, ...]]:
    return lambda input_type: (DOUBLE,) * count


def _tupled(
    name: str, outputs: tuple[str, ...], finish: Finish, *, inputs: int = 1, weighted: bool = False, typed: Any = None
) -> Reducer:
    return Reducer(
        name,
        outputs,
        lambda: Tupling(inputs, finish),
        typed or _numbers(len(outputs)),
        inputs=inputs,
        streams=False,
        weighted=weighted,
    )


@algorithm("Reducer.linearFit")
def linear_fit() -> Reducer:
    """Scale and offset of the (weighted) least-squares line through x and y."""
    return _tupled("linearFit", ("scale", "offset"), relating.line, inputs=2, weighted=True)


@algorithm("Reducer.skew")
def skew() -> Reducer:
    """The third standardised moment."""
    return _tupled("skew", ("skew",), relating.standard_moment(3, 0), weighted=True)


@algorithm("Reducer.kurtosis")
def kurtosis() -> Reducer:
    """The fourth standardised moment, less the 3 of a normal distribution."""
    return _tupled("kurtosis", ("kurtosis",), relating.standard_moment(4, 3), weighted=True)


@algorithm("Reducer.pearsonsCorrelation")
def pearsons_correlation() -> Reducer:
    """The correlation of two inputs, and the p-value of none."""
    return _tupled("pearsonsCorrelation", ("correlation", "p-value"), by_place(correlating.pearson, 2), inputs=2)


@algorithm("Reducer.spearmansCorrelation")
def spearmans_correlation() -> Reducer:
    """The correlation of the ranks of two inputs, and the p-value of none."""
    return _tupled("spearmansCorrelation", ("correlation", "p-value"), by_place(correlating.spearman, 2), inputs=2)


@algorithm("Reducer.kendallsCorrelation")
def kendalls_correlation(numInputs: int) -> Reducer:
    """Kendall's tau-b of two inputs, or of one against its order, and its p-value."""
    if numInputs not in (1, 2):
        raise EngineError(f"Reducer.kendallsCorrelation: numInputs must be 1 or 2, got {numInputs}.")
    return _tupled("kendallsCorrelation", ("tau", "p-value"), by_place(correlating.kendall, 2), inputs=numInputs)


@algorithm("Reducer.sensSlope")
def sens_slope() -> Reducer:
    """Sen's slope of y over x, and the offset."""
    return _tupled("sensSlope", ("slope", "offset"), by_place(correlating.sens_slope, 2), inputs=2)


def check_counts(name: str, x: int, y: int) -> None:
    """EngineError where a regression has no inputs of a kind, or more than a request may have bands."""
    if min(x, y) < 1:
        raise EngineError(f"Reducer.{name}: numX and numY must be positive, got {x} and {y}.")
    if x + y > _MOST_INPUTS:
        raise EngineError(f"Reducer.{name}: numX and numY must be at most {_MOST_INPUTS} together, got {x} and {y}.")


def _regression(name: str, function: Callable[..., Any], x: int, y: int) -> Reducer:
    check_counts(name, x, y)

    def typed(input_type: PixelType) -> tuple[PixelType, ...]:
        return DOUBLE.of_dimensions(2), DOUBLE.of_dimensions(1)

    finish = by_place(function, 2, objects=True)
    return _tupled(name, ("coefficients", "residuals"), finish, inputs=x + y, weighted=True, typed=typed)


@algorithm("Reducer.linearRegression")
def linear_regression(numX: int, numY: int) -> Reducer:
    """Coefficients [x, y] of least squares, and the root mean square of the residuals [y], as arrays."""
    return _regression("linearRegression", partial(correlating.regression, inputs=numX), numX, numY)


@algorithm("Reducer.intervalMean")
def interval_mean(
    minPercentile: float,
    maxPercentile: float,
    maxBuckets: int | None,
    minBucketWidth: float | None,
    maxRaw: int | None,
) -> Reducer:
    """The mean of the samples between two percentiles, always exact."""
    if not 0 <= minPercentile <= maxPercentile <= 100:
        raise EngineError(f"Reducer.intervalMean: {minPercentile:g} to {maxPercentile:g} are no percentiles.")
    function = partial(correlating.interval_mean, low=minPercentile, high=maxPercentile)
    return _tupled("intervalMean", ("mean",), by_place(function, 1), weighted=True)


@algorithm("Reducer.countRuns")
def count_runs() -> Reducer:
    """The number of runs of equal samples; masked ones are left out."""
    return _tupled("countRuns", ("count",), by_place(correlating.runs, 1), typed=lambda input_type: (NAMED["int32"],))


class _Every:
    """How many samples there are, masked or not."""

    def __init__(self) -> None:
        self._count: Any = 0

    def add(self, inputs: Any) -> None:
        self._count = self._count + np.full(inputs[0][1].shape[1:], len(inputs[0][1]), np.int32)

    def result(self) -> list[Reduced]:
        count = np.asarray(self._count, np.int32)
        return [(count, np.ones(count.shape, bool))]


@algorithm("Reducer.countEvery")
def count_every() -> Reducer:
    """The number of samples, masked or not."""
    return Reducer(
        "countEvery", ("count",), _Every, lambda input_type: (NAMED["int32"],), weighted=False, any_type=anything
    )


def _bits(name: str, combined: Callable[..., np.ndarray]) -> Reducer:
    start = partial(Folding, combined, prepare=lambda values: values.astype(np.int64))
    return Reducer(name, (name,), start, lambda input_type: (input_type,), weighted=False)


@algorithm("Reducer.bitwiseAnd")
def bitwise_and() -> Reducer:
    """The bits that all samples have."""
    return _bits("bitwiseAnd", np.bitwise_and)


@algorithm("Reducer.bitwiseOr")
def bitwise_or() -> Reducer:
    """The bits that a sample has."""
    return _bits("bitwiseOr", np.bitwise_or)


def _bucketed(buckets: int | None, width: float | None) -> Callable[..., Any]:
    """Counts in at most so many buckets, rounded up to a power of two (apidocs ee-reducer-histogram)."""
    if buckets is not None and buckets < 2:
        raise EngineError(f"Reducer.histogram: maxBuckets must be at least 2, got {buckets}.")
    most = _BUCKETS if buckets is None else 1 << (buckets - 1).bit_length()
    return partial(correlating.histogram, buckets=most, width=width or 0.0)


@algorithm("Reducer.histogram")
def histogram(maxBuckets: int | None, minBucketWidth: float | None, maxRaw: int | None) -> Reducer:
    """A dictionary of bucketMin, bucketWidth, and of each bucket's mean and count."""
    counted = _bucketed(maxBuckets, minBucketWidth)
    return _gathered("histogram", lambda values, weights: counted(values, weights))


@algorithm("Reducer.autoHistogram")
def auto_histogram(
    maxBuckets: int | None, minBucketWidth: float | None, maxRaw: int | None, cumulative: bool
) -> Reducer:
    """An array of each bucket's lower bound and count."""
    counted = _bucketed(maxBuckets, minBucketWidth)
    return _gathered("autoHistogram", partial(correlating.bucket_table, options=counted, cumulative=cumulative))


def _gathered(name: str, finish: Callable[[np.ndarray, np.ndarray], Any]) -> Reducer:
    """A reducer whose result is one value for all samples, not one for each pixel."""

    def finished(values: np.ndarray, weights: np.ndarray) -> list[Reduced]:
        result = finish(np.ravel(values), np.ravel(weights))
        return [(result, np.asarray(result is not None))]

    return Reducer(name, ("histogram",), lambda: Collecting(finished), lambda t: (t,), streams=False, pixels=False)
