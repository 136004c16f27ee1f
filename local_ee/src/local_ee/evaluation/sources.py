"""Catalog images and collections as values of the engine."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.catalog import BoundsWSEN, Catalog, Reader, SourceBand, SourceImage
from local_ee.errors import EngineError
from local_ee.evaluation.features import FOOTPRINT, Collection, Element, Nearby, TooManyElements, ring_of
from local_ee.evaluation.values import Band, Image
from local_ee.raster import resample
from local_ee.raster.geometry import LONLAT, Geometry, outline
from local_ee.raster.pixel_type import of_dtype
from local_ee.raster.pixels import Pixels, hidden, join, valid
from local_ee.raster.projection import key_of, projection_of

_MOST_ALIKE = 3
_MOST_LISTED = 30_000  # images that are made for one computation


def not_found(form: str, asset_id: str, catalog: Catalog) -> EngineError:
    """Earth Engine's refusal of an id that is not there, and the ids here that are most like it."""
    known_ids = tuple(getattr(catalog, "known_ids", ()))
    alike = difflib.get_close_matches(asset_id, known_ids, _MOST_ALIKE, 0.5) or known_ids[:_MOST_ALIKE]
    words = f"{form} asset '{asset_id}' not found (does not exist or caller does not have access)."
    return EngineError(
        f"{words} The local engine has {len(known_ids)} ids, such as {', '.join(alike)}." if known_ids else words
    )


def image_of(source: SourceImage) -> Image:
    """A catalog's image: read by windows of its own lattices, resampled where another grid is asked for."""
    if source.composite:
        bands = tuple(Band(band.name, of_dtype(band.dtype)) for band in source.bands)
        return Image(bands, _Reader(source, "nearest"), dict(source.properties), source.id)
    footprint = Geometry(source.footprint)
    return Image(
        _bands_of(source.bands),
        _Reader(source, "nearest"),
        {**source.properties, FOOTPRINT: ring_of(footprint)},
        source.id,
        lambda: footprint,
    )


def _bands_of(bands: Sequence[SourceBand]) -> tuple[Band, ...]:
    """Bands as values of the engine; most bands of an image share a grid, whose projection is made once."""
    grids = {id(band.grid): band.grid for band in bands}
    places = {key: (projection_of(grid), grid.shape.yx) for key, grid in grids.items()}
    return tuple(Band(band.name, of_dtype(band.dtype), *places[id(band.grid)]) for band in bands)


