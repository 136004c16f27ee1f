"""Breaks of piecewise regressions (TemporalSegmentation.StructuralChangeBreakpoints).

Source: https://developers.google.com/earth-engine/apidocs/ee-algorithms-temporalsegmentation-structuralchangebreakpoints.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.series import YEAR_MS, images_in_time, per_pixel
from local_ee.evaluation.values import Band, Image
from local_ee.raster import structural_change
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.projection import WGS84

_MOST_IMAGES = 2000  # the work grows with their square
_MOST_ORDER = 10
_PER_YEAR = {1: 1.0, 2: YEAR_MS}  # by dateFormat


@algorithm("TemporalSegmentation.StructuralChangeBreakpoints")
def structural_change_breakpoints(
    collection: Any,
    breakpointBand: str | None,
    seasonalModelOrder: int,
    minSpacing: float,
    maxBreaks: int,
    dateFormat: int,
) -> Image:
    """Arrays with a row for each segment: tStart, tEnd, and of each band coefs_BAND (A, B, C ...) and rmse_BAND.

    The partition of breakpointBand has the least sum of squares, and its size the least BIC, as R's
    strucchange::breakpoints. Assumptions (not documented): a maxBreaks of 0 is R's, as many as the spacing lets in; a
    pixel takes part where all bands are valid; one with fewer images than the spacing is masked; coefs of a term that
    the times of a segment cannot tell are those of the least squares of least size.
    """
    images, times = images_in_time(collection)
    names = images[0].band_names
    spacing = _spacing(minSpacing, len(images), 2 + 2 * seasonalModelOrder)
    _check(len(images), seasonalModelOrder, maxBreaks, dateFormat)
    band = _position(names, breakpointBand)
    most = maxBreaks or len(images)
    years, unit = times / YEAR_MS, _PER_YEAR[dateFormat]

    def pixel(series: np.ndarray, present: np.ndarray) -> list[Any] | None:
        if len(present) < spacing:
            return None
        own = years[present]
        table = _terms(own - own.mean(), own, seasonalModelOrder)
        edges = [0, *structural_change.breaks(table, series[band], spacing, most), len(own)]
        slices = [slice(a, b) for a, b in pairwise(edges)]
        fits = [[_fitted(own[part], values[part], seasonalModelOrder, unit) for part in slices] for values in series]
        spans = [own[edges[:-1]] * unit, own[np.array(edges[1:]) - 1] * unit]
        coefficients = [np.stack([coefficient for coefficient, _ in each]) for each in fits]
        return [*spans, *coefficients, *(np.array([error for _, error in each]) for each in fits)]

    line, table = DOUBLE.of_dimensions(1), DOUBLE.of_dimensions(2)
    bands = [Band(name, line, WGS84) for name in ("tStart", "tEnd")]
    bands += [Band(f"coefs_{name}", table, WGS84) for name in names] + [
        Band(f"rmse_{name}", line, WGS84) for name in names
    ]
    return per_pixel(images, bands, pixel)


def _terms(trend: np.ndarray, years: np.ndarray, order: int) -> np.ndarray:
    """[observation, term]: 1, the trend, and the cosine and sine of each order."""
    season = 2 * np.pi * years
    waves = [wave(k * season) for k in range(1, order + 1) for wave in (np.cos, np.sin)]
    return np.column_stack([np.ones(len(years)), trend, *waves])


def _fitted(years: np.ndarray, series: np.ndarray, order: int, unit: float) -> tuple[np.ndarray, float]:
    """The coefficients of a segment, with times of so many units a year, and the root mean square of its residuals."""
    middle = years.mean()
    table = _terms(years - middle, years, order)
    coefficients, *_ = np.linalg.lstsq(table, series, rcond=None)
    error = float(np.sqrt(np.mean((series - table @ coefficients) ** 2)))
    coefficients[0] -= coefficients[1] * middle
    coefficients[1] /= unit
    return coefficients, error


def _spacing(least: float, images: int, terms: int) -> int:
    """The images of a segment at least, as the share or the number that is asked for says."""
    if not least > 0:
        raise EngineError(f"minSpacing must be positive, got {least:g}.")
    spacing = int(least * images) if least < 1 else int(least)
    if spacing <= terms:
        raise EngineError(
            f"minSpacing is {spacing} of {images} images: the model's {terms} terms need more than {terms}. Raise "
            "minSpacing, take more images, or lower seasonalModelOrder."
        )
    return spacing


def _check(images: int, order: int, most: int, date_format: int) -> None:
    if images > _MOST_IMAGES:
        raise EngineError(
            f"The collection has {images} images: the local engine finds breaks of at most {_MOST_IMAGES}."
        )
    if not 0 <= order <= _MOST_ORDER:
        raise EngineError(f"seasonalModelOrder must be 0 to {_MOST_ORDER}, got {order}.")
    if most < 0:
        raise EngineError(f"maxBreaks must not be negative, got {most}.")
    if date_format not in _PER_YEAR:
        raise EngineError(f"dateFormat must be 1 or 2, got {date_format}.")


def _position(names: tuple[str, ...], band: str | None) -> int:
    if band is None and len(names) > 1:
        raise EngineError(f"breakpointBand may be left out only of images of one band, these have {list(names)}.")
    if band is not None and band not in names:
        raise EngineError(f"breakpointBand: there is no band '{band}' among [{', '.join(names)}].")
    return 0 if band is None else names.index(band)
