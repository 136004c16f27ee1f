"""Composites of collections; of many images, or more than can be listed, window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from odc.geo.geobox import GeoBox

from local_ee.catalog import BoundsWSEN
from local_ee.evaluation.features import Collection, Nearby, TooManyElements
from local_ee.evaluation.values import Band, Image
from local_ee.raster.geometry import LONLAT, Geometry, outline
from local_ee.raster.memo import remembered_apart
from local_ee.raster.pixels import Pixels, hidden, join

Compose = Callable[[Sequence[Image]], Image]
FEW = 500  # images that are composed as a whole
_WINDOWS = 4  # whose images are kept


def composite(collection: Collection, compose: Compose) -> Image:
    """One image of a collection's images; of more than FEW, a window has those that touch it.

    So a filter of dates is enough for a map, as in the examples of Google's catalog. TooManyElements where even a
    window has too many. Assumption: the images of a long collection have the bands of the first one, and none has
    pixels beyond the scene that it is computed from.
    """
    nearby = collection.nearby
    if nearby is None or not _is_long(nearby):
        return compose(collection.images)
    first = collection.of(lambda: collection.head(1)).images
    return _by_windows(collection, nearby, compose, compose(first).bands)


def _is_long(nearby: Nearby) -> bool:
    try:
        return nearby.most() > FEW
    except TooManyElements:
        return True


def _by_windows(collection: Collection, nearby: Nearby, compose: Compose, bands: Sequence[Band]) -> Image:
    @lru_cache(_WINDOWS)
    def around(box: BoundsWSEN) -> Image:
        images = nearby.within(box).images
        return compose(images) if images else Image((), lambda geobox, positions: Pixels((), ()))

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        west, south, east, north = outline(geobox, LONLAT).bounds
        local = around((west, south, east, north))
        own = [position for position in positions if bands[position].name in local.band_names]
        names = [bands[position].name for position in own]
        pixels = remembered_apart(local, geobox, local.positions(names)) if own else Pixels((), ())
        parts = {position: pixels.pick((index,)) for index, position in enumerate(own)}
        return join([parts[i] if i in parts else _masked(bands[i], geobox) for i in positions])

    def footprint() -> Geometry | None:
        try:
            return compose(collection.images).footprint
        except TooManyElements:
            return None

    return Image(tuple(bands), reading, footprint_of=footprint)


def _masked(band: Band, geobox: GeoBox) -> Pixels:
    values, mask = hidden(band.type.dtype, tuple(geobox.shape))
    return Pixels((values,), (mask,))