@dataclass(frozen=True)
class _Reader:
    """Reads a catalog image's bands on any grid by one method of resampling."""

    source: SourceImage
    method: str

    def __call__(self, geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        bands = [self.source.bands[position] for position in positions]
        # So that a composite of many scenes opens none that lie elsewhere.
        if not self.source.footprint.intersects(outline(geobox, LONLAT)):
            return _hidden(bands, geobox)
        kept = self.source.kept
        if kept is None:
            return self._read(bands, geobox)
        memo_key = self.source.id, self.method, key_of(geobox)
        pairs = {band.name: kept.get((*memo_key, band.name)) for band in bands}
        missing = [band for band in bands if pairs[band.name] is None]
        fresh = self._read(missing, geobox) if missing else Pixels((), ())
        for band, values, mask in zip(missing, fresh.values, fresh.masks, strict=True):
            pairs[band.name] = values, mask
            kept.put((*memo_key, band.name), (values, mask))
        return _pixels([pair for band in bands if (pair := pairs[band.name]) is not None])

    def _read(self, bands: Sequence[SourceBand], geobox: GeoBox) -> Pixels:
        by_position: dict[int, Pixels] = {}
        for same_grid in _by_grid(bands):
            pixels = resample.read(self._source([bands[i] for i in same_grid]), geobox, self.method)
            by_position |= {i: pixels.pick([k]) for k, i in enumerate(same_grid)}
        pixels = join([by_position[i] for i in range(len(bands))])
        return _pixels([_plain(*pair) for pair in zip(pixels.values, pixels.masks, strict=True)])

    def begin(self, geobox: GeoBox, positions: tuple[int, ...]) -> None:
        """Begins to bring the pixels near that reading will need; nothing, where the image has no `prefetch`."""
        begin = self.source.prefetch
        if begin is None or not self.source.footprint.intersects(outline(geobox, LONLAT)):
            return
        bands = [self.source.bands[position] for position in positions]
        for same_grid in _by_grid(bands):
            names = tuple(bands[i].name for i in same_grid)
            window = resample.native_window(self._source([bands[i] for i in same_grid]), geobox, self.method)
            if window is not None:
                begin(names, window)

    def resampled(self, method: str) -> _Reader:
        return replace(self, method=method)

    def _source(self, bands: Sequence[SourceBand]) -> resample.ResampleSource:
        names = tuple(band.name for band in bands)

        def typed_read(read: Reader, window: GeoBox) -> Pixels:
            values, masks = read(names, window)
            # one array holds bands of several types: each goes back to its own
            typed = (value.astype(band.dtype, copy=False) for value, band in zip(values, bands, strict=True))
            return Pixels(tuple(typed), tuple(masks))

        def overview(factor: int) -> tuple[int, resample.Fetch] | None:
            stored = None if self.source.overviews is None else self.source.overviews(names, factor)
            return None if stored is None else (stored[0], partial(typed_read, stored[1]))

        grid = bands[0].grid
        return resample.ResampleSource(
            projection_of(grid),
            partial(typed_read, self.source.read),
            tuple(np.dtype(band.dtype) for band in bands),
            grid.shape.yx,
            tuple(_policy(self.source.properties, band) for band in bands),
            self.source.analytic,
            self.source.smooth,
            overview,
            self.source.overview_m,
        )


def _hidden(bands: Sequence[SourceBand], geobox: GeoBox) -> Pixels:
    return _pixels([hidden(np.dtype(band.dtype), tuple(geobox.shape)) for band in bands])


def _pixels(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Pixels:
    return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))


