"""Reducers of regressions with other losses than least squares, geometric medians and histograms of two inputs.

Assumptions (not documented): ridgeRegression's third output is named pValue, the outputs of geometricMedian median_0,
median_1 ..., those of fixed2DHistogram histogram, xAxis and yAxis.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from local_ee.algorithms.statistical_reducers import check_counts
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.raster import regressing
from local_ee.raster.pixel_type import DOUBLE, PixelType
from local_ee.raster.reducing import Reducer
from local_ee.raster.relating import Finish, Tupling, by_place

_MOST_CELLS = 4_000_000


def _arrays(*dimensions: int) -> tuple[PixelType, ...]:
    return tuple(DOUBLE.of_dimensions(count) for count in dimensions)


def _tuples(
    name: str, outputs: tuple[str, ...], finish: Finish, *, inputs: int, types: tuple[PixelType, ...], weighted: bool
) -> Reducer:
    return Reducer(
        name,
        outputs,
        lambda: Tupling(inputs, finish),
        lambda input_type: types,
        inputs=inputs,
        streams=False,
        weighted=weighted,
    )


@algorithm("Reducer.ridgeRegression")
def ridge_regression(numX: int, numY: int, lambda_: float) -> Reducer:
    """Coefficients [x + 1, y] with the intercept last, RMS of residuals [y], p-values [y]."""
    check_counts("ridgeRegression", numX, numY)
    if lambda_ < 0:
        raise EngineError(f"Reducer.ridgeRegression: lambda must not be negative, got {lambda_:g}.")
    finish = by_place(partial(regressing.ridge, inputs=numX, penalty=lambda_), 3, objects=True)
    names = ("coefficients", "residuals", "pValue")
    return _tuples("ridgeRegression", names, finish, inputs=numX + numY, types=_arrays(2, 1, 1), weighted=True)


@algorithm("Reducer.robustLinearRegression")
def robust_linear_regression(numX: int, numY: int, beta: float | None) -> Reducer:
    """Coefficients [x, y] by iteratively reweighted least squares with Talwar's cost, RMS of residuals [y]."""
    check_counts("robustLinearRegression", numX, numY)
    if beta is not None and beta < 0:
        raise EngineError(f"Reducer.robustLinearRegression: beta must not be negative, got {beta:g}.")
    finish = by_place(partial(regressing.robust, inputs=numX, margin=beta), 2, objects=True)
    names = ("coefficients", "residuals")
    return _tuples("robustLinearRegression", names, finish, inputs=numX + numY, types=_arrays(2, 1), weighted=True)


@algorithm("Reducer.geometricMedian")
def geometric_median(numX: int, eta: float, initialStepSize: float) -> Reducer:
    """The point with the least sum of distances to all samples."""
    check_counts("geometricMedian", numX, 1)
    if eta <= 0:
        raise EngineError(f"Reducer.geometricMedian: eta must be positive, got {eta:g}.")
    finish = partial(regressing.geometric_median, tolerance=eta)
    names = tuple(f"median_{i}" for i in range(numX))
    return _tuples("geometricMedian", names, finish, inputs=numX, types=(DOUBLE,) * numX, weighted=True)


@algorithm("Reducer.fixed2DHistogram")
def fixed_2d_histogram(xMin: float, xMax: float, xSteps: int, yMin: float, yMax: float, ySteps: int) -> Reducer:
    """Counts [x, y] in cells of two inputs, and the lower edges of the cells of each."""
    if not (xMin < xMax and yMin < yMax and min(xSteps, ySteps) > 0):
        raise EngineError("Reducer.fixed2DHistogram: min must be less than max, and steps positive, on both axes.")
    if xSteps * ySteps > _MOST_CELLS:
        raise EngineError(f"Reducer.fixed2DHistogram: {xSteps} x {ySteps} cells are more than {_MOST_CELLS}.")
    edges = np.linspace(xMin, xMax, xSteps + 1), np.linspace(yMin, yMax, ySteps + 1)
    finish = by_place(partial(regressing.grid_counts, x_edges=edges[0], y_edges=edges[1]), 3, objects=True)
    names = ("histogram", "xAxis", "yAxis")
    return _tuples("fixed2DHistogram", names, finish, inputs=2, types=_arrays(2, 1, 1), weighted=False)
