"""Collections of raw Landsat scenes: their clearest scenes, and cloudless composites (guides/landsat)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.algorithms import reducers
from local_ee.algorithms.image_bands import select
from local_ee.algorithms.image_masks import update_mask
from local_ee.algorithms.landsat import simple_cloud_score, thermal_bands, top_of_atmosphere
from local_ee.errors import EngineError
from local_ee.evaluation import stacks
from local_ee.evaluation.composites import composite
from local_ee.evaluation.features import Collection
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, alike, derived, recomputed
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels, opaque

_BYTE = 255.0
_KELVINS = 100.0  # taken from temperatures that shall be bytes


@algorithm("Landsat.pathRowLimit")
def path_row_limit(collection: Collection, maxScenesPerPathRow: int, maxScenesTotal: int) -> Collection:
    """The scenes with the least CLOUD_COVER of each WRS_PATH and WRS_ROW, in the collection's order.

    Assumption: maxScenesTotal counts for the whole collection, because an answer here depends on no request's window.
    """

    def find() -> list[Any]:
        images = collection.images
        clearest = sorted(_clearest(images, maxScenesPerPathRow), key=lambda i: _cover(images[i]))[:maxScenesTotal]
        return [images[i] for i in sorted(clearest)]

    return Collection(find, "ImageCollection")


def _cover(image: Image) -> float:
    cover = image.properties.get("CLOUD_COVER")
    return float(cover) if isinstance(cover, int | float) else _BYTE


def _clearest(images: Sequence[Image], most: int) -> list[int]:
    """The places of the clearest scenes of each path and row, `most` of each."""
    places: dict[tuple[Any, Any], list[int]] = defaultdict(list)
    for i, image in enumerate(images):
        places[image.properties.get("WRS_PATH"), image.properties.get("WRS_ROW")].append(i)
    return [i for same in places.values() for i in sorted(same, key=lambda i: _cover(images[i]))[:most]]


@algorithm("Landsat.simpleComposite")
def simple_composite(
    collection: Collection, percentile: int, cloudScoreRange: int, maxDepth: int, asFloat: bool
) -> Image:
    """Each band's percentile over the pixels whose cloud score is within a range of the least one.

    uint8 (reflectances times 255, temperatures less 100 K), or with asFloat the units of Landsat.TOA. Assumptions: of
    each path and row at most maxDepth scenes count, the least cloudy ones; bands without coefficients are left out.
    """

    def compose(images: Sequence[Image]) -> Image:
        if not images:
            raise EngineError("Landsat.simpleComposite: The collection is empty: it has no bands.")
        return _composed(images, percentile, cloudScoreRange, maxDepth, asFloat)

    return composite(collection, compose)


def _composed(images: Sequence[Image], percentile: int, spread: int, depth: int, as_float: bool) -> Image:
    raw = [images[i] for i in sorted(_clearest(images, depth))]
    calibrated = [_calibrated(image) for image in raw]
    scores = [select(simple_cloud_score(image), ["cloud"], None) for image in calibrated]
    accepted = _accepted(scores, spread)
    kept = [update_mask(image, mask) for image, mask in zip(calibrated, accepted, strict=True)]
    reducer = reducers.percentile([percentile], ["p"], None, None, None)
    reduced = stacks.reduce_images(kept, reducer, keep_names=True)
    return reduced if as_float else _as_bytes(reduced, frozenset(name for each in raw for name in thermal_bands(each)))


def _calibrated(image: Image) -> Image:
    toa = top_of_atmosphere(image)
    names = [band.name for band, before in zip(toa.bands, image.bands, strict=True) if band.type != before.type]
    return select(toa, names, None)


def _accepted(scores: list[Image], spread: int) -> list[Image]:
    """Of each score's image, 1 where it is at most the spread above the least of all."""
    least = stacks.reduce_images(scores, reducers.minimum(1), keep_names=True)

    def within(score: Image) -> Image:
        def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
            own, lowest = score.read_at(geobox, (0,)), least.read_at(geobox, (0,))
            close = np.asarray(own.values[0], int) <= np.asarray(lowest.values[0], int) + spread
            return Pixels((close.astype(np.uint8),) * len(positions), (opaque(own.masks[0]),) * len(positions))

        return derived([score, least], score.bands, reading)

    return [within(score) for score in scores]


def _as_bytes(image: Image, thermal: frozenset[str]) -> Image:
    bands = [band.typed(NAMED["uint8"]) for band in image.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, positions)
        planes = []
        for i, values in zip(positions, pixels.values, strict=True):
            numbers = np.asarray(values, float)
            scaled = numbers - _KELVINS if image.bands[i].name in thermal else numbers * _BYTE
            planes.append(np.clip(np.rint(scaled), 0, _BYTE).astype(np.uint8))
        return Pixels(tuple(planes), pixels.masks)

    return recomputed(image, bands, reading, needs=alike)
