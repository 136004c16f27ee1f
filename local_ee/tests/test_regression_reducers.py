"""Regressions with other losses, geometric medians, histograms of two inputs and reducers of arrays (apidocs
ee-reducer-ridgeregression, ee-reducer-robustlinearregression, ee-reducer-geometricmedian, ee-reducer-covariance,
ee-reducer-foreachelement, ee-reducer-disaggregate, ee-reducer-splitweights, ee-reducer-tocollection)."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from sklearn.linear_model import LinearRegression, Ridge

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels

pytestmark = pytest.mark.usefixtures("session")

CHANCE = np.random.default_rng(12)
X = CHANCE.normal(3, 2, (25, 2))
Y = X @ [[1.5], [-0.7]] + 4 + CHANCE.normal(0, 0.3, (25, 1))


def of_columns(reducer: ee.Reducer, *columns: list) -> dict:
    names = [f"p{i}" for i in range(len(columns))]
    rows = [ee.Feature(None, dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]
    return info(ee.FeatureCollection(rows).reduceColumns(reducer, names))


def columns(*tables: np.ndarray) -> list[list[float]]:
    return np.column_stack(tables).T.tolist()


def test_ridge_regression_has_its_intercept_last():
    oracle = Ridge(alpha=2).fit(X, Y.ravel())
    result = of_columns(ee.Reducer.ridgeRegression(2, 1, 2), *columns(X, Y))
    assert np.ravel(result["coefficients"]) == pytest.approx([*oracle.coef_, oracle.intercept_])


def test_residuals_of_ridge_regression():
    rest = Y.ravel() - Ridge(alpha=2).fit(X, Y.ravel()).predict(X)
    result = of_columns(ee.Reducer.ridgeRegression(2, 1, 2), *columns(X, Y))
    assert result["residuals"] == pytest.approx([np.sqrt(np.mean(rest**2))])


def test_the_p_value_of_one_input_is_that_of_its_correlation():
    noise = CHANCE.normal(0, 1, (25, 1))
    result = of_columns(ee.Reducer.ridgeRegression(1, 1, 0), *columns(X[:, :1], noise))
    assert result["pValue"] == pytest.approx([stats.pearsonr(X[:, 0], noise[:, 0]).pvalue])


def test_a_ridge_needs_one_sample_more_than_inputs():
    assert of_columns(ee.Reducer.ridgeRegression(2), *columns(X[:2], Y[:2]))["coefficients"] is None


def test_a_robust_regression_leaves_outliers_out():
    wild = Y.copy()
    wild[[3, 11]] += 100
    table = np.column_stack([X, np.ones(25)])
    keep = np.ones(25, bool)
    keep[[3, 11]] = False
    oracle = np.linalg.lstsq(table[keep], Y[keep], rcond=None)[0]
    result = of_columns(ee.Reducer.robustLinearRegression(3, 1, 10), *columns(table, wild))
    assert np.ravel(result["coefficients"]) == pytest.approx(oracle.ravel())


def test_the_margin_of_a_robust_regression_is_found():
    wild = Y.copy()
    wild[7] += 1000
    table = np.column_stack([X, np.ones(25)])
    result = of_columns(ee.Reducer.robustLinearRegression(3), *columns(table, wild))
    assert np.ravel(result["coefficients"])[:2] == pytest.approx([1.5, -0.7], abs=0.1)


def test_without_outliers_a_robust_regression_is_that_of_least_squares():
    oracle = LinearRegression(fit_intercept=False).fit(X, Y.ravel()).coef_
    result = of_columns(ee.Reducer.robustLinearRegression(2, 1, 1e6), *columns(X, Y))
    assert np.ravel(result["coefficients"]) == pytest.approx(oracle)


def test_a_robust_regression_per_pixel():
    images = [
        ee.Image.constant([x, 1, y]).double().rename(["x", "one", "y"])
        for x, y in zip(X[:, 0].tolist(), Y[:, 0].tolist(), strict=True)
    ]
    fit = ee.ImageCollection(images).reduce(ee.Reducer.robustLinearRegression(2, 1, 1e6))
    slope = np.polyfit(X[:, 0], Y[:, 0], 1)
    flat = fit.select("coefficients").arrayProject([0]).arrayFlatten([["x", "one"]])
    assert [pixels(flat, band=band)[0, 0] for band in (0, 1)] == pytest.approx(slope.tolist())


def test_the_geometric_median():
    def cost(point):
        return np.linalg.norm(X - point, axis=1).sum()

    oracle = minimize(cost, X.mean(axis=0), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    result = of_columns(ee.Reducer.geometricMedian(2, 1e-10), *columns(X))
    assert [result["median_0"], result["median_1"]] == pytest.approx(oracle.tolist(), abs=1e-5)


def test_the_geometric_median_of_a_stack_of_images():
    images = [ee.Image.constant(row) for row in X.tolist()]
    composite = ee.ImageCollection(images).reduce(ee.Reducer.geometricMedian(2, 1e-10))
    result = of_columns(ee.Reducer.geometricMedian(2, 1e-10), *columns(X))
    assert pixels(composite)[0, 0] == pytest.approx(result["median_0"], abs=1e-6)


def test_the_geometric_median_of_one_line_is_its_median():
    result = of_columns(ee.Reducer.geometricMedian(1, 1e-9), [1.0, 2.0, 3.0, 50.0, 90.0])
    assert result["median_0"] == pytest.approx(3, abs=1e-6)


def test_counts_of_two_inputs():
    x, y = [0.0, 1.0, 1.9, 2.0, -1.0, 0.5], [0.0, 5.0, 9.9, 1.0, 1.0, 10.0]
    result = of_columns(ee.Reducer.fixed2DHistogram(0, 2, 2, 0, 10, 2), x, y)
    assert result == {"histogram": [[1, 0], [0, 2]], "xAxis": [0, 1], "yAxis": [0, 5]}


def arrays() -> ee.FeatureCollection:
    return ee.FeatureCollection([ee.Feature(None, {"a": ee.Array(row)}) for row in X.tolist()])


def test_the_covariance_of_arrays():
    result = info(arrays().reduceColumns(ee.Reducer.covariance(), ["a"]))
    assert np.array(result["covariance"]) == pytest.approx(np.cov(X, rowvar=False, ddof=0))


def test_a_centred_covariance_takes_the_means_for_0():
    result = info(arrays().reduceColumns(ee.Reducer.centeredCovariance(), ["a"]))
    assert np.array(result["covariance"]) == pytest.approx(X.T @ X / len(X))


def test_the_covariance_of_a_region():
    """guides/arrays_eigen_analysis: an image of arrays, reduced to its covariance, under the band's name."""
    place = ee.Image.pixelCoordinates("EPSG:32650")
    region = ee.Geometry.Rectangle([0, 0, 4, 3], "EPSG:32650", False)
    result = place.toArray().reduceRegion(ee.Reducer.covariance(), region, 1, "EPSG:32650")
    x, y = np.meshgrid(np.arange(4), np.arange(3))
    assert np.array(info(result)["array"]) == pytest.approx(np.cov(x.ravel(), y.ravel(), ddof=0))


