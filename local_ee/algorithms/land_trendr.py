"""Yearly series as segments (TemporalSegmentation.LandTrendr, LandTrendrFit).

Sources: R. Kennedy, Z. Yang, W. Cohen, Remote Sensing of Environment 114 (2010), 2897-2910; the outputs as the guide of
R. Kennedy's group names them, https://emapr.github.io/LT-GEE/lt-gee-outputs.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.stacks import union_footprint
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster import land_trendr
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.pixels import Pixels, opaque
from local_ee.raster.projection import WGS84

_MOST_SEGMENTS = 100
_LARGEST = 1e100  # larger numbers are masked: their squares have no number


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
    images, years = _yearly(timeSeries)
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

    def pixel(series: np.ndarray, present: np.ndarray) -> list[Any]:
        shown = years[present]
        smooth, vertex = land_trendr.segmented(shown, series[0], rules)
        table = np.stack([shown, series[0], smooth, vertex]).astype(float)
        error = float(np.sqrt(np.mean((series[0] - smooth) ** 2)))
        corners = np.flatnonzero(vertex)
        return [table, error, *(land_trendr.fitted(shown, other, corners, spikeThreshold) for other in series[1:])]

    return _per_pixel(images, bands, pixel, max(minObservationsNeeded, 3))


@algorithm("TemporalSegmentation.LandTrendrFit")
def land_trendr_fit(timeSeries: Any, vertices: Image, spikeThreshold: float, minObservationsNeeded: int) -> Image:
    """BAND_fit of each band: its values fitted between the years that a one-dimensional array of vertices names.

    Assumptions (not documented): as those of LandTrendr; years of vertices in which a pixel is not valid are left out,
    and a pixel with fewer than two of them is masked.
    """
    if len(vertices.bands) != 1 or vertices.bands[0].type.dimensions != 1:
        raise EngineError("vertices must have one band of arrays with one axis: the years of the breakpoints.")
    images, years = _yearly(timeSeries)
    bands = [Band(f"{name}_fit", DOUBLE.of_dimensions(1), WGS84) for name in images[0].band_names]

    def pixel(series: np.ndarray, present: np.ndarray, corner_years: np.ndarray) -> list[Any] | None:
        corners = np.flatnonzero(np.isin(years[present], corner_years))
        if len(corners) < 2:
            return None
        return [land_trendr.fitted(years[present], band, corners, spikeThreshold) for band in series]

    return _per_pixel(images, bands, pixel, max(minObservationsNeeded, 2), vertices)


def _yearly(collection: Any) -> tuple[list[Image], np.ndarray]:
    """The images in the order of their years, and the years; EngineError where two are of one year."""
    images = list(collection.images)
    if not images:
        raise EngineError("The time series is empty: check the filters of the collection.")
    if not all(image.band_names == images[0].band_names and image.bands for image in images):
        raise EngineError("The images of a time series must have the same bands.")
    years = np.array([_year(image) for image in images])
    order = np.argsort(years, kind="stable")
    twice = years[order][1:][np.diff(years[order]) == 0]
    if len(twice):
        raise EngineError(f"Two images are of {twice[0]:.0f}: LandTrendr takes one image a year.")
    return [images[i] for i in order], years[order]


def _year(image: Image) -> float:
    millis = image.properties.get("system:time_start")
    try:
        return float(datetime.fromtimestamp(float(millis) / 1000, UTC).year)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise EngineError("An image of the time series has no system:time_start in milliseconds.") from error


def _per_pixel(
    images: Sequence[Image], bands: Sequence[Band], pixel: Any, least: int, beside: Image | None = None
) -> Image:
    """An image of a function of each pixel's series [band, image] and of the images at which it is valid."""
    names = images[0].band_names

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        height, width = geobox.shape
        budget.allocate(height * width * len(images) * len(names) * 8 * 2)
        table = np.zeros((len(names), len(images), height, width))
        valid = np.ones((len(images), height, width), bool)
        for i, image in enumerate(images):
            pixels = image.read(geobox, names)
            for k, (values, mask) in enumerate(zip(pixels.values, pixels.masks, strict=True)):
                table[k, i] = values
                valid[i] &= opaque(mask) & (np.abs(values) < _LARGEST)
        inside, extra = valid.sum(axis=0) >= least, None
        if beside is not None:
            own = beside.read_at(geobox, (0,))
            inside, extra = inside & opaque(own.masks[0]), own.values[0]
        outputs = [np.zeros((height, width), bands[i].type.dtype) for i in positions]
        shown = np.zeros((height, width), bool)
        for count, (row, col) in enumerate(zip(*np.nonzero(inside), strict=True)):
            if count % 256 == 0:
                budget.check()
            present = np.flatnonzero(valid[:, row, col])
            arguments = () if extra is None else (extra[row, col],)
            results = pixel(table[:, present, row, col], present, *arguments)
            if results is not None:
                shown[row, col] = True
                for output, i in zip(outputs, positions, strict=True):
                    output[row, col] = results[i]
        return Pixels(tuple(outputs), (shown,) * len(positions))

    parents = [*images, *([] if beside is None else [beside])]
    return derived(parents, bands, reading, footprint_of=union_footprint(list(images)))
