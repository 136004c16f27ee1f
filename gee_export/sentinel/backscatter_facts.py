"""What speckle filters and terrain flattening must know of whole scenes: asked once, then part of the graph.

Asked once, so that every request of an export has the same numbers and none computes them again; manifests keep them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gee_export.base.regions import BoundsWSEN
from gee_export.sentinel import scenes, terrain
from gee_export.sentinel.speckle import BRIGHT, SPECKLE, brightness

if TYPE_CHECKING:
    import ee

SAMPLE_STEP_M = 10
SAMPLE_SIDE_DEG = 0.01  # about 1 km
SAMPLES_A_SIDE = 4
_NO_TARGET = 1e6  # power that nothing has: a scene of which no sample was seen keeps no target
Facts = dict[str, dict[str, float]]


def facts(images: ee.ImageCollection, bands: tuple[str, ...], bounds_wsen: BoundsWSEN, radar: Any) -> Facts:
    """By scene index: the azimuth to the sensor (terrain.TOWARD) and each band's 98th percentile, where needed.

    Percentiles are those of the box at 10 m: of all of it, or of 16 squares of 1 km spread over it.
    """
    import ee

    slopes, bright = radar.terrain != "none", SPECKLE[radar.speckle].needs_bright
    if not (slopes or bright):
        return {}
    places = ee.Geometry.MultiPolygon([[ring] for ring in samples(bounds_wsen)], None, False)

    def asked(image: ee.Image) -> ee.Feature:
        about = ee.Dictionary({"index": image.get("system:index")})
        if slopes:
            about = about.combine(terrain.view(image))
        if bright:
            about = about.combine(brightness(image.select(list(bands)), places, SAMPLE_STEP_M))
        return ee.Feature(None, about)

    document = scenes.ask(ee.FeatureCollection(images.map(asked)))
    found: Facts = {}
    for feature in document["features"]:
        answer = feature["properties"]
        found[answer["index"]] = _told_of(answer, bands if bright else (), slopes)
    return found


def told(images: ee.ImageCollection, found: Facts) -> ee.ImageCollection:
    """The images with their facts as properties."""
    import ee

    table = ee.Dictionary(found)
    return images.map(lambda image: image.set(ee.Dictionary(table.get(image.get("system:index")))))


def samples(bounds_wsen: BoundsWSEN) -> list[list[tuple[float, float]]]:
    """Rings in longitude and latitude: the box itself, or squares on a lattice in it where it is large."""
    west, south, east, north = bounds_wsen
    side = SAMPLE_SIDE_DEG
    if (east - west) * (north - south) <= (SAMPLES_A_SIDE * side) ** 2:
        return [_ring(west, south, east, north)]
    steps = [(number + 0.5) / SAMPLES_A_SIDE for number in range(SAMPLES_A_SIDE)]
    middles = [(west + u * (east - west), south + v * (north - south)) for u, v in itertools.product(steps, steps)]
    return [_ring(x - side / 2, y - side / 2, x + side / 2, y + side / 2) for x, y in middles]


def _ring(west: float, south: float, east: float, north: float) -> list[tuple[float, float]]:
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


def _told_of(answer: Mapping[str, Any], bright: tuple[str, ...], slopes: bool) -> dict[str, float]:
    found = {BRIGHT + band: _percentile(answer, band) for band in bright}
    if slopes:
        found[terrain.TOWARD] = terrain.toward_deg(answer["index"], answer)
    return found


def _percentile(answer: Mapping[str, Any], band: str) -> float:
    """By the band's name, or band_p98: the reducer's documentation names outputs, the dictionary's keys are silent."""
    value = answer.get(band, answer.get(f"{band}_p98"))
    return _NO_TARGET if value is None else float(f"{value:.6g}")