def test_each_element_of_arrays():
    result = info(arrays().reduceColumns(ee.Reducer.sum().forEachElement(), ["a"]))
    assert result["sum"] == pytest.approx(X.sum(axis=0).tolist())


def test_each_element_of_a_stack_of_arrays():
    images = ee.ImageCollection([ee.Image.constant(row).toArray() for row in X.tolist()])
    total = images.reduce(ee.Reducer.mean().forEachElement()).arrayGet([1])
    assert pixels(total)[0, 0] == pytest.approx(X[:, 1].mean())


def test_arrays_of_several_shapes_have_no_elements_in_common():
    rows = ee.FeatureCollection([ee.Feature(None, {"a": ee.Array(values)}) for values in ([1, 2], [1])])
    with pytest.raises(EngineError, match="must have one shape"):
        info(rows.reduceColumns(ee.Reducer.sum().forEachElement(), ["a"]))


def test_items_of_arrays_lists_and_dictionaries():
    rows = ee.FeatureCollection(
        [ee.Feature(None, {"a": value}) for value in (ee.Array([[1, 2], [3, 4]]), [5, 6], {"x": 7, "y": 8}, 9)]
    )
    assert info(rows.reduceColumns(ee.Reducer.sum().disaggregate(), ["a"])) == {"sum": 45}


def test_items_along_an_axis():
    rows = ee.FeatureCollection([ee.Feature(None, {"a": ee.Array([[1, 2], [3, 4]])})])
    assert info(rows.reduceColumns(ee.Reducer.toList().disaggregate(1), ["a"]))["list"] == [[1, 3], [2, 4]]


def test_weights_of_their_own():
    values, weights = [1.0, 2.0, 4.0], [100.0, 1.0, 0.0]
    assert of_columns(ee.Reducer.mean().splitWeights(), values, weights)["mean"] == pytest.approx(102 / 101)


def test_weights_follow_all_values():
    """Google's tutorial on iMAD: an image with a band of weights for each of its bands, added behind them."""
    reducer = ee.Reducer.mean().repeat(2).splitWeights()
    result = of_columns(reducer, [1.0, 3.0], [10.0, 30.0], [1.0, 0.0], [1.0, 1.0])
    assert result["mean"] == [1, 20]


def test_weights_of_a_region():
    """guides/reducers_weighting: the weight is the second band."""
    region = ee.Geometry.Rectangle([0, 0, 4, 1], "EPSG:32650", False)
    x = ee.Image.pixelCoordinates("EPSG:32650").select("x").floor()
    weighted = x.addBands(x.eq(3)).reduceRegion(ee.Reducer.mean().splitWeights(), region, 1, "EPSG:32650")
    assert info(weighted) == {"mean": 3}


def test_unweighted_reducers_have_nothing_to_split():
    assert of_columns(ee.Reducer.max().splitWeights(), [1.0, 5.0]) == {"max": 5}


def test_inputs_as_features():
    rows = ee.FeatureCollection(
        [ee.Feature(None, {"a": 1, "b": "x"}), ee.Feature(None, {"a": 2}), ee.Feature(None, {"b": "y"})]
    )
    result = rows.reduceColumns(ee.Reducer.toCollection(["number", "name"], 1), ["a", "b"])
    features = ee.FeatureCollection(result.get("features"))
    assert [each["properties"] for each in info(features)["features"]] == [{"number": 1, "name": "x"}, {"number": 2}]
