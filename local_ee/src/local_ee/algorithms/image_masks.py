"""Masks of images: float in [0, 1]; 0 hides a pixel (guides/best_practices, apidocs of each algorithm)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.coerce import to_geometry, type_name
from local_ee.evaluation.features import Framed
from local_ee.evaluation.pointwise import BandPixels, Needs, pointwise
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, alike, constant, derived, recomputed
from local_ee.raster.arithmetic import CHOOSE, Operation
from local_ee.raster.geometry import Geometry
from local_ee.raster.pixel_type import FLOAT, PixelType
from local_ee.raster.pixels import (
    Pixels,
    as_weight,
    blank,
    both,
    hidden,
    is_blank,
    is_uniform,
    is_valid,
    opaque,
    valid,
)
from local_ee.raster.rasterise import centres_inside, covered_share


def _paired(image: Image, partner: Image, position: int) -> int:
    """Which band of the partner goes with a band: its only one, or the one at the same position."""
    if len(partner.bands) == 1:
        return 0
    if len(partner.bands) != len(image.bands):
        raise EngineError(f"Expected 1 or {len(image.bands)} bands, got {len(partner.bands)}.")
    return position


def pairing(image: Image, *others: Image) -> Needs:
    """What a result needs whose bands are an image's, paired with those of others."""

    def needs(positions: tuple[int, ...]) -> list:
        return [positions, *([_paired(image, partner, i) for i in positions] for partner in others)]

    return needs


def _read_paired(image: Image, partner: Image, geobox: GeoBox, positions: tuple[int, ...]) -> list:
    partner_positions = [_paired(image, partner, i) for i in positions]
    unique = tuple(dict.fromkeys(partner_positions))
    pixels = partner.read_at(geobox, unique)
    return [(pixels.values[unique.index(i)], pixels.masks[unique.index(i)]) for i in partner_positions]