def _plain(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same band, with a mask that costs nothing where it is the same everywhere: what reads it need not look."""
    if mask.dtype != bool or not mask.size:
        return values, mask
    if mask.all():
        return values, valid(mask.shape)
    return (values, mask) if mask.any() or values.any() else hidden(values.dtype, mask.shape)


def _by_grid(bands: Sequence[SourceBand]) -> list[list[int]]:
    groups: dict[Any, list[int]] = {}
    for i, band in enumerate(bands):
        groups.setdefault(key_of(band.grid), []).append(i)
    return list(groups.values())


def _policy(properties: Any, band: SourceBand) -> str:
    """How a band's pyramid is made: the property pyramiding_policy (one name, or by band), else the band's own."""
    policy = properties.get("pyramiding_policy", band.pyramid)
    if not isinstance(policy, str):
        policy = policy.get(band.name, policy.get("default", band.pyramid))
    name: str = policy.upper()
    return name


@dataclass(frozen=True, eq=False)
class CatalogCollection(Collection):
    """A collection of a catalog; filters of dates and bounds reach the catalog instead of its listing."""

    catalog: Catalog = field(kw_only=True)
    start_ms: float | None = None
    end_ms: float | None = None
    bounds_wsen: BoundsWSEN | None = None
    filters: tuple[Any, ...] = ()
    listing: Callable[[], Sequence[SourceImage]] = field(kw_only=True, repr=False)

    def size(self) -> int:
        """How many images there are; those that only dates filter are not made."""
        if "elements" in vars(self) or any(not _is_period(each) for each in self.filters):
            return super().size()
        return _counted(self.listing())

    def filtered(self, passes: Any) -> Collection:
        start_ms, end_ms, bounds_wsen = self.start_ms, self.end_ms, self.bounds_wsen
        for dates in passes.dates():
            start_ms = dates.start if start_ms is None else max(start_ms, dates.start)
            end_ms = dates.end if end_ms is None else min(end_ms, dates.end)
        for bounds in passes.bounds():
            bounds_wsen = bounds if bounds_wsen is None else _overlap(bounds_wsen, bounds)
        return catalog_collection(
            self.catalog,
            str(self.id),
            self.properties,
            start_ms=start_ms,
            end_ms=end_ms,
            bounds_wsen=bounds_wsen,
            filters=(*self.filters, passes),
        )

    def lookup(self, name: str, value: object) -> Element | None:
        """By system:index an image is asked for by its id, without listing the collection."""
        if name != "system:index":
            return super().lookup(name, value)
        source = self.catalog.image(f"{self.id}/{value}")
        image = image_of(source) if source is not None else None
        return image if image is not None and all(each.matches(image) for each in self.filters) else None

    def indexed(self, index: str) -> Sequence[Element]:
        """The image of an index, asked for by its id."""
        image = self.lookup("system:index", index)
        return [] if image is None else [image]


def catalog_collection(catalog: Catalog, collection_id: str, properties: Any, **query: Any) -> CatalogCollection:
    """The images of a collection that a query (start_ms, end_ms, bounds_wsen, filters) leaves."""

    # One question to the catalog, however the collection is read: counted, streamed or listed.
    @cache
    def listing() -> Sequence[SourceImage]:
        start_ms, end_ms, bounds = query.get("start_ms"), query.get("end_ms"), query.get("bounds_wsen")
        wanted = dict(pair for each in query.get("filters", ()) for pair in each.equalities())
        if isinstance(index := wanted.get("system:index"), str):
            source = catalog.image(f"{collection_id}/{index}")
            return [] if source is None else [source]
        ground = getattr(catalog, "ground_of", lambda *_: None)(collection_id, wanted)
        bounds = _overlap(bounds, ground) if bounds and ground else bounds or ground
        try:
            return catalog.images(
                collection_id,
                None if start_ms is None else int(start_ms),
                None if end_ms is None else int(end_ms),
                bounds,
            )
        except ValueError as error:
            raise EngineError(str(error)) from error

    def passing(sources: Iterable[SourceImage]) -> Iterator[Image]:
        for image in map(image_of, sources):
            budget.check()  # of a long listing few may pass
            if all(each.matches(image) for each in query.get("filters", ())):
                yield image

    def find() -> list[Image]:
        sources = listing()
        if (count := _counted(sources)) > _MOST_LISTED:
            raise TooManyElements(
                f"Computation timed out: collection {collection_id!r} has {count:,} images there: filter it by date "
                "and bounds."
            )
        return list(passing(sources))

    def within(box: BoundsWSEN) -> Collection:
        bounds = query.get("bounds_wsen")
        bounds = box if bounds is None else _overlap(bounds, box)
        return catalog_collection(catalog, collection_id, properties, **{**query, "bounds_wsen": bounds})

    return CatalogCollection(
        find,
        "ImageCollection",
        collection_id,
        properties,
        stream=lambda: passing(listing()),
        nearby=Nearby(within, lambda: _counted(listing())),
        catalog=catalog,
        listing=listing,
        **query,
    )


def _counted(sources: Sequence[SourceImage]) -> int:
    try:
        return len(sources)
    except ValueError as error:
        raise TooManyElements(str(error)) from error


def _is_period(passes: Any) -> bool:
    """Whether a filter is one of dates only, which the catalog has obeyed."""
    return getattr(passes, "name", "") == "dateRangeContains" and bool(passes.dates())


def _overlap(left: BoundsWSEN, right: BoundsWSEN) -> BoundsWSEN:
    """The box that two boxes share; of no size where they share nothing."""
    west, south = max(left[0], right[0]), max(left[1], right[1])
    return west, south, max(west, min(left[2], right[2])), max(south, min(left[3], right[3]))
