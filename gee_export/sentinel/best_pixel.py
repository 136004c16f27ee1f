"""The best observation of each pixel: all bands of one scene, so that colours are those of one moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from isamap.gee_export.base.regions import Period

if TYPE_CHECKING:
    import ee

SCORE = "clearness"
NEARNESS = 1e-3  # how much the middle of the period may count against its ends, on scores of 0 to 1


def best(images: ee.ImageCollection, bands: Sequence[str]) -> tuple[ee.Image, ee.Image]:
    """The bands of the image whose `clearness` is highest, and how many valid pixels the first band had."""
    image = images.qualityMosaic(SCORE).select(list(bands))
    # unmask(0, False) keeps the footprint free: 0 dates are a fact outside of scenes too.
    count = images.select([bands[0]]).count().unmask(0, False)
    return image, count


def score(image: ee.Image, clearness: ee.Image, period: Period) -> ee.Image:
    """The band that `best` ranks by: of equally clear observations the one nearest to the period's middle is best.

    Scores come in steps (Cloud Score+ 1/250 or so, probabilities 1/100), so equals are common, and which of them a
    mosaic takes is not documented.
    """
    import ee

    length_days = (period.end - period.start) / timedelta(days=1)
    middle_ms = (period.start_ms + period.end_ms) / 2
    away = image.date().difference(ee.Date(middle_ms), "day").abs().multiply(2 * NEARNESS / length_days)
    return clearness.toDouble().subtract(ee.Image.constant(away)).rename(SCORE)
