"""Turns functions of stacks of arrays into functions of images whose pixels are arrays: bands, types and masks, once.

Assumption: the results have no properties, as those of operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.values import Image, derived
from local_ee.raster.array_pixels import Compute, computed
from local_ee.raster.pixel_type import PixelType
from local_ee.raster.pixels import Pixels, both, is_valid, opaque


def mapped(image: Image, compute: Compute, typed: Callable[[PixelType], PixelType]) -> Image:
    """A function of each band's pixels; typed: the pixel type that it gives for one."""
    bands = [band.typed(typed(band.type)) for band in image.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, positions)
        pairs = [
            computed(compute, [values], mask, bands[i].type.dtype)
            for i, values, mask in zip(positions, pixels.values, pixels.masks, strict=True)
        ]
        return together(pairs)

    return derived([image], bands, reading, needs=lambda positions: [positions])


def paired(left: Image, right: Image, compute: Compute, typed: Callable[[PixelType, PixelType], PixelType]) -> Image:
    """A function of each pair of bands; an image with one band goes with every band of the other."""
    count = max(len(left.bands), len(right.bands))
    columns = [_column(image, count) for image in (left, right)]
    longest = left if len(left.bands) == count else right
    bands = [
        longest.bands[i].typed(typed(left.bands[columns[0][i]].type, right.bands[columns[1][i]].type))
        for i in range(count)
    ]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pairs = []
        first = _read(left, geobox, [columns[0][i] for i in positions])
        second = _read(right, geobox, [columns[1][i] for i in positions])
        for i, (a, a_mask), (b, b_mask) in zip(positions, first, second, strict=True):
            pairs.append(computed(compute, [a, b], both(a_mask, b_mask), bands[i].type.dtype))
        return together(pairs)

    return derived(
        [left, right], bands, reading, needs=lambda positions: [[column[i] for i in positions] for column in columns]
    )


def _column(image: Image, count: int) -> list[int]:
    if len(image.bands) not in (1, count):
        raise EngineError(f"Images must have the same number of bands, or one band; got {len(image.bands)}, {count}.")
    return list(range(count)) if len(image.bands) == count else [0] * count


def _read(image: Image, geobox: GeoBox, columns: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    unique = tuple(dict.fromkeys(columns))
    pixels = image.read_at(geobox, unique)
    return [(pixels.values[unique.index(i)], pixels.masks[unique.index(i)]) for i in columns]


def together(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Pixels:
    """Bands of values and masks."""
    return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))


def check_arrays(image: Image, use: str, *, dimensions: int | None = None) -> None:
    """EngineError where a band's pixels are not arrays, or not of so many dimensions."""
    for band in image.bands:
        if not band.type.dimensions or dimensions not in (None, band.type.dimensions):
            expected = "arrays" if dimensions is None else f"arrays with {dimensions} axes"
            raise EngineError(
                f"{use}: The pixels of band '{band.name}' have {band.type.dimensions} dimensions; expected {expected}."
            )


def check_axis(image: Image, axis: int) -> None:
    check_arrays(image, "Image")
    for band in image.bands:
        if not 0 <= axis < band.type.dimensions:
            raise EngineError(
                f"Axis {axis} is out of range of band '{band.name}', whose pixels have {band.type.dimensions} axes."
            )


def grown(stack: np.ndarray, dimensions: int) -> np.ndarray:
    """A stack of arrays with further axes of length 1 until they have so many dimensions."""
    return stack.reshape(stack.shape + (1,) * (dimensions + 1 - stack.ndim))


def with_parameters(
    image: Image,
    partners: Sequence[Image],
    compute: Compute,
    typed: Callable[[PixelType], PixelType],
    *,
    optional: bool = False,
) -> Image:
    """A function of each band's pixels and of numbers that differ from pixel to pixel: bands of partners, in order.

    A partner has one band, or a band for each of the image's. optional: where it is masked, the function gets None;
    else the result is masked.
    """
    bands = [band.typed(typed(band.type)) for band in image.bands]
    columns = [_column(partner, len(bands)) for partner in partners]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, positions)
        read = [_read(partner, geobox, [column[i] for i in positions]) for partner, column in _zipped()]
        pairs = []
        for k, i in enumerate(positions):
            mask = pixels.masks[k]
            parameters = [each[k] for each in read]
            if not optional:
                for _, own in parameters:
                    mask = both(mask, own)
            shared = [_or_none(*each) if optional else each[0] for each in parameters]
            pairs.append(computed(compute, [pixels.values[k]], mask, bands[i].type.dtype, parameters=shared))
        return together(pairs)

    def _zipped() -> list[tuple[Image, list[int]]]:
        return list(zip(partners, columns, strict=True))

    def needs(positions: tuple[int, ...]) -> list[Any]:
        return [positions, *([column[i] for i in positions] for column in columns)]

    return derived([image, *partners], bands, reading, needs=needs)


def _or_none(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Numbers, and None where they are masked."""
    if is_valid(mask):
        return values
    numbers: np.ndarray = values.astype(object)
    numbers[~opaque(mask).astype(bool)] = None
    return numbers
