"""Trends of even series (ImageCollection.formaTrend).

Source: https://developers.google.com/earth-engine/apidocs/ee-imagecollection-formatrend; the method as
https://github.com/wri/forma-clj has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from local_ee.algorithms.image_bands import cat, select
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.series import images_alike, per_pixel
from local_ee.evaluation.values import Band, Image
from local_ee.raster import forma
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.projection import WGS84

_BANDS = ("long-trend", "short-trend", "long-tstat", "stability")
_LEAST_WINDOW = 2


@algorithm("ImageCollection.formaTrend")
def forma_trend(timeSeries: Any, covariates: Any, windowSize: int) -> Image:
    """Bands long-trend, short-trend, long-tstat and stability of the series, or of its ratio to a covariate.

    Assumptions (not documented): the names short-trend and stability; the images are one step of time apart, in the
    collection's order, and a trend is that of one step; the short one is the least slope of windowSize valid images in
    a row, or of all if they are fewer; stability is Hansen's statistic of the slope, the constant and the variance; a
    pixel with fewer than 4 valid images is masked, and so are long-tstat and stability where all lie on a line.
    """
    if windowSize < _LEAST_WINDOW:
        raise EngineError(f"windowSize must be at least {_LEAST_WINDOW}, got {windowSize}.")
    images = _ratios(timeSeries, covariates)

    def pixel(series: np.ndarray, present: np.ndarray) -> list[Any] | None:
        kept = np.ones(len(present), bool) if len(series) == 1 else series[1] != 0
        values = series[0][kept] / (series[1][kept] if len(series) > 1 else 1.0)
        if len(values) < forma.LEAST_VALUES:
            return None
        results = forma.trends(present[kept].astype(float), values, windowSize)
        return [None if np.isnan(number) else number for number in results]

    return per_pixel(images, [Band(name, NAMED["float"], WGS84) for name in _BANDS], pixel)


def _ratios(series: Any, covariates: Any) -> list[Image]:
    """The first bands of the series' images, and of the covariates that belong to them."""
    images = [select(image, [0], ["series"]) for image in images_alike(series.images)]
    if covariates is None:
        return images
    others = [select(image, [0], ["covariate"]) for image in images_alike(covariates.images)]
    if len(others) != len(images):
        raise EngineError(f"timeSeries has {len(images)} images and covariates {len(others)}: each has one.")
    return [cat([image, other]) for image, other in zip(images, others, strict=True)]
