"""Casts of images. Assumption (only Number and Array casts are documented): whole types cut the fraction off and
bound the value to their range."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation import registry
from local_ee.evaluation.pointwise import BandPixels, pointwise
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, alike, derived, recomputed
from local_ee.raster.arithmetic import COPY, Operation
from local_ee.raster.array_pixels import computed
from local_ee.raster.pixel_type import NAMED, PixelType
from local_ee.raster.pixels import Pixels, hidden, is_uniform

_NAMES = {
    "uint8": ("Image.uint8", "Image.toUint8", "Image.byte", "Image.toByte"),
    "int8": ("Image.int8", "Image.toInt8"),
    "uint16": ("Image.uint16", "Image.toUint16"),
    "int16": ("Image.int16", "Image.toInt16", "Image.short", "Image.toShort"),
    "uint32": ("Image.uint32", "Image.toUint32"),
    "int32": ("Image.int32", "Image.toInt32", "Image.int", "Image.toInt"),
    "int64": ("Image.int64", "Image.toInt64", "Image.long", "Image.toLong"),
    "float": ("Image.float", "Image.toFloat"),
    "double": ("Image.double", "Image.toDouble"),
}


def cast_array(values: np.ndarray, target_type: PixelType) -> np.ndarray:
    """An array in a pixel type: cut towards zero and bounded to the range for whole types."""
    if values.dtype == target_type.dtype or not target_type.is_integer:
        return values.astype(target_type.dtype, copy=False)
    if is_uniform(values):
        return np.broadcast_to(cast_array(values[:1, :1].copy(), target_type)[0, 0], values.shape)
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0)
    low, high = np.iinfo(target_type.dtype).min, np.iinfo(target_type.dtype).max
    bounds = np.iinfo(values.dtype) if values.dtype.kind in "iu" else None
    if bounds is None and target_type.dtype.itemsize == 8:
        return np.where(values >= 2.0**63, high, values.clip(low, 2.0**62 * 1.9999).astype(np.int64))
    if bounds is None or bounds.min < low or bounds.max > high:
        values = values.clip(max(low, bounds.min) if bounds else low, min(high, bounds.max) if bounds else high)
    return values.astype(target_type.dtype)


def _cast_pixels(values: np.ndarray, mask: np.ndarray, target_type: PixelType) -> np.ndarray:
    if not target_type.dimensions:
        return cast_array(values, target_type)
    return computed(lambda stack: cast_array(stack, target_type.element), [values], mask, target_type.dtype)[0]


def cast_image(image: Image, kinds: Sequence[PixelType]) -> Image:
    """An image with its bands in other types; its properties are kept."""
    kinds = [band_type.of_dimensions(band.type.dimensions) for band, band_type in zip(image.bands, kinds, strict=True)]
    bands = [band.typed(target_type) for band, target_type in zip(image.bands, kinds, strict=True)]

    def compute(
        positions: tuple[int, ...], inputs: Sequence[Sequence[BandPixels]], shape: tuple[int, ...]
    ) -> list[BandPixels]:
        pairs = zip(positions, inputs[0], strict=True)
        return [(_cast_pixels(values, mask, kinds[i]), mask) for i, (values, mask) in pairs]

    def operation(position: int) -> Operation | None:
        return None if kinds[position].is_integer else Operation(COPY, kinds[position].dtype)

    return pointwise(
        [image], bands, compute, alike, operation=operation, properties=image.properties, image_id=image.id
    )


def _caster(target_type: PixelType) -> Callable[..., Image]:
    def cast(value: Image) -> Image:
        return cast_image(value, [target_type] * len(value.bands))

    return cast


for _kind, _aliases in _NAMES.items():
    for _name in _aliases:
        registry.add(_name, _caster(NAMED[_kind]))
    registry.take_arrays(*_aliases)


def pixel_type(value: Any) -> PixelType:
    """A type of its name, or as it is."""
    if isinstance(value, PixelType):
        return value
    if not isinstance(value, str) or value not in NAMED:
        raise EngineError(f"Invalid type '{value}'. Must be one of: {', '.join(sorted(NAMED))}.")
    return NAMED[value]


@algorithm("Image.cast")
def cast(image: Image, bandTypes: Mapping[str, Any], bandOrder: list | None) -> Image:
    """Some bands in other types; bands that the image lacks are added, masked everywhere."""
    target_types = {name: pixel_type(type_name) for name, type_name in bandTypes.items()}
    types = [target_types.get(band.name, band.type) for band in image.bands]
    result = cast_image(image, types)
    for name in sorted(set(target_types) - set(image.band_names)):
        result = _with_masked_band(result, name, target_types[name])
    if bandOrder is None:
        return result
    positions = result.positions(bandOrder)
    if sorted(positions) != list(result.everything):
        raise EngineError("bandOrder must match the full list of bands in the result.")

    def reading(geobox: GeoBox, indices: tuple[int, ...]) -> Pixels:
        return result.read_at(geobox, tuple(positions[i] for i in indices))

    bands = [result.bands[i] for i in positions]
    return derived([result], bands, reading, properties=image.properties, image_id=image.id)


def _with_masked_band(image: Image, name: str, band_type: PixelType) -> Image:
    count = len(image.bands)
    band: Band = replace(image.bands[0].renamed(name), type=band_type) if count else Band(name, band_type)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        own = tuple(i for i in positions if i < count)
        pixels = image.read_at(geobox, own)
        arrays = dict(zip(own, zip(pixels.values, pixels.masks, strict=True), strict=True))
        pairs = [arrays[i] if i < count else hidden(band_type.dtype, tuple(geobox.shape)) for i in positions]
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))

    return recomputed(image, [*image.bands, band], reading)
