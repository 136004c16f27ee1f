"""Reductions of pixels that are arrays (Image.arrayReduce, arrayAccum, arrayArgmax, arrayDotProduct).

Assumption: a pixel whose reduction has no value, such as the mean of nothing, is masked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from local_ee import budget
from local_ee.algorithms import reducers
from local_ee.errors import EngineError
from local_ee.evaluation.array_images import check_arrays, check_axis, mapped, paired
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image
from local_ee.raster.pixel_type import DOUBLE, NAMED, PixelType
from local_ee.raster.reducing import Reducer

_INT = NAMED["int32"]


@algorithm("Image.arrayArgmax")
def argmax(image: Image) -> Image:
    """The position of the first of the largest numbers; an empty array has none."""
    check_arrays(image, "Image.arrayArgmax")

    def compute(stack: np.ndarray) -> np.ndarray | None:
        if not stack[0].size:
            return None
        flat = stack.reshape(len(stack), -1).argmax(axis=1)
        return np.column_stack(np.unravel_index(flat, stack.shape[1:])).astype(np.int32)

    return mapped(image, compute, lambda pixel_type: _INT.of_dimensions(1))


@algorithm("Image.arrayDotProduct")
def dot_product(image1: Image, image2: Image) -> Image:
    """The sum of the products of two lists of numbers."""
    for image in (image1, image2):
        check_arrays(image, "Image.arrayDotProduct", dimensions=1)

    def compute(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        if left.shape != right.shape:
            raise EngineError(f"Image.arrayDotProduct: Lengths {left.shape[1]} and {right.shape[1]} differ.")
        return np.einsum("ij,ij->i", left.astype(float), right.astype(float))

    return paired(image1, image2, compute, lambda left, right: DOUBLE)


def _over_axes(reducer: Reducer, columns: list[np.ndarray], axes: Sequence[int]) -> list[np.ndarray] | None:
    """The outputs of a reducer over axes of stacks, [pixel, others]; None where they have no value."""
    samples = [_samples_first(column, axes) for column in columns]
    running = reducer.for_pixels().start()
    running.add([(each, np.ones(each.shape, bool)) for each in samples])
    results = running.result()
    if not samples[0].size or not all(np.all(has_value) for _, has_value in results):
        return None
    return [np.asarray(values) for values, _ in results]


def _samples_first(stack: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """[sample, all others]: numbers along the axes first."""
    moved = np.moveaxis(stack, [axis + 1 for axis in axes], range(len(axes)))
    count = int(np.prod(moved.shape[: len(axes)]))
    return moved.reshape(count, moved.size // count if count else 0)


@algorithm("Image.arrayReduce")
def reduce(input: Image, reducer: Reducer, axes: list, fieldAxis: int | None) -> Image:
    """Numbers along axes reduced to one; a field axis holds the inputs and outputs of reducers with several."""
    many = reducer.inputs > 1 or len(reducer.outputs) > 1
    if many and fieldAxis is None:
        raise EngineError("Image.arrayReduce: A reducer with several inputs or outputs needs a fieldAxis.")
    if many and fieldAxis in axes:
        raise EngineError(f"Image.arrayReduce: The fieldAxis {fieldAxis} cannot be reduced.")
    for axis in (*axes, *([fieldAxis] if fieldAxis is not None else [])):
        check_axis(input, axis)
    field = fieldAxis if many else None

    def typed(pixel_type: PixelType) -> PixelType:
        outputs = reducer.typed(pixel_type.element)
        element = outputs[0]
        for output in outputs[1:]:
            element = element.union(output)
        return element.of_dimensions(pixel_type.dimensions)

    def compute(stack: np.ndarray) -> np.ndarray | None:
        if field is not None and stack.shape[field + 1] != reducer.inputs:
            raise EngineError(
                f"Image.arrayReduce: fieldAxis {field} has the length {stack.shape[field + 1]}, the reducer "
                f"{reducer.inputs} inputs."
            )
        columns = [stack] if field is None else [np.take(stack, [i], field + 1) for i in range(reducer.inputs)]
        shape = [1 if axis - 1 in axes else size for axis, size in enumerate(columns[0].shape)]
        outputs = _over_axes(reducer, columns, axes)
        if outputs is None:
            return None
        parts = [values.reshape(shape) for values in outputs]
        return parts[0] if field is None else np.concatenate(parts, field + 1)

    return mapped(input, compute, typed)


@algorithm("Image.arrayAccum")
def accumulated(input: Image, axis: int, reducer: Reducer | None) -> Image:
    """Each position reduced together with all before it along an axis; sums without a reducer."""
    check_axis(input, axis)
    running = (reducer or reducers.total()).over(1)
    if len(running.outputs) > 1:
        raise EngineError("Image.arrayAccum: The reducer must have one output.")

    def compute(stack: np.ndarray) -> np.ndarray | None:
        moved = np.moveaxis(stack, axis + 1, 0)
        parts = []
        for count in range(1, len(moved) + 1):
            budget.check()
            outputs = _over_axes(running, [np.moveaxis(moved[:count], 0, axis + 1)], [axis])
            if outputs is None:
                return None
            parts.append(outputs[0].reshape(moved.shape[1:]))
        return np.moveaxis(np.stack(parts), 0, axis + 1) if parts else stack

    return mapped(
        input,
        compute,
        lambda pixel_type: running.typed(pixel_type.element)[0].of_dimensions(pixel_type.dimensions),
    )
