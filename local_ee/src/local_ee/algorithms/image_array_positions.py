"""Positions in pixels that are arrays: taken, sliced, masked, sorted, repeated, by numbers that differ from pixel to
pixel (Image.arrayGet, arraySlice, arrayMask, arraySort, arrayRepeat, arrayReshape).
"""

from __future__ import annotations

import numpy as np

from local_ee import budget
from local_ee.algorithms.image_bands import chosen
from local_ee.errors import EngineError
from local_ee.evaluation.array_images import check_arrays, check_axis, grown, mapped, paired, with_parameters
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, constant
from local_ee.raster.pixel_type import PixelType

_NUMBER_BYTES = 8


@algorithm("Image.arrayGet")
def get(image: Image, position: Image) -> Image:
    """The number at a position, whose coordinates are the bands of the other image."""
    check_arrays(image, "Image.arrayGet", dimensions=len(position.bands))

    def compute(stack: np.ndarray, *coordinates: float) -> np.ndarray:
        index = tuple(int(coordinate) for coordinate in coordinates)
        for axis, (coordinate, size) in enumerate(zip(index, stack.shape[1:], strict=True)):
            if not 0 <= coordinate < size:
                raise EngineError(
                    f"Image.arrayGet: Position {coordinate} is out of range of axis {axis} with length {size}."
                )
        picked: np.ndarray = stack.reshape(len(stack), -1)[:, np.ravel_multi_index(index, stack.shape[1:])]
        return picked

    coordinates = [chosen(position, (i,)) for i in position.everything]
    return with_parameters(image, coordinates, compute, lambda pixel_type: pixel_type.element)


@algorithm("Image.arraySlice")
def sliced(input: Image, axis: int, start: Image | None, end: Image | None, step: int) -> Image:
    """The positions of an axis from start to before end; negative ones count from its end."""
    check_axis(input, axis)
    if step < 1:
        raise EngineError(f"Image.arraySlice: The step must be positive, got {step}.")
    bounds = [constant([0]) if start is None else start, *([] if end is None else [end])]

    def compute(stack: np.ndarray, start: float | None, end: float | None = None) -> np.ndarray:
        first, last = (None if limit is None else int(limit) for limit in (start, end))
        taken: np.ndarray = np.moveaxis(np.moveaxis(stack, axis + 1, 0)[slice(first, last, step)], 0, axis + 1)
        return taken

    return with_parameters(input, bounds, compute, lambda pixel_type: pixel_type, optional=True)


@algorithm("Image.arrayRepeat")
def repeat(input: Image, axis: int, copies: Image) -> Image:
    """Copies of each array along an axis, which may be a new last one."""
    check_arrays(input, "Image.arrayRepeat")
    for band in input.bands:
        if not 0 <= axis <= band.type.dimensions:
            raise EngineError(f"Image.arrayRepeat: Axis {axis} is out of range of band '{band.name}'.")

    def compute(stack: np.ndarray, copies: float) -> np.ndarray:
        if copies < 0:
            raise EngineError(f"Image.arrayRepeat: {copies:g} copies cannot be made.")
        budget.allocate(stack.size * int(copies) * _NUMBER_BYTES)
        stack = grown(stack, max(stack.ndim - 1, axis + 1))
        return np.concatenate([stack] * int(copies), axis + 1) if copies else np.take(stack, [], axis + 1)

    def typed(pixel_type: PixelType) -> PixelType:
        return pixel_type.of_dimensions(max(pixel_type.dimensions, axis + 1))

    return with_parameters(input, [copies], compute, typed)


@algorithm("Image.arrayReshape")
def reshape(image: Image, lengths: Image, dimensions: int) -> Image:
    """The same numbers under other lengths; one of them may be -1, which is computed."""
    if len(lengths.bands) != 1:
        raise EngineError(f"Image.arrayReshape: lengths must have 1 band, got {len(lengths.bands)}.")
    check_arrays(lengths, "Image.arrayReshape", dimensions=1)

    def compute(stack: np.ndarray, shape: tuple[float, ...]) -> np.ndarray:
        sizes = [int(size) for size in shape]
        if len(sizes) != dimensions:
            raise EngineError(f"Image.arrayReshape: {len(sizes)} lengths for {dimensions} dimensions.")
        numbers = int(np.prod(stack.shape[1:]))
        if -1 in sizes:
            others = int(np.prod([size for size in sizes if size != -1]))
            sizes[sizes.index(-1)] = numbers // others if others else 0
        if min(sizes, default=0) < 0 or int(np.prod(sizes)) != numbers:
            raise EngineError(f"Image.arrayReshape: {numbers} numbers cannot have the lengths {list(shape)}.")
        return stack.reshape(len(stack), *sizes)

    return with_parameters(image, [lengths], compute, lambda pixel_type: pixel_type.of_dimensions(dimensions))


@algorithm("Image.arrayMask")
def masked(input: Image, mask: Image) -> Image:
    """The positions beside which the mask is not 0; the mask may be longer than 1 along one axis only."""
    check_arrays(input, "Image.arrayMask")
    check_arrays(mask, "Image.arrayMask")
    if len(mask.bands) not in (1, len(input.bands)):
        raise EngineError(f"Image.arrayMask: Expected 1 or {len(input.bands)} bands, got {len(mask.bands)}.")

    def compute(stack: np.ndarray, masks: np.ndarray) -> list[np.ndarray]:
        axis = _long_axis(masks, stack, "Image.arrayMask: The mask")
        keep = masks.reshape(len(masks), -1) != 0
        return [np.compress(kept, array, axis) for kept, array in zip(keep, stack, strict=True)]

    return paired(input, mask, compute, lambda own, other: own)


@algorithm("Image.arraySort")
def sort(image: Image, keys: Image | None) -> Image:
    """The elements along one axis in the order of keys, which are the numbers themselves if none are given."""
    check_arrays(image, "Image.arraySort")
    if keys is None:
        return mapped(image, lambda stack: _sorted(stack, stack), lambda pixel_type: pixel_type)
    check_arrays(keys, "Image.arraySort")
    if len(keys.bands) not in (1, len(image.bands)):
        raise EngineError(f"Image.arraySort: Expected 1 or {len(image.bands)} bands of keys, got {len(keys.bands)}.")
    return paired(image, keys, _sorted, lambda own, other: own)


def _sorted(stack: np.ndarray, keys: np.ndarray) -> np.ndarray:
    axis = _long_axis(keys, stack, "Image.arraySort: The keys")
    order = np.argsort(keys.reshape(len(keys), -1), axis=1, kind="stable")
    shape = [len(stack)] + [1] * (stack.ndim - 1)
    shape[axis + 1] = stack.shape[axis + 1]
    return np.take_along_axis(stack, order.reshape(shape), axis + 1)


def _long_axis(guides: np.ndarray, stack: np.ndarray, use: str) -> int:
    """The axis along which guides (keys, masks) have several elements, as many as the arrays."""
    long_axes = [axis for axis, size in enumerate(guides.shape[1:]) if size != 1]
    if len(long_axes) > 1 or guides.ndim != stack.ndim:
        raise EngineError(f"{use} must have the array's axes, and be longer than 1 along one of them only.")
    axis = long_axes[0] if long_axes else 0
    if guides.shape[axis + 1] != stack.shape[axis + 1]:
        raise EngineError(
            f"{use} have {guides.shape[axis + 1]} positions along axis {axis}, the array {stack.shape[axis + 1]}."
        )
    return axis
