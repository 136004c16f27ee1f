"""Changes of dense series on control charts (TemporalSegmentation.Ewmacd).

Sources: E. Brooks et al., IEEE Trans. Geosci. Remote Sens. 52 (2014), 3316-3332; what the paper leaves open as
https://github.com/c11/lcms does it, from which Earth Engine's algorithms of this group were made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.series import date, images_in_time, per_pixel
from local_ee.evaluation.values import Band, Image
from local_ee.raster import ewmacd
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.projection import WGS84

_MOST_HARMONICS = 10


@algorithm("TemporalSegmentation.Ewmacd")
def ewmacd_of(
    timeSeries: Any,
    vegetationThreshold: float,
    trainingStartYear: int,
    trainingEndYear: int,
    harmonicCount: int,
    xBarLimit1: float,
    xBarLimit2: int,
    lambda_: float,
    lambdasigs: float,
    rounding: bool,
    persistence: int,
) -> Image:
    """Bands ewma, harmonicCoefficients (constant, sin0, cos0 ...), rmse, rSquared, residuals; negative: disturbance.

    Assumptions (not documented): the first band counts; the arrays of a pixel have its valid images; the year has 365
    days, counted from 1 in UTC; a pixel is masked where the training years have no more observations than terms, or
    where these do not tell the terms (their products' determinant is below 0.001), before or after those beyond
    xBarLimit1 are left out; rmse and rSquared are of those that remain; residuals of less than 1e-12 of the largest
    value are 0; without rounding, ewma is the average as the nearest whole number; with persistence, a signal that
    does not last, and an observation that is left out, has the value before it.
    """
    _check(harmonicCount, persistence, (trainingStartYear, trainingEndYear))
    _check_limits(lambda_, {"xBarLimit1": xBarLimit1, "xBarLimit2": xBarLimit2, "lambdasigs": lambdasigs})
    images, times = images_in_time(timeSeries)
    dates = [date(time) for time in times]
    years = np.array([each.year for each in dates])
    training = (years >= trainingStartYear) & (years < trainingEndYear)
    table = ewmacd.terms(np.array([each.timetuple().tm_yday for each in dates]), harmonicCount)
    rules = ewmacd.Rules(vegetationThreshold, xBarLimit1, xBarLimit2, lambda_, lambdasigs, rounding, persistence)

    def pixel(series: np.ndarray, present: np.ndarray) -> list[Any] | None:
        chart = ewmacd.charted(table[present], series[0], training[present], rules)
        if chart is None:
            return None
        return [chart.signals, chart.coefficients, chart.rmse, chart.r_squared, chart.residuals]

    line = DOUBLE.of_dimensions(1)
    types = {"ewma": line, "harmonicCoefficients": line, "rmse": DOUBLE, "rSquared": DOUBLE, "residuals": line}
    bands = [Band(name, each, WGS84) for name, each in types.items()]
    return per_pixel(images, bands, pixel, names=images[0].band_names[:1])


def _check(harmonics: int, persistence: int, training: tuple[int, int]) -> None:
    if not 1 <= harmonics <= _MOST_HARMONICS:
        raise EngineError(f"harmonicCount must be 1 to {_MOST_HARMONICS}, got {harmonics}.")
    if persistence < 0:
        raise EngineError(f"persistence must not be negative, got {persistence}.")
    if training[0] >= training[1]:
        raise EngineError(
            f"trainingStartYear must be before trainingEndYear, which does not count, got {training[0]} and "
            f"{training[1]}."
        )


def _check_limits(weight: float, limits: dict[str, float]) -> None:
    if not 0 < weight <= 1:
        raise EngineError(f"lambda must be above 0 and at most 1, got {weight:g}.")
    for name, limit in limits.items():
        if not limit > 0:
            raise EngineError(f"{name} must be positive, got {limit:g}.")
