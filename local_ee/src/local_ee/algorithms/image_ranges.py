"""Functions of images with numbers as parameters: bounds, scalings, polynomials, tables; and blending."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.pointwise import BandPixels, pointwise
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.stacks import by_name, mosaic
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster.pixel_type import PixelType
from local_ee.raster.pixels import Pixels, as_weight, both, is_blank

Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def changed(image: Image, typed: Callable[[PixelType], PixelType], change: Change, positions: Sequence[int]) -> Image:
    """Some bands of an image after a function of values and mask; properties as arithmetic leaves them: none."""
    bands = [image.bands[i].typed(typed(image.bands[i].type)) for i in positions]

    def compute(
        indices: tuple[int, ...], inputs: Sequence[Sequence[BandPixels]], shape: tuple[int, ...]
    ) -> list[BandPixels]:
        pairs = [band if is_blank(band[1]) else change(*band) for band in inputs[0]]
        dtypes = [bands[i].type.dtype for i in indices]
        return [(values.astype(dtype, copy=False), mask) for dtype, (values, mask) in zip(dtypes, pairs, strict=True)]

    return pointwise([image], bands, compute, lambda indices: [[positions[i] for i in indices]])


@algorithm("Image.clamp")
def clamp(input: Image, low: float, high: float) -> Image:
    """Each value bounded to a range."""
    if low > high:
        raise EngineError(f"The low bound ({low:g}) must not be greater than the high one ({high:g}).")

    def typed(source_type: PixelType) -> PixelType:
        is_whole = source_type.is_integer and float(low).is_integer() and float(high).is_integer()
        return (
            PixelType("int", int(low), int(high))
            if is_whole
            else PixelType(source_type.floating().precision, low, high)
        )

    return changed(
        input, typed, lambda values, mask: (np.clip(values.astype(float), low, high), mask), input.everything
    )


@algorithm("Image.unitScale")
def unit_scale(input: Image, low: float, high: float) -> Image:
    """0 at the low value, 1 at the high one; values outside the range are not clamped (apidocs ee-image-unitscale)."""
    if not low < high:
        raise EngineError(f"The low value ({low:g}) must be less than the high one ({high:g}).")

    def scaled(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (values.astype(float) - low) / (high - low), mask

    return changed(input, lambda source_type: source_type.floating(), scaled, input.everything)


@algorithm("Image.polynomial")
def polynomial(image: Image, coefficients: list) -> Image:
    """A polynomial of each value; the coefficients start with the constant one."""
    factors = [float(each) for each in coefficients]

    def evaluated(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.polynomial.polynomial.polyval(values.astype(float), factors), mask

    return changed(image, lambda source_type: PixelType("double"), evaluated, image.everything)


@algorithm("Image.interpolate")
def interpolate(image: Image, x: list, y: list, behavior: str) -> Image:
    """The first band through a piecewise-linear function; behaviour outside it: extrapolate, clamp, input or mask."""
    if behavior not in ("extrapolate", "clamp", "input", "mask"):
        raise EngineError(f"Unknown behavior '{behavior}'. Use 'extrapolate', 'clamp', 'mask' or 'input'.")
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    if len(xs) != len(ys) or len(xs) < 2 or not (np.diff(xs) > 0).all():
        raise EngineError("x must be strictly increasing, and x and y of one length of at least 2.")

    def mapped(values: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = values.astype(float)
        inner = np.interp(values, xs, ys)
        outside = (values < xs[0]) | (values > xs[-1])
        if behavior == "input":
            inner = np.where(outside, values, inner)
        elif behavior == "mask":
            mask = both(mask, ~outside)
        elif behavior == "extrapolate":
            first, last = (ys[1] - ys[0]) / (xs[1] - xs[0]), (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
            inner = np.where(values < xs[0], ys[0] + (values - xs[0]) * first, inner)
            inner = np.where(values > xs[-1], ys[-1] + (values - xs[-1]) * last, inner)
        return inner, mask

    return changed(image, lambda source_type: PixelType("double"), mapped, (0,))


@algorithm("Image.blend")
def blend(bottom: Image, top: Image) -> Image:
    """The top image over the bottom one, its mask as opacity (apidocs ee-image-blend); bands are matched by name.

    Assumption: masks add up as opacities do: what both leave clear is clear.
    """
    joined = mosaic([bottom, top])
    bands = [band.on(bottom.projection) for band in joined.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pairs = [_over(bottom, top, bands[position], geobox) for position in positions]
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))

    return derived(
        [bottom, top],
        bands,
        reading,
        properties=bottom.properties,
        footprint_of=joined.footprint_of,
        needs=lambda positions: by_name([bottom, top], {bands[i].name for i in positions}),
    )


def _over(bottom: Image, top: Image, band: Band, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """A band of an image over that of another: values weighed by opacity, and the opacity of both."""
    holders = [image for image in (bottom, top) if band.name in image.band_names]
    pairs = [(pixels.values[0], pixels.masks[0]) for pixels in (each.read(geobox, [band.name]) for each in holders)]
    if len(pairs) == 1:
        return pairs[0][0].astype(band.type.dtype, copy=False), pairs[0][1]
    (below, under), (above, opacity) = pairs
    if opacity.dtype == bool and under.dtype == bool:
        return np.where(opacity, above, below).astype(band.type.dtype, copy=False), under | opacity
    upper, lower = as_weight(opacity), (1 - as_weight(opacity)) * as_weight(under)
    mask = upper + lower
    mixed = (upper * above.astype(float) + lower * below) / np.where(mask > 0, mask, 1)
    return mixed.astype(band.type.dtype), mask
