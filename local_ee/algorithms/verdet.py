"""Slopes of yearly series (TemporalSegmentation.Verdet).

Sources: M. J. Hughes, S. D. Kaylor, D. J. Hayes, Forests 8 (2017), 166; what the paper leaves open as
https://github.com/c11/lcms does it, from which Earth Engine's algorithms of this group were made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.series import images_by_year, per_pixel
from local_ee.evaluation.values import Band, Image
from local_ee.raster import verdet
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.projection import WGS84

_MOST_RUNS = 10_000
_MOST_IMAGES = 200  # the work grows with their third power


@algorithm("TemporalSegmentation.Verdet")
def verdet_of(timeSeries: Any, tolerance: float, alpha: float, nRuns: int) -> Image:
    """Band score: an array of the change from each image to the next of the fitted segments, 0 at the first image.

    Negative: disturbance. Assumptions (not documented): the series is segmented in time only, with values from 0 to 1
    in mind; a negative value counts as 0.00001; an image is one step, whatever the years between; a pixel that an
    image masks is masked; the segments meet where the smoothed series turns by an angle whose cosine is below 0.975,
    with a year's length of the square root of 0.005.
    """
    if not alpha >= 0 or not tolerance >= 0:
        raise EngineError(f"alpha and tolerance must not be negative, got {alpha:g} and {tolerance:g}.")
    if not 1 <= nRuns <= _MOST_RUNS:
        raise EngineError(f"nRuns must be 1 to {_MOST_RUNS}, got {nRuns}.")
    images, _ = images_by_year(timeSeries)
    if len(images[0].bands) > 1:
        raise EngineError(f"VeRDET only operates on images of one band, got {list(images[0].band_names)}.")
    if not verdet.LEAST_IMAGES <= len(images) <= _MOST_IMAGES:
        raise EngineError(
            f"The collection has {len(images)} images: VeRDET takes {verdet.LEAST_IMAGES} to {_MOST_IMAGES}."
        )

    def pixel(series: np.ndarray, present: np.ndarray) -> list[Any] | None:
        if len(present) < len(images):
            return None
        return [verdet.slopes(series[0], alpha=alpha, tolerance=tolerance, rounds=nRuns)]

    return per_pixel(images, [Band("score", DOUBLE.of_dimensions(1), WGS84)], pixel)
