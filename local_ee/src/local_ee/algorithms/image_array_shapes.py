"""Shapes of pixels that are arrays: joined, flattened, projected, swapped, padded, measured (Image.arrayCat ...)."""

from __future__ import annotations

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.array_images import check_arrays, check_axis, grown, mapped, paired, together
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster.array_pixels import Compute, computed
from local_ee.raster.pixel_type import NAMED, PixelType
from local_ee.raster.pixels import Pixels

_INT = NAMED["int32"]
_NUMBER_BYTES = 8


@algorithm("Image.arrayCat")
def cat(image1: Image, image2: Image, axis: int) -> Image:
    """Arrays of both images one after the other along an axis, which may be a new last one."""
    for image in (image1, image2):
        check_arrays(image, "Image.arrayCat")
    most = max(band.type.dimensions for band in (*image1.bands, *image2.bands))
    if not 0 <= axis <= most:
        raise EngineError(f"Image.arrayCat: Axis {axis} is out of range of arrays with {most} axes.")

    def dimensions(left: PixelType, right: PixelType) -> int:
        return max(left.dimensions, right.dimensions, axis + 1)

    def typed(left: PixelType, right: PixelType) -> PixelType:
        return left.element.union(right.element).of_dimensions(dimensions(left, right))

    def compute(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        size = max(left.ndim - 1, right.ndim - 1, axis + 1)
        try:
            return np.concatenate([grown(left, size), grown(right, size)], axis + 1)
        except ValueError as error:
            shapes = f"{list(left.shape[1:])} and {list(right.shape[1:])}"
            raise EngineError(
                f"Image.arrayCat: Arrays of the lengths {shapes} cannot be joined along axis {axis}."
            ) from error

    return paired(image1, image2, compute, typed)


@algorithm("Image.arrayFlatten")
def flatten(image: Image, coordinateLabels: list, separator: str) -> Image:
    """A band of numbers for each position of the arrays, named by the labels of its coordinates."""
    labels = [[str(label) for label in axis] for axis in coordinateLabels]
    if len(image.bands) != 1 or image.bands[0].type.dimensions != len(labels):
        got = [band.type.dimensions for band in image.bands]
        raise EngineError(f"Image.arrayFlatten: {len(labels)} lists of labels for bands of {got} dimensions.")
    lengths = tuple(len(axis) for axis in labels)
    source = image.bands[0]
    names = [""]
    for depth, axis in enumerate(labels):
        names = [f"{name}{separator if depth else ''}{label}" for name in names for label in axis]
    bands = [Band(name, source.type.element, source.projection, source.dimensions) for name in names]

    def element(index: int) -> Compute:
        def compute(stack: np.ndarray) -> np.ndarray:
            if stack.shape[1:] != lengths:
                raise EngineError(
                    f"Image.arrayFlatten: Arrays of the lengths {list(stack.shape[1:])} and labels of the lengths "
                    f"{list(lengths)} do not match."
                )
            return stack.reshape(len(stack), -1)[:, index]

        return compute

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, (0,))
        dtype = source.type.element.dtype
        return together([computed(element(i), pixels.values, pixels.masks[0], dtype) for i in positions])

    return derived([image], bands, reading, needs=lambda positions: [(0,)])


@algorithm("Image.arrayProject")
def project(input: Image, axes: list) -> Image:
    """The axes to keep, in that order; the others must have a length of at most 1."""
    for axis in axes:
        check_axis(input, axis)
    if len(set(axes)) < len(axes):
        raise EngineError(f"Image.arrayProject: An axis is named twice in {axes}.")

    def compute(stack: np.ndarray) -> np.ndarray | None:
        dropped = [axis for axis in range(stack.ndim - 1) if axis not in axes]
        lengths = [stack.shape[axis + 1] for axis in dropped]
        if any(length > 1 for length in lengths):
            raise EngineError("Image.arrayProject: The axes that are dropped must have a length of at most 1.")
        if 0 in lengths and 0 not in [stack.shape[axis + 1] for axis in axes]:
            return None  # no position is left to keep
        moved = np.transpose(stack, [0, *(axis + 1 for axis in (*axes, *dropped))])
        return moved.reshape([len(stack), *(stack.shape[axis + 1] for axis in axes)])

    return mapped(input, compute, lambda pixel_type: pixel_type.of_dimensions(len(axes)))


@algorithm("Image.arrayTranspose", "Image.matrixTranspose")
def transpose(input: Image, axis1: int, axis2: int) -> Image:
    """Two axes swapped; a missing one has the length 1."""
    check_arrays(input, "Image.arrayTranspose")
    if min(axis1, axis2) < 0:
        raise EngineError(f"Image.arrayTranspose: Axes must not be negative, got {axis1} and {axis2}.")

    def dimensions(pixel_type: PixelType) -> int:
        return max(pixel_type.dimensions, axis1 + 1, axis2 + 1)

    def compute(stack: np.ndarray) -> np.ndarray:
        size = max(stack.ndim - 1, axis1 + 1, axis2 + 1)
        return np.swapaxes(grown(stack, size), axis1 + 1, axis2 + 1)

    return mapped(input, compute, lambda pixel_type: pixel_type.of_dimensions(dimensions(pixel_type)))


@algorithm("Image.arrayPad")
def pad(image: Image, lengths: list, pad: float) -> Image:
    """Numbers appended until each axis has its length; longer axes stay."""
    check_arrays(image, "Image.arrayPad", dimensions=len(lengths))

    def compute(stack: np.ndarray) -> np.ndarray:
        more = [(0, max(length - size, 0)) for length, size in zip(lengths, stack.shape[1:], strict=True)]
        size = len(stack) * int(np.prod([max(pair) for pair in zip(lengths, stack.shape[1:], strict=True)]))
        budget.allocate(size * _NUMBER_BYTES)
        return np.pad(stack, [(0, 0), *more], constant_values=pad)

    return mapped(image, compute, lambda pixel_type: pixel_type)


@algorithm("Image.arrayLengths")
def lengths(input: Image) -> Image:
    """The length of each axis."""
    check_arrays(input, "Image.arrayLengths")
    return mapped(
        input,
        lambda stack: np.broadcast_to(np.array(stack.shape[1:], np.int32), (len(stack), stack.ndim - 1)),
        lambda pixel_type: _INT.of_dimensions(1),
    )


@algorithm("Image.arrayLength")
def length(input: Image, axis: int) -> Image:
    """The length along an axis."""
    check_axis(input, axis)
    return mapped(input, lambda stack: np.full(len(stack), stack.shape[axis + 1]), lambda pixel_type: _INT)


@algorithm("Image.arrayDimensions")
def dimensions(input: Image) -> Image:
    """The number of axes; 0 where pixels are numbers."""
    return mapped(input, lambda stack: np.full(len(stack), stack.ndim - 1), lambda pixel_type: _INT)
