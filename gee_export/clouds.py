"""Cloud masks for Sentinel-2 as Earth Engine graphs: each takes the period's scenes and gives them masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ee

CLOUD_SCORE_PLUS = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
CLEAR = 0.60  # catalog page of Cloud Score+: 0.50 to 0.65 is recommended
# SCL classes that hide the ground: 1 saturated or defective, 3 shadow, 8 and 9 cloud, 10 cirrus (S2_SR catalog page)
SCL_HIDDEN = (1, 3, 8, 9, 10)

CloudMask = Callable[["ee.ImageCollection"], "ee.ImageCollection"]


def none(scenes: ee.ImageCollection) -> ee.ImageCollection:
    """The scenes as they are."""
    return scenes


def cloud_score_plus(scenes: ee.ImageCollection) -> ee.ImageCollection:
    """Pixels whose cs_cdf is at least 0.60.

    linkCollection masks a scene without a partner wholly, so `sentinel2.listing` counts the unmatched beforehand.
    """
    import ee

    linked = scenes.linkCollection(ee.ImageCollection(CLOUD_SCORE_PLUS), ["cs_cdf"])
    return linked.map(lambda image: image.updateMask(image.select("cs_cdf").gte(CLEAR)))


def scl(scenes: ee.ImageCollection) -> ee.ImageCollection:
    """Pixels whose scene class shows the ground: not shadow, cloud, cirrus or defective."""

    def clear(image: ee.Image) -> ee.Image:
        classes = image.select("SCL")
        hidden = classes.eq(SCL_HIDDEN[0])
        for value in SCL_HIDDEN[1:]:
            hidden = hidden.Or(classes.eq(value))
        return image.updateMask(hidden.Not())

    return scenes.map(clear)


CLOUDS: dict[str, CloudMask] = {"cloud_score_plus": cloud_score_plus, "scl": scl, "none": none}


def check(name: str) -> None:
    """ValueError for unknown cloud masks."""
    if name not in CLOUDS:
        raise ValueError(f"cloud mask {name!r}: expected one of {', '.join(CLOUDS)}")


def describe(name: str) -> str:
    """The mask in words, for the manifest."""
    words = {"cloud_score_plus": f"Cloud Score+ cs_cdf >= {CLEAR:.2f}", "scl": f"SCL not in {list(SCL_HIDDEN)}"}
    return words.get(name, name)
