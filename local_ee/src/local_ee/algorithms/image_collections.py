"""Collections of images: loading, making, reducing, compositing, linking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from odc.geo.geobox import GeoBox

from local_ee.algorithms import reducers
from local_ee.algorithms.image_bands import add_bands, assembled, select
from local_ee.errors import EngineError
from local_ee.evaluation import stacks
from local_ee.evaluation.composites import composite
from local_ee.evaluation.features import Collection, index_of, with_index
from local_ee.evaluation.merging import merged
from local_ee.evaluation.registry import add, algorithm
from local_ee.evaluation.sources import catalog_collection, not_found
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster.pixels import Pixels, hidden
from local_ee.raster.reducing import Reducer


@algorithm("ImageCollection.load")
def load(id: str, version: int | None, catalog: Any) -> Collection:
    """The collection of an id in the catalog; filters reach the catalog."""
    info = catalog.describe(id)
    is_collection = info is not None and info.type in ("IMAGE_COLLECTION", "ImageCollection")
    if info is None or not is_collection or version not in (None, -1, info.properties.get("system:version", -1)):
        raise not_found("ImageCollection", id, catalog)
    return catalog_collection(catalog, id, dict(info.properties))


@algorithm("ImageCollection.fromImages")
def from_images(images: list) -> Collection:
    """A collection of images; those without system:index get their position."""
    indexed = [image if index_of(image) is not None else with_index(image, str(i)) for i, image in enumerate(images)]
    return Collection(lambda: indexed, "ImageCollection")


@algorithm("ImageCollection.merge")
def merge(collection1: Collection, collection2: Collection) -> Collection:
    """The images of both; indices get the prefixes 1_ and 2_."""
    return replace(merged(collection1, collection2), kind="ImageCollection", id=None, properties={})


@algorithm("ImageCollection.mosaic")
def mosaic(collection: Collection) -> Image:
    """The last image on top."""
    return composite(collection, stacks.mosaic)


@algorithm("ImageCollection.qualityMosaic")
def quality_mosaic(collection: Collection, qualityBand: str) -> Image:
    """The image with the highest quality band, pixel by pixel."""

    def highest(images: Sequence[Image]) -> Image:
        for image in images:
            image.positions([qualityBand])
        return stacks.quality_mosaic(images, qualityBand)

    return composite(collection, highest)


@algorithm("ImageCollection.reduce")
def reduce(collection: Collection, reducer: Reducer, parallelScale: float) -> Image:
    """Each band reduced over the images, named band_output; parallelScale changes nothing here."""
    reduced = stacks.reduce_tuples if reducer.inputs > 1 else stacks.reduce_images
    return composite(collection, lambda images: reduced(images, reducer))


def _reduction(make: Callable[[], Reducer]) -> Callable[[Collection], Image]:
    def reduce_all(collection: Collection) -> Image:
        return composite(collection, lambda images: stacks.reduce_images(images, make(), keep_names=True))

    return reduce_all


_REDUCTIONS: dict[str, Callable[[], Reducer]] = {
    "reduce.mean": reducers.mean,
    "reduce.sum": reducers.total,
    "reduce.count": reducers.count,
    "reduce.product": reducers.product,
    "reduce.and": reducers.all_non_zero,
    "reduce.or": reducers.any_non_zero,
    "reduce.min": lambda: reducers.minimum(1),
    "reduce.max": lambda: reducers.maximum(1),
    "reduce.median": lambda: reducers.median(None, None, None),
    "reduce.mode": lambda: reducers.mode(None, None, None),
}
for _name, _make in _REDUCTIONS.items():
    add(_name, _reduction(_make))


@algorithm("ImageCollection.toBands")
def to_bands(collection: Collection) -> Image:
    """One image of all images' bands, each named index_band."""
    images = collection.images
    if not images:
        return Image((), lambda geobox, positions: Pixels((), ()))
    order = [(image, i) for image in images for i in image.everything]
    names = [f"{index_of(image)}_{name}" for image in images for name in image.band_names]
    joined = assembled(list(images), order, names, like=images[0])
    return replace(joined, properties={}, id=None, footprint_of=stacks.union_footprint(images))


@algorithm("ImageCollection.combine")
def combine(primary: Collection, secondary: Collection, overwrite: bool) -> Collection:
    """Images of both with the same index, their bands joined; images without a partner are left out."""

    def find() -> list[Image]:
        partners = {index_of(image): image for image in secondary.images}
        return [
            add_bands(image, partners[index_of(image)], None, overwrite)
            for image in primary.images
            if index_of(image) in partners
        ]

    return Collection(find, "ImageCollection")


@algorithm("Image.linkCollection")
def link_collection(
    input: Image, imageCollection: Collection, linkedBands: Any, linkedProperties: Any, matchPropertyName: str
) -> Image:
    """Bands and properties of the collection's image with the same property value (system:index by default).

    Without a match the bands are masked everywhere and the properties null. The footprint is the input's.
    """
    bands, properties = _listed(linkedBands), _listed(linkedProperties)
    key = input.properties.get(matchPropertyName)
    match = imageCollection.lookup(matchPropertyName, key) if key is not None else None
    if not isinstance(match, Image):
        linked = _masked_bands(bands, input)
    else:
        linked = select(match, bands, None) if bands else None
    result = add_bands(input, linked, None, True) if linked is not None else input
    if not properties:
        return result
    match_properties = match.properties if isinstance(match, Image) else {}
    return result.with_properties({**result.properties, **{name: match_properties.get(name) for name in properties}})


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise EngineError(f"Expected a name or a list of names, got {value!r}.")
    return list(names)


def _masked_bands(names: Sequence[str], like: Image) -> Image | None:
    """Bands that are masked everywhere, on the grid of an image; float (assumption)."""
    if not names:
        return None
    from local_ee.raster.pixel_type import FLOAT

    model = like.bands[0] if like.bands else None
    bands = [Band(name, FLOAT, model.projection, model.dimensions) if model else Band(name, FLOAT) for name in names]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pairs = [hidden(FLOAT.dtype, tuple(geobox.shape)) for _ in positions]
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))

    return derived([], bands, reading)
