"""Yearly series as segments (TemporalSegmentation.LandTrendr, LandTrendrFit).

Sources: R. Kennedy, Z. Yang, W. Cohen, Remote Sensing of Environment 114 (2010), 2897-2910; the outputs as the guide of
R. Kennedy's group names them, https://emapr.github.io/LT-GEE/lt-gee-outputs.html.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.series import images_by_year, per_pixel
from local_ee.evaluation.values import Band, Image
from local_ee.raster import land_trendr
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.projection import WGS84

_MOST_SEGMENTS = 100


@algorithm("TemporalSegmentation.LandTrendr")
def land_trendr_of(
    timeSeries: Any,
    maxSegments: int,
    spikeThreshold: float,
    vertexCountOvershoot: int,
    preventOneYearRecovery: bool,
    recoveryThreshold: float,
    pvalThreshold: float,
    bestModelProportion: float,
    minObservationsNeeded: int,
) -> Image:
    """Bands LandTrendr (4 rows: years, values, fitted values, 1 at vertices), rmse, and BAND_fit of each further band.

    The first band finds the vertices; its values increase where land is disturbed. Assumptions (not documented): the
    year is that of system:time_start in UTC; a pixel's columns are the years in which all bands are valid; a pixel
    with fewer of them than minObservationsNeeded, or than 3, is masked; candidates beyond maxSegments + 1 are pruned
    by the error that grows least without them; the optimiser of weak models is the least squares of all segments at
    once; where that is above pvalThreshold too, the series is its mean; rmse is about the first band's own values.
    """
    if not 1 <= maxSegments <= _MOST_SEGMENTS or not 0 <= vertexCountOvershoot <= _MOST_SEGMENTS:
        raise EngineError(
            f"maxSegments must be 1 to {_MOST_SEGMENTS} and vertexCountOvershoot 0 to {_MOST_SEGMENTS}, "
            f"got {maxSegments} and {vertexCountOvershoot}."
        )
    images, years = images_by_year(timeSeries)
    names = images[0].band_names
    rules = land_trendr.Rules(
        maxSegments,
        spikeThreshold,
        vertexCountOvershoot,
        preventOneYearRecovery,
        recoveryThreshold,
        pvalThreshold,
        bestModelProportion,
    )
    bands = [Band("LandTrendr", DOUBLE.of_dimensions(2), WGS84), Band("rmse", DOUBLE, WGS84)]
    bands += [Band(f"{name}_fit", DOUBLE.of_dimensions(1), WGS84) for name in names[1:]]

    def pixel(series: np.ndarray, present: np.ndarray) -> list[Any] | None:
        if len(present) < max(minObservationsNeeded, 3):
            return None
        shown = years[present]
        smooth, vertex = land_trendr.segmented(shown, series[0], rules)
        table = np.stack([shown, series[0], smooth, vertex]).astype(float)
        error = float(np.sqrt(np.mean((series[0] - smooth) ** 2)))
        corners = np.flatnonzero(vertex)
        return [
            table,
            error,
            *(land_trendr.fitted(shown, band_series, corners, spikeThreshold) for band_series in series[1:]),
        ]

    return per_pixel(images, bands, pixel)


@algorithm("TemporalSegmentation.LandTrendrFit")
def land_trendr_fit(timeSeries: Any, vertices: Image, spikeThreshold: float, minObservationsNeeded: int) -> Image:
    """BAND_fit of each band: its values fitted between the years that a one-dimensional array of vertices names.

    Assumptions (not documented): as those of LandTrendr; years of vertices in which a pixel is not valid are left out,
    and a pixel with fewer than two of them is masked.
    """
    if len(vertices.bands) != 1 or vertices.bands[0].type.dimensions != 1:
        raise EngineError("vertices must have one band of arrays with one axis: the years of the breakpoints.")
    images, years = images_by_year(timeSeries)
    bands = [Band(f"{name}_fit", DOUBLE.of_dimensions(1), WGS84) for name in images[0].band_names]

    def pixel(series: np.ndarray, present: np.ndarray, corner_years: np.ndarray) -> list[Any] | None:
        corners = np.flatnonzero(np.isin(years[present], corner_years))
        if len(corners) < 2 or len(present) < minObservationsNeeded:
            return None
        return [land_trendr.fitted(years[present], band, corners, spikeThreshold) for band in series]

    return per_pixel(images, bands, pixel, vertices)
