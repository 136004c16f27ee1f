"""Changes of yearly composites (TemporalSegmentation.C2c).

Sources: T. Hermosilla et al., Remote Sensing of Environment 158 (2015), 220-234; the program that Earth Engine's page
names, https://github.com/saveriofrancini/C2C-GEE.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.series import TIME_UNITS, YEAR_MS, images_in_time, per_pixel_with_gaps
from local_ee.evaluation.values import Band, Image
from local_ee.raster import c2c
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.projection import WGS84

_MOST_SEGMENTS = 1000
_MOST_IMAGES = 2000  # the work grows with their square


@algorithm("TemporalSegmentation.C2c")
def c2c_of(
    collection: Any,
    dateFormat: int,
    maxErrorList: list,
    spikesToleranceList: list,
    spikeRemovalMagnitudeList: list,
    maxError: float,
    maxSegments: int,
    infill: bool,
    spikesTolerance: float,
    spikeRemovalMagnitude: float,
    includePostMetrics: bool,
    includeRegrowth: bool,
    interpolateRegrowth: bool,
    useRelativeRegrowth: bool,
    negativeMagnitudeOnly: bool,
) -> Image:
    """Arrays of each band's changes: BAND_changeDate, BAND_value, BAND_magnitude, BAND_duration, BAND_rate and more.

    Assumptions (not documented): dates are as Ccdc's; a masked value is a missing one, as 0 is: with infill it is
    filled, without it is left out, and a value of 0 stays; a band with fewer than 3 values is masked; the regrowth of
    the first and of the last change is NaN, and so is a share that is never reached; two images of one time are
    refused.
    """
    if not 0 <= dateFormat < len(TIME_UNITS):
        raise EngineError(f"dateFormat must be 0, 1 or 2, got {dateFormat}.")
    if not 1 <= maxSegments <= _MOST_SEGMENTS:
        raise EngineError(f"maxSegments must be 1 to {_MOST_SEGMENTS}, got {maxSegments}.")
    images, times = _in_time(collection)
    names = images[0].band_names
    errors = _by_band("maxErrorList", maxErrorList, maxError, names)
    tolerances = _by_band("spikesToleranceList", spikesToleranceList, spikesTolerance, names)
    sizes = _by_band("spikeRemovalMagnitudeList", spikeRemovalMagnitudeList, spikeRemovalMagnitude, names)
    if not all(0 <= tolerance <= 1 for tolerance in tolerances):
        raise EngineError(f"Tolerances of spikes must be 0 to 1, got {tolerances}.")
    rules = [
        c2c.Rules(
            error, maxSegments, infill, tolerance, size, interpolateRegrowth, useRelativeRegrowth, negativeMagnitudeOnly
        )
        for error, tolerance, size in zip(errors, tolerances, sizes, strict=True)
    ]
    shown = [*c2c.CHANGES, *(c2c.AFTER if includePostMetrics else ()), *(c2c.REGROWTH if includeRegrowth else ())]
    rows = [c2c.METRICS.index(metric) for metric in shown]
    dates = TIME_UNITS[dateFormat].of(times / YEAR_MS)

    def pixel(series: np.ndarray) -> list[Any] | None:
        results: list[Any] = []
        for values, own in zip(series, rules, strict=True):
            kept = np.ones(len(values), bool) if infill else ~np.isnan(values)
            table = c2c.changes(dates[kept], np.nan_to_num(values[kept]), own)
            results += [None] * len(rows) if table is None else list(table[rows])
        return results

    line = DOUBLE.of_dimensions(1)
    bands = [Band(f"{name}_{metric}", line, WGS84) for name in names for metric in shown]
    return per_pixel_with_gaps(images, bands, pixel)


def _in_time(collection: Any) -> tuple[list[Image], np.ndarray]:
    images, times = images_in_time(collection)
    if len(images) > _MOST_IMAGES:
        raise EngineError(f"The collection has {len(images)} images: the local engine segments at most {_MOST_IMAGES}.")
    if (np.diff(times) == 0).any():
        raise EngineError("Two images are of one time: C2C takes one composite of each time. Mosaic them first.")
    return images, times


def _by_band(argument: str, numbers: list, common: float, names: tuple[str, ...]) -> list[float]:
    """A number for each band: those of the list, or the common one."""
    if numbers and len(numbers) != len(names):
        raise EngineError(f"{argument} has {len(numbers)} numbers for {len(names)} bands: give one for each band.")
    result = [float(number) for number in numbers] or [common] * len(names)
    if not all(number >= 0 for number in result):
        raise EngineError(f"{argument.removesuffix('List')} must not be negative, got {result}.")
    return result
