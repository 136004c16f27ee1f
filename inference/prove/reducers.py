"""Step 1, continued: reducers of two inputs, histograms, and pixels that are arrays (local_ee/docs/engine.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.retry import Reaction, classify
from isamap.inference.prove.pattern import column, numbers, pattern_box, pattern_transform, shown
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import Probe

if TYPE_CHECKING:
    import ee

ERROR = "error"


def _sens_slope(place: ProofPlace) -> Any:
    """Slopes 1, 1.5, 2, 3, 3.5 and 6 between four points; a line through the median of residuals begins at 0.75."""
    import ee

    return ee.List([[0, 1], [1, 3], [2, 4], [3, 10]]).reduce(ee.Reducer.sensSlope()).getInfo()


def _weighed_variance(place: ProofPlace) -> Any:
    """The variance of 0, 1, 2 and 3; the last weighs half."""
    import ee

    return _weighed(ee, column(ee).toFloat(), ee.Reducer.variance()).get("v").getInfo()


def _weighed_correlation(place: ProofPlace) -> Any:
    """The correlation of 0, 1, 2 and 3 with their squares, where the last pixel is half masked."""
    import ee

    pair = column(ee).toFloat().addBands(column(ee).pow(2).rename("square"))
    return _weighed(ee, pair, ee.Reducer.pearsonsCorrelation()).get("correlation").getInfo()


def _weighed(ee: Any, image: ee.Image, reducer: ee.Reducer) -> ee.Dictionary:
    """What a reducer makes of four pixels in a row; the last is half masked."""
    half = ee.Image.constant(1).subtract(column(ee).eq(3).divide(2))
    crs, transform = pattern_transform()
    return image.updateMask(half).reduceRegion(reducer, pattern_box(ee, 0, 4), crs=crs, crsTransform=transform)


def _buckets(values: Any, *options: int) -> dict[str, Any]:
    import ee

    found = ee.Dictionary(ee.List(values).reduce(ee.Reducer.histogram(*options))).getInfo() or {}
    return {"least": found.get("bucketMin"), "width": found.get("bucketWidth"), "counts": found.get("histogram")}


def _histogram(place: ProofPlace) -> Any:
    """Buckets of 1,000 whole numbers without a limit."""
    import ee

    found = _buckets(ee.List.sequence(0, 999))
    return {"least": found["least"], "width": found["width"], "buckets": len(found["counts"] or ())}


def _few_buckets(place: ProofPlace) -> Any:
    """At most four: a width of two would need five."""
    return _buckets([0, 1, 2, 3, 9], 4)


def _none() -> ee.Image:
    """The length of an array of images that are all masked."""
    import ee

    hidden = ee.Image.constant(1).updateMask(0)
    return ee.ImageCollection([hidden, hidden]).toArray().arrayLength(0)


def _mean_of_nothing() -> ee.Image:
    """The mean of an array whose two values are left out."""
    import ee

    array, unwanted = ee.Image.constant([1, 2]).toArray(), ee.Image.constant([0, 0]).toArray()
    return array.arrayMask(unwanted).arrayReduce(ee.Reducer.mean(), [0]).arrayGet([0])


def _empty_axis() -> ee.Image:
    """The length of what is left of 0 x 1 numbers when the empty axis is dropped."""
    import ee

    column_of_two = ee.Image.constant([1, 2]).toArray().toArray(1)
    return column_of_two.arrayMask(column_of_two.multiply(0)).arrayProject([1]).arrayLength(0)


def _singular(place: ProofPlace) -> Any:
    """An element of the inverse of a matrix that has none, or ERROR."""
    import ee

    inverse = ee.Image(ee.Array([[1, 2], [2, 4]])).matrixInverse().arrayGet([0, 0]).rename("v")
    crs, transform = pattern_transform()
    first = inverse.reduceRegion(ee.Reducer.first(), pattern_box(ee, 0, 1), crs=crs, crsTransform=transform)
    try:
        return first.getInfo()
    except ee.EEException as error:
        if classify(error) is not Reaction.NEVER:
            raise
        return ERROR


PROBES: tuple[Probe, ...] = (
    Probe(
        "constants.sens-slope",
        "Sen's slope is the median of all, and its line goes through the medians of x and y",
        _sens_slope,
        {"slope": 2.5, "offset": -0.25},
    ),
    Probe(
        "constants.variance-weights",
        "a weighted variance is of the population, the sum of weights below",
        _weighed_variance,
        52 / 49,
    ),
    Probe(
        "constants.correlation-weights",
        "weights of correlations only mask: a half masked pixel counts as a whole one",
        _weighed_correlation,
        0.958314847,
    ),
    Probe(
        "constants.histogram",
        "a histogram has at most 256 buckets, as wide as a power of two",
        _histogram,
        {"least": 0, "width": 4, "buckets": 250},
    ),
    Probe(
        "constants.histogram-buckets",
        "the least width, doubled until maxBuckets suffice",
        _few_buckets,
        {"least": 0, "width": 4, "counts": [4, 0, 1]},
    ),
    Probe(
        "constants.array-of-none",
        "an array pixel is masked where no image of the collection is valid",
        lambda place: numbers(_none(), 1, 1)[0][0],
        shown(None),
    ),
    Probe(
        "constants.array-mean-of-nothing",
        "an array pixel is masked where its reduction has no value",
        lambda place: numbers(_mean_of_nothing(), 1, 1)[0][0],
        shown(None),
    ),
    Probe(
        "constants.array-empty-axis",
        "an array pixel is masked where an axis that is dropped is empty",
        lambda place: numbers(_empty_axis(), 1, 1)[0][0],
        shown(None),
    ),
    Probe("constants.array-singular", "the inverse of a singular matrix is an error", _singular, ERROR),
)
