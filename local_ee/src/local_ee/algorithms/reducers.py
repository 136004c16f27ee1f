"""The reducers (Reducer.*)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.raster import accumulate, ranking
from local_ee.raster.accumulate import Collecting, Counting, Folding, Reduced, Sums, Together
from local_ee.raster.compound import Tuples
from local_ee.raster.pixel_type import BOOLEAN, DOUBLE, NAMED, PixelType
from local_ee.raster.reducing import Reducer, anything, numbers_only


def _mean_type(input_type: PixelType) -> tuple[PixelType, ...]:
    """Means of whole numbers are double, of floats float (assumption)."""
    return (input_type if not input_type.is_integer else DOUBLE,)


def _same_type(input_type: PixelType) -> tuple[PixelType, ...]:
    return (input_type,)


def _sum_type(input_type: PixelType) -> tuple[PixelType, ...]:
    """Sums are double: weights need not be whole."""
    return (DOUBLE,)


def _count_type(input_type: PixelType) -> tuple[PixelType, ...]:
    return (NAMED["int32"],)


def _logic_type(input_type: PixelType) -> tuple[PixelType, ...]:
    return (BOOLEAN,)


@algorithm("Reducer.mean")
def mean() -> Reducer:
    """The (weighted) mean."""
    return Reducer("mean", ("mean",), lambda: Sums(1, accumulate.mean_of), _mean_type)


@algorithm("Reducer.sum")
def total() -> Reducer:
    """The (weighted) sum."""
    return Reducer("sum", ("sum",), lambda: Sums(1, accumulate.sum_of), _sum_type)


@algorithm("Reducer.variance")
def variance() -> Reducer:
    """The (weighted) variance of the population; assumption for fractional weights."""
    return Reducer("variance", ("variance",), lambda: Sums(2, accumulate.variance_of), _mean_type)


@algorithm("Reducer.stdDev")
def std_dev() -> Reducer:
    """The (weighted) standard deviation of the population."""
    return Reducer("stdDev", ("stdDev",), lambda: Sums(2, accumulate.stddev_of), _mean_type)


@algorithm("Reducer.sampleVariance")
def sample_variance() -> Reducer:
    """The variance with the divisor n - 1."""
    return Reducer("sampleVariance", ("variance",), lambda: Sums(2, accumulate.sample_variance_of), _mean_type)


@algorithm("Reducer.sampleStdDev")
def sample_std_dev() -> Reducer:
    """The standard deviation with the divisor n - 1."""
    return Reducer("sampleStdDev", ("stdDev",), lambda: Sums(2, accumulate.sample_stddev_of), _mean_type)


@algorithm("Reducer.count")
def count() -> Reducer:
    """The number of samples that are not masked."""
    return Reducer("count", ("count",), Counting, _count_type, weighted=False, any_type=anything)


def _extremum(name: str, inputs: int, combine: Callable[..., np.ndarray]) -> Reducer:
    if inputs != 1:
        raise EngineError(f"Reducer.{name}: the local engine has it for one input, not {inputs}.")
    return Reducer(name, (name,), lambda: Folding(combine), _same_type, weighted=False, any_type=anything)


@algorithm("Reducer.min")
def minimum(numInputs: int) -> Reducer:
    """The smallest sample."""
    return _extremum("min", numInputs, np.minimum)


@algorithm("Reducer.max")
def maximum(numInputs: int) -> Reducer:
    """The largest sample."""
    return _extremum("max", numInputs, np.maximum)


@algorithm("Reducer.minMax")
def min_max() -> Reducer:
    """The smallest and the largest sample."""
    return combine(minimum(1), maximum(1), "", True)


@algorithm("Reducer.product")
def product() -> Reducer:
    """The product of the samples."""
    start = partial(Folding, np.multiply, prepare=lambda values: values.astype(np.float64))
    return Reducer("product", ("product",), start, _sum_type, weighted=False)


@algorithm("Reducer.first", "Reducer.firstNonNull")
def first() -> Reducer:
    """The first sample that is not masked."""
    return Reducer(
        "first", ("first",), lambda: Folding(lambda kept, new: kept), _same_type, weighted=False, any_type=anything
    )


@algorithm("Reducer.last", "Reducer.lastNonNull")
def last() -> Reducer:
    """The last sample that is not masked."""
    return Reducer(
        "last", ("last",), lambda: Folding(lambda kept, new: new), _same_type, weighted=False, any_type=anything
    )


def _logic(name: str, combined: Callable[..., np.ndarray]) -> Reducer:
    start = partial(Folding, combined, prepare=lambda values: (values != 0).astype(np.uint8))
    return Reducer(name, (name,), start, _logic_type, weighted=False)


@algorithm("Reducer.allNonZero", "Reducer.and")
def all_non_zero() -> Reducer:
    """1 where no sample is 0."""
    return _logic("all", np.minimum)


@algorithm("Reducer.anyNonZero", "Reducer.or")
def any_non_zero() -> Reducer:
    """1 where a sample is not 0."""
    return _logic("any", np.maximum)


def _collected(
    name: str,
    outputs: tuple[str, ...],
    finish: Callable[..., list[Reduced]],
    typed: Any,
    *,
    any_type: Callable[[int], bool] = numbers_only,
) -> Reducer:
    return Reducer(name, outputs, lambda: Collecting(finish), typed, streams=False, weighted=False, any_type=any_type)


def _rank_type(count: int) -> Callable[[PixelType], tuple[PixelType, ...]]:
    return lambda input_type: _mean_type(input_type) * count


@algorithm("Reducer.median")
def median(maxBuckets: int | None, minBucketWidth: float | None, maxRaw: int | None) -> Reducer:
    """The median, always exact; the parameters bound Earth Engine's approximation and change nothing here."""
    return _collected("median", ("median",), partial(ranking.percentiles, percents=(50.0,)), _rank_type(1))


