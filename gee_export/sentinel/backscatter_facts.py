"""What speckle filters and terrain flattening must know of whole scenes: fetched once, then part of the graph.

Asked once, so that every request of an export has the same numbers and none computes them again; manifests keep them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.regions import BoundsWSEN
from isamap.gee_export.sentinel import scenes, terrain
from isamap.gee_export.sentinel.speckle import BRIGHT, SPECKLE, brightness

if TYPE_CHECKING:
    import ee

SAMPLE_STEP_M = 10
SAMPLE_SIDE_DEG = 0.01  # about 1 km
SAMPLES_A_SIDE = 4
SCENES_AT_ONCE = 20  # of one question: an aggregation a scene, and Google refuses "too many concurrent aggregations"
_NO_TARGET = 1e6  # power that nothing has: a scene of which no sample was seen keeps no target
Facts = dict[str, dict[str, float]]


def facts(images: ee.ImageCollection, bands: tuple[str, ...], bounds_wsen: BoundsWSEN, radar: Any) -> Facts:
    """The azimuth to the sensor (terrain.TOWARD) and each band's 98th percentile, where needed, by scene index.

    Percentiles are those of the box at 10 m: of all of it, or of 16 squares of 1 km spread over it. They are asked for
    SCENES_AT_ONCE scenes at a time (guides/debugging, "Too many concurrent aggregations").
    """
    import ee

    slopes, bright = radar.terrain != "none", SPECKLE[radar.speckle].needs_bright
    if not (slopes or bright):
        return {}
    places = ee.Geometry.MultiPolygon([[ring] for ring in samples(bounds_wsen)], None, False)

    def asked(image: ee.Image) -> ee.Feature:
        properties = ee.Dictionary({"index": image.get("system:index")})
        if slopes:
            properties = properties.combine(terrain.view(image))
        if bright:
            properties = properties.combine(brightness(image.select(list(bands)), places, SAMPLE_STEP_M))
        return ee.Feature(None, properties)

    facts_of: Facts = {}
    indices = scenes.ask(images.aggregate_array("system:index"))
    for first in range(0, len(indices), SCENES_AT_ONCE):
        some = images.filter(ee.Filter.inList("system:index", indices[first : first + SCENES_AT_ONCE]))
        for feature in scenes.ask(ee.FeatureCollection(some.map(asked)))["features"]:
            answer = feature["properties"]
            facts_of[answer["index"]] = _told_of(answer, bands if bright else (), slopes)
    return facts_of


def told(images: ee.ImageCollection, facts_of: Facts) -> ee.ImageCollection:
    """The images with their facts as properties."""
    import ee

    table = ee.Dictionary(facts_of)
    return images.map(lambda image: image.set(ee.Dictionary(table.get(image.get("system:index")))))


def samples(bounds_wsen: BoundsWSEN) -> list[list[tuple[float, float]]]:
    """Rings in longitude and latitude: the box itself, or squares on a lattice in it where it is large."""
    west, south, east, north = bounds_wsen
    side = SAMPLE_SIDE_DEG
    if (east - west) * (north - south) <= (SAMPLES_A_SIDE * side) ** 2:
        return [_ring(west, south, east, north)]
    steps = [(index + 0.5) / SAMPLES_A_SIDE for index in range(SAMPLES_A_SIDE)]
    middles = [(west + u * (east - west), south + v * (north - south)) for u, v in itertools.product(steps, steps)]
    return [_ring(x - side / 2, y - side / 2, x + side / 2, y + side / 2) for x, y in middles]


def _ring(west: float, south: float, east: float, north: float) -> list[tuple[float, float]]:
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


def _told_of(answer: Mapping[str, Any], bright: tuple[str, ...], slopes: bool) -> dict[str, float]:
    measured = {BRIGHT + band: _percentile(answer, band) for band in bright}
    if slopes:
        measured[terrain.TOWARD] = terrain.toward_deg(answer["index"], answer)
    return measured


def _percentile(answer: Mapping[str, Any], band: str) -> float:
    """A band's 98th percentile, under its name or band_p98: the reducer's documentation leaves the key open."""
    value = answer.get(band, answer.get(f"{band}_p98"))
    return _NO_TARGET if value is None else float(f"{value:.6g}")
