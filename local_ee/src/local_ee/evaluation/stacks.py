"""Reductions of several images to one: bands are matched by name, images are read one by one and not kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import parallel
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster.accumulate import Reduced
from local_ee.raster.geometry import Geometry
from local_ee.raster.pixel_type import PixelType
from local_ee.raster.pixels import Pixels, hidden, is_blank
from local_ee.raster.projection import WGS84
from local_ee.raster.reducing import Reducer

STACK_BYTES = 192 << 20  # of all images' pixels held at once by a reduction that needs them together

Folding = Callable[[GeoBox, Sequence[tuple[Image, tuple[int, ...]]]], Pixels]


def band_union(images: Sequence[Image]) -> dict[str, PixelType]:
    """The bands of a collection by name, in order of first appearance, with the union of their types."""
    types: dict[str, PixelType] = {}
    for image in images:
        for band in image.bands:
            types[band.name] = types[band.name].union(band.type) if band.name in types else band.type
    return types


def union_footprint(images: Sequence[Image]) -> Callable[[], Geometry | None]:
    """Where at least one image is (None: everywhere)."""

    def footprint() -> Geometry | None:
        import shapely

        bounded = [each for image in images if (each := image.footprint) is not None and not each.unbounded]
        if not bounded or len(bounded) < len(images):
            return None
        return Geometry(shapely.unary_union([each.lonlat for each in bounded]))

    return footprint


def reduce_images(images: Sequence[Image], reducer: Reducer, *, keep_names: bool = False) -> Image:
    """The reduction of each band over images: bands are named band_output, or as they are.

    The result has the default projection of composites (WGS84, one degree; guides/projections).
    """
    reducer = reducer.for_pixels()
    types = band_union(images)
    for name, own in types.items():
        reducer.check(name, own)
    outputs = len(reducer.outputs)
    bands = [
        Band(name if keep_names else label, output_type, WGS84)
        for name, own in types.items()
        for label, output_type in zip(reducer.band_names(name), reducer.typed(own), strict=True)
    ]
    names = list(types)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        input_names = list(dict.fromkeys(names[i // outputs] for i in positions))
        reductions = _reduced(images, input_names, reducer, geobox)
        pairs = [_typed(reductions[names[i // outputs]][i % outputs], bands[i]) for i in positions]
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))

    def needs(positions: tuple[int, ...]) -> list[list[int]]:
        return by_name(images, {names[i // outputs] for i in positions})

    return derived(images, bands, reading, footprint_of=union_footprint(images), needs=needs)


def reduce_tuples(images: Sequence[Image], reducer: Reducer) -> Image:
    """The reduction of all bands of each image together, of a reducer with as many inputs; its outputs are the bands.

    An image without one of the bands is left out.
    """
    reducer = reducer.for_pixels()
    names = list(band_union(images))
    outputs = reducer.over(len(names)).outputs
    common = next(iter(band_union(images).values()))
    bands = [Band(name, output, WGS84) for name, output in zip(outputs, reducer.typed(common), strict=True)]
    complete = [image for image in images if set(names) <= set(image.band_names)]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        running = reducer.start()
        for image in complete:
            pixels = image.read(geobox, names)
            running.add([(values[None], mask[None]) for values, mask in zip(pixels.values, pixels.masks, strict=True)])
        results = running.result()
        if not complete:
            results = [hidden(band.type.dtype, tuple(geobox.shape)) for band in bands]
        pairs = [_typed(results[i], bands[i]) for i in positions]
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))

    return derived(images, bands, reading, footprint_of=union_footprint(images))


def by_name(images: Sequence[Image], names: set[str]) -> list[list[int]]:
    """Where the named bands are in each image that has them."""
    return [[i for i, name in enumerate(image.band_names) if name in names] for image in images]


def _typed(pair: tuple[np.ndarray, np.ndarray], band: Band) -> tuple[np.ndarray, np.ndarray]:
    return pair[0].astype(band.type.dtype, copy=False), pair[1]


def _reduced(images: Sequence[Image], names: list[str], reducer: Reducer, geobox: GeoBox) -> dict[str, list[Reduced]]:
    """The outputs of each band over a window; by strips where all images' pixels are needed together."""
    height, width = geobox.shape
    # Five bytes a pixel, a float32 and its mask; eight rows at least, because each strip reads all images again.
    strip = height if reducer.streams else max(8, STACK_BYTES // (max(len(images), 1) * len(names) * width * 5))
    if strip >= height:
        return _one_strip(images, names, reducer, geobox)
    strips = [slice(top, min(top + strip, height)) for top in range(0, height, strip)]  # a GeoBox does not clip them
    pieces = [_one_strip(images, names, reducer, geobox[rows, :]) for rows in strips]
    return {
        name: [
            (
                np.concatenate([piece[name][k][0] for piece in pieces]),
                np.concatenate([piece[name][k][1] for piece in pieces]),
            )
            for k in range(len(reducer.outputs))
        ]
        for name in names
    }


def _one_strip(images: Sequence[Image], names: list[str], reducer: Reducer, geobox: GeoBox) -> dict[str, list[Reduced]]:
    shape = tuple(geobox.shape)
    running = {name: reducer.start() for name in names}
    used: set[str] = set()

    def add(band: tuple[str, np.ndarray, np.ndarray]) -> None:
        name, values, mask = band
        # Which counts masked pixels too.
        if not is_blank(mask) or reducer.name == "countEvery":
            running[name].add([(values[None], mask[None])])
            used.add(name)

    for image in images:
        have = [name for name in names if name in image.band_names]
        pixels = image.read(geobox, have)
        parallel.each(add, zip(have, pixels.values, pixels.masks, strict=True))
    empty = [hidden(np.dtype("float64"), shape)] * len(reducer.outputs)
    # The count of nothing is 0; other reductions of nothing have no value.
    if reducer.name == "count":
        empty = [(np.zeros(shape, np.int32), np.ones(shape, bool))]
    return {name: running[name].result() if name in used else empty for name in names}


def mosaic(images: Sequence[Image]) -> Image:
    """The last image's pixel that is not masked, band by band (guides/ic_composite_mosaic: last on top)."""
    types = band_union(images)
    names = list(types)
    bands = [Band(name, band_type, WGS84) for name, band_type in types.items()]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pairs = _stacked_up(images, [names[i] for i in positions], [bands[i].type.dtype for i in positions], geobox)
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))

    def needs(positions: tuple[int, ...]) -> list[list[int]]:
        return by_name(images, {names[i] for i in positions})

    return derived(images, bands, reading, footprint_of=union_footprint(images), needs=needs)


