"""Breaks of dense series (TemporalSegmentation.Ccdc).

Sources: Z. Zhu, C. Woodcock, Remote Sensing of Environment 144 (2014), 152-171; the outputs as
https://developers.google.com/earth-engine/datasets/catalog/GOOGLE_GLOBAL_CCDC_V1 describes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.series import TIME_UNITS, YEAR_MS, TimeUnit, first_at_each_time, images_in_time, per_pixel
from local_ee.evaluation.values import Band, Image
from local_ee.raster import ccdc
from local_ee.raster.pixel_type import DOUBLE, NAMED
from local_ee.raster.projection import WGS84

_OUTLIER = 1 - 1e-6  # the share of chi-square beyond which a single observation is left out
_SEGMENT = ("tStart", "tEnd", "tBreak", "numObs", "changeProb")
_MOST_OBSERVATIONS = 100


@algorithm("TemporalSegmentation.Ccdc")
def ccdc_of(
    collection: Any,
    breakpointBands: list | None,
    tmaskBands: list | None,
    minObservations: int,
    chiSquareProbability: float,
    minNumOfYearsScaler: float,
    dateFormat: int,
    lambda_: float,
    maxIterations: int,
) -> Image:
    """Arrays with a row for each segment: tStart, tEnd, tBreak, numObs, changeProb, and three of each band.

    These are BAND_coefs (offset, trend, and cosine and sine of one, two and three turns a year), BAND_rmse and
    BAND_magnitude. Assumptions (not documented): julian days count from the year 0 as MATLAB's, years from 1970 with
    365.25 days; a pixel takes part where all bands are valid, the first of several at one time; a first fit has 12
    observations over at least minNumOfYearsScaler years, and is repeated for each one up to 24, then when its years
    have grown by that factor; single observations beyond a chi-square of 0.999999 are left out; residuals are relative
    to the error of the 24 observations of the nearest season, or to the median difference of neighbours if that is
    larger; errors have the fit's degrees of freedom; lambda is glmnet's; magnitude is the median residual of the
    observations that break; a break that the series' end leaves open has the share of minObservations that it has as
    changeProb; tBreak is 0 without one; a pixel without a segment is masked.
    """
    images, times = images_in_time(collection)
    years = times / YEAR_MS
    names = images[0].band_names
    breaking = _positions(names, breakpointBands, "breakpointBands") or tuple(range(len(names)))
    clouds = _positions(names, tmaskBands, "tmaskBands")
    if not set(clouds) <= set(breaking):
        raise EngineError("tmaskBands must be included in breakpointBands.")
    _check(minObservations, chiSquareProbability, dateFormat, (minNumOfYearsScaler, lambda_))
    unit = TIME_UNITS[dateFormat]
    rules = ccdc.Rules(
        minObservations,
        _limit(chiSquareProbability, len(breaking)),
        _limit(_OUTLIER, len(breaking)),
        minNumOfYearsScaler,
        lambda_,
        max(maxIterations, 0),
    )
    band_indices = np.array(breaking, np.int64), np.array(clouds, np.int64)

    def pixel(series: np.ndarray, present: np.ndarray) -> list[np.ndarray] | None:
        kept = first_at_each_time(years[present])
        own, series = years[present][kept], np.ascontiguousarray(series[:, kept])
        phase = 2 * np.pi * (unit.of(own) / unit.per_year % 1)
        result = ccdc.segments(own, phase, series, *band_indices, rules)
        if not len(result.spans):
            return None
        first, last, broken, count = result.spans.T
        times = [unit.of(own[first]), unit.of(own[last]), np.where(broken < 0, 0, unit.of(own[broken]))]
        coefficients = _in_unit(unit, result.coefficients)
        by_band = (coefficients, result.rmse, result.magnitude)
        fits = [each[:, b] for each in by_band for b in range(len(names))]
        return [*times, count.astype(np.int32), result.probability, *fits]

    return per_pixel(images, _bands(names), pixel)


def _in_unit(unit: TimeUnit, fits: np.ndarray) -> np.ndarray:
    """Coefficients [.., term] of years since 1970 as those of a time."""
    slope = fits[..., 1] / unit.per_year
    changed = fits.copy()
    changed[..., 0], changed[..., 1] = fits[..., 0] - slope * unit.epoch, slope
    return changed


def _bands(names: Sequence[str]) -> list[Band]:
    line, table = DOUBLE.of_dimensions(1), DOUBLE.of_dimensions(2)
    bands = [Band(name, NAMED["int32"].of_dimensions(1) if name == "numObs" else line, WGS84) for name in _SEGMENT]
    for ending, pixel_type in (("coefs", table), ("rmse", line), ("magnitude", line)):
        bands += [Band(f"{name}_{ending}", pixel_type, WGS84) for name in names]
    return bands


def _limit(probability: float, bands: int) -> float:
    """The number that chi-square of so many degrees of freedom stays below with a probability."""
    from scipy.special import chdtri

    return float(chdtri(bands, 1 - probability))


def _check(observations: int, probability: float, date_format: int, positive: tuple[float, float]) -> None:
    if not 1 <= observations <= _MOST_OBSERVATIONS:
        raise EngineError(f"minObservations must be 1 to {_MOST_OBSERVATIONS}, got {observations}.")
    if not 0 <= probability <= 1:
        raise EngineError(f"chiSquareProbability must be 0 to 1, got {probability:g}.")
    if not 0 <= date_format < len(TIME_UNITS):
        raise EngineError(f"dateFormat must be 0, 1 or 2, got {date_format}.")
    if not all(parameter >= 0 for parameter in positive):
        raise EngineError("minNumOfYearsScaler and lambda must not be negative, got {:g} and {:g}.".format(*positive))


def _positions(names: Sequence[str], bands: list | None, argument: str) -> tuple[int, ...]:
    """Where named or numbered bands are."""
    positions = []
    for band in bands or ():
        if isinstance(band, str) and band in names:
            positions.append(names.index(band))
        elif isinstance(band, int | float) and not isinstance(band, bool) and band in range(len(names)):
            positions.append(int(band))
        else:
            raise EngineError(f"{argument}: there is no band {band!r} among [{', '.join(names)}].")
    return tuple(dict.fromkeys(positions))
