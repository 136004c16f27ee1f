"""Forests and their disturbances in yearly series (TemporalSegmentation.VCT).

Sources: C. Huang et al., Remote Sensing of Environment 114 (2010), 183-198; what the paper leaves open as
https://github.com/c11/lcms does it, from which Earth Engine's algorithms of this group were made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from local_ee.algorithms.image_bands import cat, select
from local_ee.errors import EngineError
from local_ee.evaluation.features import Collection
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.series import images_by_year, per_pixel
from local_ee.evaluation.values import Band, Image
from local_ee.raster import vct
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.projection import WGS84

_LEAST_YEARS = 2


@algorithm("TemporalSegmentation.VCT")
def vct_of(timeSeries: Any, landCover: Any, maxUd: float, minNdvi: float, forThrMax: float, nYears: int) -> Image:
    """Band VCT, 6 rows: years, classes, and the size of disturbances in COMP, B4, NDVI and DNBR at their first years.

    The bands of timeSeries are z-scores; classes are 1 no forest, 2 forest, 4 water, and of pixels that change 5
    forest, 6 disturbed, 7 the years after it. Assumptions (not documented): the band's name; landCover has 0
    background, 1 cloud, 2 its edge, 3 shadow, 4 its edge, 5 snow (1 to 5 are filled), 6 water, and larger numbers for
    clear land; its images belong to those of timeSeries in their order; a pixel's columns are the years in which all
    bands are valid, and one with fewer than 2 is masked; sizes are -1 of pixels that do not change, and 0 elsewhere;
    forest begins at the least COMP, or, if that is forThrMax above, at the least one above one before it, and a pixel
    whose COMP never rises above its least is no forest; a longer series than nYears is refused.
    """
    if not forThrMax >= 0:
        raise EngineError(f"forThrMax must not be negative, got {forThrMax:g}.")
    images, years = _pairs(timeSeries, landCover)
    if len(images) > nYears:
        raise EngineError(f"The series has {len(images)} years, and nYears is {nYears}: raise nYears.")
    rules = vct.Rules(maxUd, minNdvi, forThrMax)

    def pixel(series: np.ndarray, present: np.ndarray) -> list[Any] | None:
        if len(present) < _LEAST_YEARS:
            return None
        return [np.vstack([years[present], vct.tracked(series[:-1], series[-1], rules)])]

    return per_pixel(images, [Band("VCT", DOUBLE.of_dimensions(2), WGS84)], pixel)


def _pairs(series: Any, covers: Any) -> tuple[list[Image], np.ndarray]:
    """Images of the scores and the land cover in the order of their years, and the years."""
    scores, masks = list(series.images), list(covers.images)
    if len(scores) != len(masks):
        raise EngineError(
            f"timeSeries has {len(scores)} images and landCover {len(masks)}: each year has one image in both."
        )
    if any(not mask.bands for mask in masks):
        raise EngineError("An image of landCover has no band.")
    pairs = [
        cat([select(image, list(vct.BANDS), None), select(mask, [0], ["landCover"])])
        for image, mask in zip(scores, masks, strict=True)
    ]
    return images_by_year(Collection(lambda: pairs, "ImageCollection"))