@algorithm("Reducer.percentile")
def percentile(
    percentiles: list,
    outputNames: list | None,
    maxBuckets: int | None,
    minBucketWidth: float | None,
    maxRaw: int | None,
) -> Reducer:
    """Percentiles 0 to 100, named p10, p50 ... unless names are given."""
    percents = tuple(float(each) for each in percentiles)
    for each in percents:
        if not 0 <= each <= 100:
            raise EngineError(f"Percentile {each:g} is not between 0 and 100.")
    outputs = tuple(outputNames or (f"p{each:g}" for each in percents))
    return _collected("percentile", outputs, partial(ranking.percentiles, percents=percents), _rank_type(len(percents)))


@algorithm("Reducer.mode")
def mode(maxBuckets: int | None, minBucketWidth: float | None, maxRaw: int | None) -> Reducer:
    """The most frequent sample, always exact."""
    return Reducer("mode", ("mode",), lambda: Collecting(ranking.modes), _same_type, streams=False)


@algorithm("Reducer.countDistinct", "Reducer.countDistinctNonNull")
def count_distinct() -> Reducer:
    """The number of different samples that are not masked."""
    return _collected("countDistinct", ("count",), ranking.counts_of_distinct, _count_type, any_type=anything)


def _plain(
    name: str,
    output: str,
    finish: Callable[[np.ndarray, np.ndarray], Any],
    *,
    weighted: bool,
    any_type: Callable[[int], bool] = numbers_only,
) -> Reducer:
    """A reducer whose result is not a number but a dictionary or a list."""

    def finished(values: np.ndarray, weights: np.ndarray) -> list[Reduced]:
        return [(finish(values, weights), np.ones((), bool))]

    return Reducer(
        name,
        (output,),
        lambda: Collecting(finished),
        _same_type,
        streams=False,
        pixels=False,
        weighted=weighted,
        any_type=any_type,
    )


@algorithm("Reducer.frequencyHistogram")
def frequency_histogram() -> Reducer:
    """A dictionary of the weight of each value."""
    return _plain("frequencyHistogram", "histogram", ranking.frequencies, weighted=True, any_type=anything)


