"""Composites of collections, also of those that are too long to be listed: then window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from odc.geo.geobox import GeoBox

from local_ee.catalog import BoundsWSEN
from local_ee.evaluation.features import Collection, TooManyElements
from local_ee.evaluation.values import Band, Image
from local_ee.raster.geometry import LONLAT, outline
from local_ee.raster.pixels import Pixels, hidden, join

Compose = Callable[[Sequence[Image]], Image]
_WINDOWS = 4  # whose images are kept


def composite(collection: Collection, compose: Compose) -> Image:
    """One image of a collection's images; without dates or bounds, a window has the images that touch it.

    So a filter of dates is enough for a map, as in the examples of Google's catalog. TooManyElements where even a
    window has too many. Assumption: all images have the bands of the first one then.
    """
    try:
        return compose(collection.images)
    except TooManyElements:
        if collection.near is None:
            raise
        return _by_windows(collection, compose)


def _by_windows(collection: Collection, compose: Compose) -> Image:
    near = collection.near
    first = collection.of(lambda: collection.head(1)).images
    bands = compose(first).bands
    if near is None:
        raise ValueError("a composite by windows needs a collection that knows its images near a box")

    @lru_cache(_WINDOWS)
    def around(box: BoundsWSEN) -> Image:
        return compose(near(box).images)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        west, south, east, north = outline(geobox, LONLAT).bounds
        local = around((west, south, east, north))
        return join([_band(local, bands[position], geobox) for position in positions])

    return Image(bands, reading)


def _band(image: Image, band: Band, geobox: GeoBox) -> Pixels:
    """A band by name, masked where the image has none."""
    if band.name in image.band_names:
        return image.read(geobox, [band.name])
    values, mask = hidden(band.type.dtype, tuple(geobox.shape))
    return Pixels((values,), (mask,))
