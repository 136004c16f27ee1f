"""The noisy border of Sentinel-1 scenes, masked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from isamap.gee_export.base.regions import Period

if TYPE_CHECKING:
    import ee

# Incidence outside is border noise (docs/reference/earth-engine.md, "Sentinel-1 equations", equation 1)
ANGLE_DEG = (30.63993, 45.23993)
# Earth Engine removes border noise itself only from scenes since this day (S1_GRD catalog page)
BORDER_CLEANED = datetime(2018, 1, 12, tzinfo=UTC)
EDGE_POWER = 1e-3  # -30 dB, the catalog page's own threshold for scene edges
EDGE_WINDOW_PX = 7  # the threshold is applied to a mean, so that speckle on calm water is not taken for an edge

_CLEANED_MS = int(BORDER_CLEANED.timestamp() * 1000)


def without_border(collection: ee.ImageCollection, period: Period, *, has_angle: bool) -> ee.ImageCollection:
    """Every scene of the period without its noisy border; scenes of a folder may lack the angle band."""
    if period.start_ms < _CLEANED_MS:
        early = collection.filterDate(period.start_ms, min(_CLEANED_MS, period.end_ms)).map(_without_edge)
        later = period.end_ms > _CLEANED_MS
        # Only old scenes pay for the window: later ones were cleaned before they came.
        collection = early.merge(collection.filterDate(_CLEANED_MS, period.end_ms)) if later else early
    return collection.map(_steep_enough) if has_angle else collection


def said(period: Period, *, has_angle: bool) -> str:
    """The mask in words, for the manifest."""
    words = [f"angle {ANGLE_DEG[0]}..{ANGLE_DEG[1]} deg"] if has_angle else ["none: no angle band"]
    if period.start_ms < _CLEANED_MS:
        words.append(
            f"scenes before {BORDER_CLEANED:%Y-%m-%d}: mean of {EDGE_WINDOW_PX} x {EDGE_WINDOW_PX} VV below -30 dB"
        )
    return "; ".join(words)


def _steep_enough(image: ee.Image) -> ee.Image:
    angle_deg = image.select("angle")
    return image.updateMask(angle_deg.gt(ANGLE_DEG[0]).And(angle_deg.lt(ANGLE_DEG[1])))


def _without_edge(image: ee.Image) -> ee.Image:
    import ee

    kernel = ee.Kernel.square(EDGE_WINDOW_PX // 2, "pixels")
    return image.updateMask(image.select("VV").reduceNeighborhood(ee.Reducer.mean(), kernel).gte(EDGE_POWER))