def as_mask(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A band as a mask: its values bounded to [0, 1], and 0 where it is masked itself."""
    if is_blank(mask):
        return mask
    if is_uniform(values):
        amount = float(np.clip(values[0, 0], 0, 1))
        if amount in (0, 1):
            return (valid if amount else blank)(values.shape) if is_valid(mask) or not amount else opaque(mask)
        return np.where(opaque(mask), np.float32(amount), np.float32(0))
    if values.dtype.kind == "f":
        share = np.clip(values, 0, 1).astype(np.float32, copy=False)
        return share if is_valid(mask) else np.where(opaque(mask), share, np.float32(0))
    positive = values > 0 if values.dtype.kind == "i" else values != 0
    return positive if is_valid(mask) else positive & opaque(mask)


def remasked(image: Image, mask_of: Callable[[GeoBox, tuple[int, ...], Pixels], list], parents: list[Image]) -> Image:
    """An image with other masks and all else kept."""

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, positions)
        if all(is_blank(mask) for mask in pixels.masks):
            return pixels
        return Pixels(pixels.values, tuple(mask_of(geobox, positions, pixels)))

    needs = pairing(image, *parents[1:])
    return derived(parents, image.bands, reading, properties=image.properties, image_id=image.id, needs=needs)


@algorithm("Image.updateMask")
def update_mask(image: Image, mask: Image) -> Image:
    """The mask replaced where it is not 0."""
    if len(mask.bands) != 1:
        _paired(image, mask, 0)

    def masks(geobox: GeoBox, positions: tuple[int, ...], pixels: Pixels) -> list[np.ndarray]:
        return [_updated(old, as_mask(*new)) for old, new in _masks_with(pixels, geobox, positions)]

    def _masks_with(pixels: Pixels, geobox: GeoBox, positions: tuple[int, ...]) -> Any:
        return zip(pixels.masks, _read_paired(image, mask, geobox, positions), strict=True)

    return remasked(image, masks, [image, mask])


def _updated(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    if is_blank(old) or is_valid(old):
        return old if is_blank(old) else new
    if new.dtype == bool:
        return opaque(old) & new
    return np.where(opaque(old), as_weight(new), np.float32(0))


@algorithm("Image.selfMask")
def self_mask(image: Image) -> Image:
    """Each band masked by its own value."""

    def masks(geobox: GeoBox, positions: tuple[int, ...], pixels: Pixels) -> list[np.ndarray]:
        return [_updated(old, as_mask(v, old)) for v, old in zip(pixels.values, pixels.masks, strict=True)]

    return remasked(image, masks, [image])


@algorithm("Image.mask")
def mask(image: Image, mask: Image | None) -> Image:
    """The mask of an image as an image, or the image with another mask.

    Pixels that become valid hold the value nearest to 0 in the type's range.
    """
    return _mask_of(image) if mask is None else _with_mask(image, mask)


def _mask_of(image: Image) -> Image:
    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        masks = image.read_at(geobox, positions).masks
        return Pixels(tuple(as_weight(each) for each in masks), (valid(geobox.shape),) * len(masks))

    bands = [band.typed(PixelType("float", 0, 1)) for band in image.bands]
    return recomputed(image, bands, reading, needs=alike)


def _with_mask(image: Image, mask: Image) -> Image:
    if any(band.type.dimensions for band in image.bands):
        raise EngineError("Pixels that are arrays have no value nearest to 0 where they become valid: use updateMask.")

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, positions)
        new = [as_mask(*each) for each in _read_paired(image, mask, geobox, positions)]
        values = [
            np.where(opaque(old), array, array.dtype.type(_nearest_to_zero(image.bands[i].type)))
            for i, array, old in zip(positions, pixels.values, pixels.masks, strict=True)
        ]
        return Pixels(tuple(values), tuple(new))

    return derived(
        [image, mask], image.bands, reading, properties=image.properties, image_id=image.id, needs=pairing(image, mask)
    )


def _nearest_to_zero(band_type: PixelType) -> float:
    low = 0 if band_type.minimum is None else band_type.minimum
    high = 0 if band_type.maximum is None else band_type.maximum
    return min(max(0, low), max(high, low))


@algorithm("Image.unmask")
def unmask(input: Image, value: Image | None, sameFootprint: bool) -> Image:
    """Masked pixels replaced by another image's values and masks; outside the footprint only if it may grow."""
    value = value or constant([0])
    bands = [
        band.typed(band.type.union(value.bands[_paired(input, value, i)].type)) for i, band in enumerate(input.bands)
    ]
    footprint_of = input.footprint_of

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = input.read_at(geobox, positions)
        footprint = footprint_of() if sameFootprint else None
        inside = valid(geobox.shape) if footprint is None else centres_inside(footprint, geobox)
        fills = _read_paired(input, value, geobox, positions)
        out = [
            _filled((values, mask), fill, inside, bands[i].type.dtype)
            for i, values, mask, fill in zip(positions, pixels.values, pixels.masks, fills, strict=True)
        ]
        return Pixels(tuple(values for values, _ in out), tuple(each for _, each in out))

    def united() -> Geometry | None:
        own, fill = footprint_of(), value.footprint
        if sameFootprint:
            return own
        return None if own is None or fill is None else Geometry(own.lonlat.union(fill.lonlat))

    return derived(
        [input, value],
        bands,
        reading,
        properties=input.properties,
        image_id=input.id,
        footprint_of=united,
        needs=pairing(input, value),
    )


def _filled(band: tuple, replacement: tuple, inside: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    (values, mask), (fill, fill_mask) = band, replacement
    if is_valid(mask) or is_blank(inside):
        return values.astype(dtype, copy=False), mask
    missing = ~opaque(mask) & inside
    if is_uniform(fill):
        fill = fill[0, 0]
    filled = np.where(missing, fill, values).astype(dtype, copy=False)
    if mask.dtype == bool and fill_mask.dtype == bool:
        return filled, mask | (missing & fill_mask)
    return filled, np.where(missing, as_weight(fill_mask), as_weight(mask))


@algorithm("Image.where")
def where(input: Image, test: Image, value: Image) -> Image:
    """value where test is not 0, else input; where test, value or input is masked, the input."""
    bands = [
        band.typed(band.type.union(value.bands[_paired(input, value, i)].type)) for i, band in enumerate(input.bands)
    ]

    def compute(
        positions: tuple[int, ...], inputs: Sequence[Sequence[BandPixels]], shape: tuple[int, ...]
    ) -> list[BandPixels]:
        out = []
        for i, (values, mask), (cond, cond_mask), (new, new_mask) in zip(positions, *inputs, strict=True):
            takes = both(opaque(cond_mask), opaque(new_mask)) & (cond != 0)
            fresh = np.where(takes, new[0, 0] if is_uniform(new) else new, values).astype(bands[i].type.dtype)
            out.append((fresh, mask))
        return out

    needs = pairing(input, test, value)

    def operation(position: int) -> Operation:
        return Operation(CHOOSE, bands[position].type.dtype, cast=False)

    parents, properties = [input, test, value], input.properties
    return pointwise(parents, bands, compute, needs, operation=operation, properties=properties, image_id=input.id)


@algorithm("Image.clip")
def clip(input: Image, geometry: Any) -> Image:
    """Masked outside a geometry or feature; pixels on its edge get the covered share as their mask."""
    region = to_geometry(geometry)
    if region is None:
        raise EngineError("Parameter 'geometry' must be a Geometry or Feature.")
    return clipped(input, region)


@algorithm("Image.clipToCollection")
def clip_to_collection(input: Image, collection: Any) -> Image:
    """Masked outside all features of a collection."""
    return clip(input, collection)


def clipped(image: Image, region: Geometry) -> Image:
    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        share = covered_share(region, geobox)
        if is_blank(share):
            pairs = [hidden(image.bands[i].type.dtype, tuple(geobox.shape)) for i in positions]
            return Pixels(tuple(values for values, _ in pairs), tuple(each for _, each in pairs))
        pixels = image.read_at(geobox, positions)
        return Pixels(pixels.values, tuple(both(old, share) for old in pixels.masks))

    @cache
    def footprint() -> Geometry:
        own = image.footprint
        if own is None or own.lonlat.covers(region.lonlat):
            return region
        return Geometry(own.lonlat.intersection(region.lonlat))

    result = recomputed(image, image.bands, reading, footprint_of=footprint, needs=alike)
    return result.with_properties(Framed(image.properties, footprint))


@algorithm("Image.remap")
def remap(image: Image, from_: list, to: list, defaultValue: Any, bandName: str | None) -> Image:
    """A band's values replaced by a table; others become the default, or masked without one. The band is remapped."""
    if len(from_) != len(to):
        raise EngineError(f"Lists 'from' and 'to' must have the same length; got {len(from_)} and {len(to)}.")
    position = image.positions([bandName])[0] if bandName else 0
    fallback = defaultValue
    numbers = [*to, *([] if fallback is None else [fallback])]
    for entry in (*from_, *numbers):
        if not isinstance(entry, int | float):
            raise EngineError(f"Only numbers can be remapped, got {type_name(entry)}.")
    target_type = _table_type(numbers)
    # Stable: of a value that is listed twice the first entry counts.
    order = np.argsort(np.asarray(from_, float), kind="stable")
    keys, targets = np.asarray(from_, float)[order], np.asarray(to, float)[order].astype(target_type.dtype)

    def reading(geobox: GeoBox, _: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, (position,))
        values, old = pixels.values[0], pixels.masks[0]
        if is_blank(old) or not len(keys):
            pair = hidden(target_type.dtype, tuple(geobox.shape))
            return Pixels((pair[0],), (pair[1],))
        at = np.searchsorted(keys, values).clip(0, len(keys) - 1)
        matches = keys[at] == values
        out = targets[at]
        if fallback is None:
            return Pixels((out,), (both(old, matches),))
        return Pixels((np.where(matches, out, target_type.dtype.type(fallback)),), (old,))

    if not image.bands:
        raise EngineError("Image.remap: The image has no bands.")
    band = image.bands[position].typed(target_type).renamed("remapped")
    return recomputed(image, [band], reading, needs=lambda _: [[position]])


def _table_type(numbers: list) -> PixelType:
    if all(isinstance(entry, int) or float(entry).is_integer() for entry in numbers):
        return PixelType("int", int(min(numbers, default=0)), int(max(numbers, default=0)))
    return PixelType("double")


@algorithm("Image.normalizedDifference")
def normalized_difference(input: Image, bandNames: list | None) -> Image:
    """(first - second) / (first + second) as band nd; masked where an input is negative; properties are dropped."""
    if bandNames is not None and len(bandNames) != 2:
        raise EngineError(f"Expected two band names, got {len(bandNames)}.")
    if len(input.bands) < 2:
        raise EngineError(f"Need two bands, image has {len(input.bands)}.")
    pair = input.positions(bandNames) if bandNames else (0, 1)

    def compute(
        positions: tuple[int, ...], inputs: Sequence[Sequence[BandPixels]], shape: tuple[int, ...]
    ) -> list[BandPixels]:
        (first, first_mask), (second, second_mask) = inputs[0]
        mask = both(first_mask, second_mask)
        if is_blank(mask):
            return [hidden(FLOAT.dtype, shape)]
        first, second = first.astype(np.float32, copy=False), second.astype(np.float32, copy=False)
        total = first + second
        ratio = np.divide(first - second, total, out=np.zeros(total.shape, np.float32), where=total != 0)
        return [(ratio, both(mask, (first >= 0) & (second >= 0)))]

    band = input.bands[pair[0]].renamed("nd").typed(PixelType("float", -1, 1))
    return pointwise([input], [band], compute, lambda _: [pair])
