"""Reducers of statistics against numpy and scipy (apidocs ee-reducer-linearfit, ee-reducer-pearsonscorrelation ...)."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from scipy import stats

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels

pytestmark = pytest.mark.usefixtures("session")

X = [1.0, 2.0, 3.0, 5.0, 8.0, 9.0, 12.0, 4.0]
Y = [2.5, 3.0, 1.0, 6.5, 7.0, 11.0, 9.5, 9.5]
Z = [1.0, -1.0, 2.0, 0.5, 3.0, -2.0, 1.5, 0.0]


def of_columns(reducer: ee.Reducer, *columns: list[float]) -> dict:
    """A reduction of features' properties."""
    names = "xyzw"[: len(columns)]
    rows = [ee.Feature(None, dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]
    return info(ee.FeatureCollection(rows).reduceColumns(reducer, list(names)))


def test_the_line_of_least_squares():
    fit = np.polyfit(X, Y, 1)
    result = of_columns(ee.Reducer.linearFit(), X, Y)
    assert [result["scale"], result["offset"]] == pytest.approx(fit.tolist())


def test_a_line_needs_an_x_that_varies():
    assert of_columns(ee.Reducer.linearFit(), [3.0] * 8, Y)["scale"] is None


@pytest.mark.parametrize(
    ("reducer", "oracle"),
    [
        ("pearsonsCorrelation", lambda: stats.pearsonr(X, Y)),
        ("spearmansCorrelation", lambda: stats.spearmanr(X, Y)),
    ],
)
def test_correlations_and_their_p_values(reducer, oracle):
    result = of_columns(getattr(ee.Reducer, reducer)(), X, Y)
    assert [result["correlation"], result["p-value"]] == pytest.approx(list(oracle()))


def test_kendalls_correlation():
    result = of_columns(ee.Reducer.kendallsCorrelation(2), X, Y)
    assert [result["tau"], result["p-value"]] == pytest.approx(list(stats.kendalltau(X, Y)))


def test_the_trend_of_one_input_is_against_its_order():
    result = of_columns(ee.Reducer.kendallsCorrelation(1), Y)
    assert result["tau"] == pytest.approx(stats.kendalltau(range(len(Y)), Y)[0])


def test_sens_slope():
    oracle = stats.theilslopes(Y, X)
    result = of_columns(ee.Reducer.sensSlope(), X, Y)
    assert [result["slope"], result["offset"]] == pytest.approx([oracle.slope, oracle.intercept])


def test_linear_regression():
    table = np.column_stack([X, Z])
    expected = np.linalg.lstsq(table, np.array(Y), rcond=None)[0]
    result = of_columns(ee.Reducer.linearRegression(2, 1), X, Z, Y)
    assert np.allclose(np.ravel(result["coefficients"]), expected)
    assert result["residuals"] == pytest.approx([float(np.sqrt(np.mean((np.array(Y) - table @ expected) ** 2)))])


def test_too_few_tuples_have_no_regression():
    assert of_columns(ee.Reducer.linearRegression(2, 1), X[:2], Z[:2], Y[:2])["coefficients"] is None


def test_skewness_and_kurtosis():
    assert of_columns(ee.Reducer.skew(), Y)["skew"] == pytest.approx(stats.skew(Y))
    assert of_columns(ee.Reducer.kurtosis(), Y)["kurtosis"] == pytest.approx(stats.kurtosis(Y))


def test_the_mean_between_percentiles():
    assert of_columns(ee.Reducer.intervalMean(0, 50), [1, 2, 3, 4, 100])["mean"] == 2


def test_runs_of_equal_samples():
    assert of_columns(ee.Reducer.countRuns(), [1, 1, 2, 2, 2, 1])["count"] == 3


def test_bits():
    assert of_columns(ee.Reducer.bitwiseAnd(), [7, 13])["bitwiseAnd"] == 5
    assert of_columns(ee.Reducer.bitwiseOr(), [1, 12])["bitwiseOr"] == 13


def test_a_histogram_counts_every_sample_once():
    found = of_columns(ee.Reducer.histogram(4), X)["histogram"]
    edges = found["bucketMin"] + found["bucketWidth"] * np.arange(len(found["histogram"]) + 1)
    assert found["histogram"] == np.histogram(X, edges)[0].tolist() and len(found["histogram"]) <= 4


@pytest.mark.parametrize(("most", "width"), [(4, 2), (5, 1), (8, 1)])
def test_the_most_buckets_are_rounded_up_to_a_power_of_two(most, width):
    """apidocs ee-reducer-histogram, maxBuckets: "will be rounded up to a power of 2"."""
    assert of_columns(ee.Reducer.histogram(most), list(range(8)))["histogram"]["bucketWidth"] == width
    assert len(of_columns(ee.Reducer.autoHistogram(most), list(range(8)))["histogram"]) == 8 / width


def test_the_means_of_buckets():
    found = of_columns(ee.Reducer.histogram(4, 5), [1, 2, 6, 8])["histogram"]
    assert found["bucketMeans"] == [1.5, 7] and found["bucketWidth"] == 5


def test_an_automatic_histogram_is_a_table():
    assert of_columns(ee.Reducer.autoHistogram(4, 5), [1, 2, 6, 8])["histogram"] == [[0, 2], [5, 2]]


def test_a_cumulative_histogram():
    found = of_columns(ee.Reducer.autoHistogram(4, 5, None, True), [1, 2, 6, 8])["histogram"]
    assert found == [[0, 2], [5, 4]]


def series() -> ee.ImageCollection:
    return ee.ImageCollection([ee.Image([x, y]).rename(["x", "y"]) for x, y in zip(X, Y, strict=True)])


def test_a_trend_at_each_pixel():
    fit = series().reduce(ee.Reducer.linearFit())
    assert info(fit.bandNames()) == ["scale", "offset"]
    assert float(pixels(fit)[0, 0]) == pytest.approx(np.polyfit(X, Y, 1)[0])


def test_a_regression_at_each_pixel_is_an_array():
    fit = series().map(lambda image: ee.Image(1).addBands(image)).reduce(ee.Reducer.linearRegression(2, 1))
    offset = fit.select("coefficients").arrayGet([0, 0])
    assert float(pixels(offset)[0, 0]) == pytest.approx(np.polyfit(X, Y, 1)[1])


def test_masked_images_do_not_count_in_a_trend():
    noise = ee.Image([100, 0]).rename(["x", "y"]).updateMask(0)
    fit = series().merge(ee.ImageCollection([noise])).reduce(ee.Reducer.linearFit())
    assert float(pixels(fit)[0, 0]) == pytest.approx(np.polyfit(X, Y, 1)[0])


def test_regressions_need_inputs():
    with pytest.raises(EngineError, match="must be positive"):
        of_columns(ee.Reducer.linearRegression(0, 1), X)


def test_every_sample_counts_masked_or_not():
    images = ee.ImageCollection([ee.Image(1), ee.Image(2).updateMask(0)])
    assert pixels(images.reduce(ee.Reducer.countEvery()))[0, 0] == 2


def test_a_histogram_of_values_around_zero_ends():
    found = of_columns(ee.Reducer.histogram(2), [-1.0, 1.0, 5.0])["histogram"]
    assert found["histogram"] == [1, 2] and found["bucketMin"] < 0


def test_a_histogram_of_one_large_value():
    assert of_columns(ee.Reducer.histogram(), [1e15, 1e15])["histogram"]["histogram"] == [2]


def test_one_bucket_is_refused():
    with pytest.raises(EngineError, match="at least 2"):
        of_columns(ee.Reducer.histogram(1), X)
