"""Image.visualize: bands as colours of 8 bits (guides/image_visualization)."""

from __future__ import annotations

from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.algorithms.image_bands import select
from local_ee.errors import EngineError
from local_ee.evaluation.coerce import type_name
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels, both, opaque

_RGB = ("vis-red", "vis-green", "vis-blue")
_TOP = 255


def numbers(value: Any, count: int, name: str) -> list[float] | None:
    """One number for every band, however they came: a number, a list, or text with commas."""
    if value is None:
        return None
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    try:
        band_values = [float(item) for item in items]
    except (TypeError, ValueError) as error:
        raise EngineError(f"{name}: expected numbers, got {type_name(value)}.") from error
    if len(band_values) == 1:
        return band_values * count
    if len(band_values) != count:
        raise EngineError(f"{name}: expected 1 or {count} values, got {len(band_values)}.")
    return band_values


def colours(palette: Any) -> np.ndarray | None:
    """Red, green and blue of each colour of a palette: CSS names or hexadecimal, with or without #."""
    if palette is None:
        return None
    from PIL import ImageColor

    texts = palette.split(",") if isinstance(palette, str) else palette
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise EngineError(f"palette: expected a list of colors, got {type_name(palette)}.")
    rgb = []
    for text in texts:
        name = text.strip()
        is_hex = len(name) in (3, 6) and all(letter in "0123456789abcdefABCDEF" for letter in name)
        try:
            rgb.append(ImageColor.getrgb(f"#{name}" if is_hex else name)[:3])
        except ValueError as error:
            raise EngineError(f"Invalid color '{text}' in the palette.") from error
    if not rgb:
        raise EngineError("The palette must contain at least one color.")
    return np.array(rgb, float)


def _ranges(count: int, low: Any, high: Any, gain: Any, bias: Any) -> tuple[np.ndarray, np.ndarray]:
    """What each band is multiplied by, and then raised by, to run from 0 to 255."""
    least, most = numbers(low, count, "min"), numbers(high, count, "max")
    factor, offset = numbers(gain, count, "gain"), numbers(bias, count, "bias")
    if (least or most) and (factor or offset):
        raise EngineError("Cannot specify both min/max and gain/bias.")
    if factor or offset:
        return np.array(factor or [1.0] * count), np.array(offset or [0.0] * count)
    start, end = np.array(least or [0.0] * count), np.array(most or [float(_TOP)] * count)
    span = np.where(end == start, 1, end - start)
    return _TOP / span, -start * _TOP / span


def _listed(bands: Any) -> list[Any]:
    """Names or numbers of bands, however they came: one, a list, or text with commas."""
    if isinstance(bands, str):
        return list(bands.split(","))
    return bands if isinstance(bands, list) else [bands]


@algorithm("Image.visualize")
def visualize(
    image: Image,
    bands: Any,
    gain: Any,
    bias: Any,
    min: Any,
    max: Any,
    gamma: Any,
    opacity: float | None,
    palette: Any,
    forceRgbOutput: bool,
) -> Image:
    """One or three bands as 8-bit colours: vis-red, vis-green and vis-blue, or vis-gray without a palette.

    A value between two colours of a palette is mixed of both; opacity lowers the mask.
    """
    source = image if bands is None else select(image, _listed(bands), None)
    count = len(source.bands)
    if bands is None and count > 3:
        source, count = select(image, [0, 1, 2], None), 3
    if count not in (1, 3):
        raise EngineError(f"Must specify 1 or 3 bands, got {count}.")
    table = colours(palette)
    if table is not None and count != 1:
        raise EngineError("Cannot provide a palette for RGB images.")
    factor, offset = _ranges(count, min, max, gain, bias)
    power = numbers(gamma, count, "gamma")
    names = _RGB if count == 3 or table is not None or forceRgbOutput else ("vis-gray",)
    out = [Band(name, NAMED["uint8"], source.projection, source.bands[0].dimensions) for name in names]

    def level(values: np.ndarray, i: int) -> np.ndarray:
        share = np.clip((values.astype(np.float64) * factor[i] + offset[i]) / _TOP, 0, 1)
        return share ** (1 / power[i]) if power else share

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = source.read_at(geobox, source.everything)
        mask = pixels.masks[0]
        for band_mask in pixels.masks[1:]:
            mask = both(mask, band_mask)
        if opacity is not None:
            mask = opaque(mask) * np.float32(opacity)
        if count == 3:
            planes = [np.rint(level(pixels.values[i], i) * _TOP) for i in positions]
        elif table is None:
            planes = [np.rint(level(pixels.values[0], 0) * _TOP)] * len(positions)
        else:
            planes = [_painted(level(pixels.values[0], 0), table[:, i]) for i in positions]
        return Pixels(tuple(plane.astype(np.uint8) for plane in planes), (mask,) * len(positions))

    return derived([source], out, reading, properties=image.properties)


def _painted(share: np.ndarray, stops: np.ndarray) -> np.ndarray:
    if len(stops) == 1:
        return np.full(share.shape, stops[0])
    return np.rint(np.interp(share, np.linspace(0, 1, len(stops)), stops))