@algorithm("Reducer.toList")
def to_list(tupleSize: int | None, numOptional: int) -> Reducer:
    """The samples that are not masked, in order; of several inputs as tuples."""
    if tupleSize is None:
        return _plain(
            "toList", "list", lambda values, weights: values[weights > 0].tolist(), weighted=False, any_type=anything
        )
    if not 0 <= numOptional <= tupleSize or tupleSize < 1:
        raise EngineError(f"Reducer.toList: {numOptional} of {tupleSize} inputs cannot be optional.")
    return Reducer(
        "toList",
        ("list",),
        lambda: Tuples(tupleSize, numOptional),
        _same_type,
        inputs=tupleSize,
        streams=False,
        pixels=False,
        weighted=False,
        any_type=anything,
    )


@algorithm("Reducer.fixedHistogram")
def fixed_histogram(min: float, max: float, steps: int, cumulative: bool) -> Reducer:
    """A table of bucket starts and weights; samples outside [min, max) are left out."""

    def finish(values: np.ndarray, weights: np.ndarray) -> list:
        inside = (weights > 0) & (values >= min) & (values < max)
        at = ((values[inside] - min) / (max - min) * steps).astype(int)
        counts = np.bincount(at, weights=weights[inside].astype(float), minlength=steps)
        counts = counts.cumsum() if cumulative else counts
        starts = min + (max - min) / steps * np.arange(steps)
        return np.column_stack([starts, counts]).tolist()

    return _plain("fixedHistogram", "histogram", finish, weighted=True)


@algorithm("Reducer.combine")
def combine(reducer1: Reducer, reducer2: Reducer, outputPrefix: str, sharedInputs: bool) -> Reducer:
    """Both reducers at once; with shared inputs on the same samples, else on inputs side by side."""
    if sharedInputs and reducer1.inputs != reducer2.inputs:
        raise EngineError(f"Cannot share inputs: {reducer1.inputs} and {reducer2.inputs}.")
    split = 0 if sharedInputs else reducer1.inputs
    parts = (slice(0, reducer1.inputs), slice(split, split + reducer2.inputs))
    return Reducer(
        f"{reducer1.name}+{reducer2.name}",
        _unique([*reducer1.outputs, *(outputPrefix + name for name in reducer2.outputs)]),
        lambda: Together([(reducer1.start(), parts[0]), (reducer2.start(), parts[1])]),
        lambda input_type: reducer1.typed(input_type) + reducer2.typed(input_type),
        inputs=parts[1].stop,
        streams=reducer1.streams and reducer2.streams,
        pixels=reducer1.pixels and reducer2.pixels,
        weighted=reducer1.weighted or reducer2.weighted,
        any_type=lambda index: (
            reducer1.any_type(index) and (not sharedInputs or reducer2.any_type(index))
            if index < reducer1.inputs
            else reducer2.any_type(index - split)
        ),
    )


def _unique(names: list[str]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise EngineError(f"Combined reducers give outputs of the same name: {', '.join(names)}; use outputPrefix.")
    return tuple(names)


@algorithm("Reducer.setOutputs")
def set_outputs(reducer: Reducer, outputs: list) -> Reducer:
    """The same reducer with other names of its outputs."""
    return reducer.named(outputs)


@algorithm("Reducer.getOutputs")
def get_outputs(reducer: Reducer) -> list[str]:
    """The names of the outputs."""
    return list(reducer.outputs)


@algorithm("Reducer.unweighted")
def unweighted(reducer: Reducer) -> Reducer:
    """The same reducer with every weight taken for one."""

    class Whole:
        def __init__(self) -> None:
            self._inner = reducer.start()

        def add(self, inputs: Any) -> None:
            self._inner.add([(values, weights != 0) for values, weights in inputs])

        def result(self) -> list[Reduced]:
            return self._inner.result()

    from dataclasses import replace

    return replace(reducer, start=Whole, weighted=False)