def _stacked_up(images: Sequence[Image], names: list[str], dtypes: list[np.dtype], geobox: GeoBox) -> list[Reduced]:
    """From the top down; a band is done when no pixel is missing."""
    shape = tuple(geobox.shape)
    composite = {name: hidden(dtype, shape) for name, dtype in zip(names, dtypes, strict=True)}
    for image in reversed(images):
        missing = [name for name in composite if name in image.band_names and not composite[name][1].all()]
        pixels = image.read(geobox, missing) if missing else Pixels((), ())
        for name, values, mask in zip(missing, pixels.values, pixels.masks, strict=True):
            if not is_blank(mask):
                composite[name] = _below(*composite[name], values, mask)
    return [composite[name] for name in names]


def _below(values: np.ndarray, mask: np.ndarray, lower: np.ndarray, lower_mask: np.ndarray) -> Reduced:
    if is_blank(mask):
        return lower.astype(values.dtype, copy=False), lower_mask
    top = mask != 0
    merged = (
        np.where(top, mask, lower_mask)
        if mask.dtype == lower_mask.dtype
        else np.where(top, mask.astype(np.float32), lower_mask.astype(np.float32))
    )
    return np.where(top, values, lower).astype(values.dtype, copy=False), merged


def quality_mosaic(images: Sequence[Image], band: str) -> Image:
    """All bands of the image whose quality band is highest, pixel by pixel."""
    types = band_union(images)
    names = list(types)
    bands = [Band(name, band_type, WGS84) for name, band_type in types.items()]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        shape = tuple(geobox.shape)
        read_names = list(dict.fromkeys([*(names[i] for i in positions), band]))
        best = np.full(shape, -np.inf)
        composite = {name: (np.zeros(shape, types[name].dtype), np.zeros(shape, bool)) for name in read_names}
        for image in images:
            pixels = image.read(geobox, read_names)
            quality, mask = pixels.values[-1], pixels.masks[-1]
            if read_names[-1] != band:
                quality, mask = pixels.values[read_names.index(band)], pixels.masks[read_names.index(band)]
            better = (mask != 0) & (quality > best)
            best = np.where(better, quality, best)
            for name, values, own in zip(read_names, pixels.values, pixels.masks, strict=True):
                old, old_mask = composite[name]
                composite[name] = np.where(better, values, old).astype(old.dtype), np.where(better, own != 0, old_mask)
        pairs = [composite[names[i]] for i in positions]
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))

    def needs(positions: tuple[int, ...]) -> list[list[int]]:
        return by_name(images, {band, *(names[i] for i in positions)})

    return derived(images, bands, reading, footprint_of=union_footprint(images), needs=needs)
