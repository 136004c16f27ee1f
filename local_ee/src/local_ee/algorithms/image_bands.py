"""Bands of images: loading, constants, choosing, naming, adding, and what is known without pixels."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.arrays import Array, as_double
from local_ee.evaluation.coerce import coerced, to_date
from local_ee.evaluation.features import Date
from local_ee.evaluation.patterns import InvalidPattern, Pattern
from local_ee.evaluation.pointwise import BandPixels, pointwise
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.sources import image_of, not_found
from local_ee.evaluation.values import Image, constant, derived, missing_band
from local_ee.raster.arithmetic import COPY, Operation
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.pixels import Pixels, join
from local_ee.raster.projection import WGS84, Projection


@algorithm("Image.load")
def load(id: str, version: int, catalog: Any) -> Image:
    """The image of an id in the catalog, which has one version of it; -1 is the latest."""
    source = catalog.image(id)
    if source is None or version not in (-1, source.properties.get("system:version", -1)):
        raise not_found("Image", id, catalog)
    return image_of(source)


@algorithm("Image.constant")
def constant_image(value: Any) -> Image:
    """The same value everywhere; a list gives a band for each value, a dictionary names them."""
    if isinstance(value, Image):
        return value
    numbers = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
    for element in numbers:
        if not isinstance(element, int | float | Array):
            raise EngineError("Parameter 'value' must be a number or an Array or a list of numbers or Arrays.")
    return constant(
        [_bounded(constant_value) for constant_value in numbers], list(value) if isinstance(value, dict) else None
    )


def _bounded(value: float | Array) -> float | Array:
    """A whole number beyond a double is infinite."""
    return as_double(value) if isinstance(value, int) and abs(value) > sys.float_info.max else value


def chosen(image: Image, positions: tuple[int, ...], names: list[str] | None = None) -> Image:
    """Some bands of an image in an order, under new names if they are given."""
    bands = [image.bands[i] for i in positions]
    if names is not None:
        if len(names) != len(bands):
            raise EngineError(f"Can't rename {len(bands)} bands with {len(names)} names: the counts must be equal.")
        bands = [band.renamed(name) for band, name in zip(bands, names, strict=True)]

    def compute(
        indices: tuple[int, ...], inputs: Sequence[Sequence[BandPixels]], shape: tuple[int, ...]
    ) -> Sequence[BandPixels]:
        return inputs[0]

    def needs(indices: tuple[int, ...]) -> list[list[int]]:
        return [[positions[i] for i in indices]]

    def operation(index: int) -> Operation:
        return Operation(COPY, bands[index].type.dtype, cast=False)

    return pointwise(
        [image], bands, compute, needs, operation=operation, properties=image.properties, image_id=image.id
    )


@algorithm("Image.select")
def select(input: Image, bandSelectors: list, newNames: list | None) -> Image:
    """Bands by name, regular expression or position, in the order of the selectors."""
    positions = tuple(position for selector in bandSelectors for position in _matching(input, selector))
    return chosen(input, positions, newNames)


def _matching(image: Image, selector: Any) -> list[int]:
    names = image.band_names
    if isinstance(selector, int | float) and not isinstance(selector, bool):
        if not -len(names) <= selector < len(names):
            raise EngineError(missing_band(int(selector), names))
        return [int(selector) % len(names)]
    if not isinstance(selector, str):
        raise EngineError(f"Band selectors must be names, regular expressions or positions, not {selector!r}.")
    if selector in names:
        return [names.index(selector)]
    try:
        pattern = Pattern(selector)
        matches = [i for i, name in enumerate(names) if pattern.fullmatch(name)]
    except InvalidPattern:
        matches = []
    if not matches:
        raise EngineError(missing_band(selector, names))
    return matches


@algorithm("Image.slice")
def sliced(image: Image, start: int, end: int | None) -> Image:
    """The bands from start to before end; negative positions count from the last band."""
    return chosen(image, tuple(range(*slice(start, end).indices(len(image.bands)))))


@algorithm("Image.rename")
def rename(input: Image, names: list) -> Image:
    """All bands under new names."""
    return chosen(input, input.everything, names)


@algorithm("Image.regexpRename")
def regexp_rename(input: Image, regex: str, replacement: str, all: bool) -> Image:
    """Band names with matches of a regular expression replaced ($1 names a group)."""
    pattern = re.sub(r"\$(\d+)", r"\\\1", replacement)
    expression = Pattern(regex)
    return chosen(
        input, input.everything, [expression.replace(pattern, name, 0 if all else 1) for name in input.band_names]
    )


@algorithm("Image.addBands")
def add_bands(dstImg: Image, srcImg: Image, names: list | None, overwrite: bool) -> Image:
    """The bands of dstImg and those of srcImg (or the named ones). The metadata and footprint are dstImg's.

    Without overwrite, a band whose name is taken gets a suffix _1, _2 ...; with it, it replaces the old one in place.
    """
    source = srcImg if names is None else select(srcImg, names, None)
    order: list[tuple[Image, int]] = [(dstImg, i) for i in dstImg.everything]
    labels = list(dstImg.band_names)
    for i, name in enumerate(source.band_names):
        if overwrite and name in labels:
            order[labels.index(name)] = (source, i)
        else:
            order.append((source, i))
            labels.append(_free_name(name, labels))
    return assembled([dstImg, source], order, labels, like=dstImg)


def _free_name(name: str, taken: list[str]) -> str:
    free, count = name, 0
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    return free


def assembled(parents: list[Image], order: list[tuple[Image, int]], names: list[str], *, like: Image) -> Image:
    """An image of bands of several images, with the properties, id and footprint of one of them."""
    bands = [image.bands[i].renamed(name) for (image, i), name in zip(order, names, strict=True)]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        by_position: dict[int, Pixels] = {}
        for parent in {id(image): image for image, _ in (order[p] for p in positions)}.values():
            mine = [p for p in positions if order[p][0] is parent]
            pixels = parent.read_at(geobox, tuple(order[p][1] for p in mine))
            by_position |= {p: pixels.pick([k]) for k, p in enumerate(mine)}
        return join([by_position[p] for p in positions])

    def needs(positions: tuple[int, ...]) -> list[list[int]]:
        return [[order[p][1] for p in positions if order[p][0] is parent] for parent in parents]

    return derived(
        parents,
        bands,
        reading,
        properties=like.properties,
        image_id=like.id,
        footprint_of=like.footprint_of,
        needs=needs,
    )


@algorithm("Image.cat")
def cat(images: list) -> Image:
    """All bands of all images, as addBands joins them."""
    if not images:
        return Image((), lambda geobox, positions: Pixels((), ()))
    result, *others = coerced(images, "List<Image>", "Image.cat, argument 'images'")
    for image in others:
        result = add_bands(result, image, None, False)
    return result


@algorithm("Image.bandNames")
def band_names(image: Image) -> list[str]:
    """The names of the bands."""
    return list(image.band_names)


@algorithm("Image.bandTypes")
def band_types(image: Image) -> dict[str, Any]:
    """The pixel types by band."""
    return {band.name: band.type for band in image.bands}


@algorithm("Image.metadata")
def metadata(image: Image, property: str, name: str | None) -> Image:
    """A constant image of type double with a property's value; masked nowhere."""
    value = image.properties.get(property)
    if isinstance(value, Date):
        value = value.millis
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EngineError(f"Metadata property '{property}' is missing or not a number.")
    filled = constant([float(value)], [name or property])
    return Image((filled.bands[0].typed(DOUBLE),), filled.reading, {}, None, image.footprint_of)


@algorithm("Image.date")
def date(image: Image) -> Date:
    """When the image begins: its system:time_start."""
    start = image.properties.get("system:time_start")
    date = to_date(start)
    if date is None:
        raise EngineError("The image has no property 'system:time_start'.")
    return date


@algorithm("Image.id")
def image_id(element: Image) -> str | None:
    """The id within its collection: system:index, or the asset's id."""
    return element.properties.get("system:index", element.id)


@algorithm("Image.projection")
def projection(image: Image) -> Projection:
    """The default projection, which all bands must share (guides/projections)."""
    if not image.bands:
        raise EngineError("The image has no bands.")
    projections = {band.projection for band in image.bands}
    if len(projections) > 1:
        raise EngineError("The bands of the specified image contains different projections. Use only one projection.")
    return next(iter(projections), WGS84)
