"""Arrays (Array.*): making, cutting, joining and reducing them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.algorithms import reducers
from local_ee.errors import EngineError
from local_ee.evaluation.arrays import Array, from_lists, joined_precision, to_array
from local_ee.evaluation.registry import algorithm
from local_ee.raster.pixel_type import PixelType
from local_ee.raster.reducing import Reducer

_NUMBER_BYTES = 8
_BITS = 64
MOST_AXES = 32  # of an array of numpy


@algorithm("Array")
def array(values: Any, pixelType: PixelType | None) -> Array:
    """An array of a number, nested lists of numbers, or another array, cast to a type if one is given."""
    if isinstance(values, list):
        return from_lists(values, pixelType)
    made = to_array(values)
    if made is None:
        raise EngineError("Array: Expected a number, nested lists of numbers, or an array.")
    return made if pixelType is None else Array.of(made.values, pixelType.precision)


@algorithm("Array.identity")
def identity(size: int) -> Array:
    """A square matrix with ones on its diagonal."""
    _check_size((size, size))
    return Array.of(np.eye(size, dtype=np.int64))


@algorithm("Array.bitsToArray")
def bits_to_array(input: float) -> Array:
    """The bits of a whole number, the lowest one first; a single 0 for 0."""
    if not math.isfinite(input):
        raise EngineError(f"Only finite numbers have bits, got {input:g}.")
    bits = int(input) & (2**_BITS - 1)
    return Array.of(np.array([bits >> i & 1 for i in range(max(bits.bit_length(), 1))], np.int64))


@algorithm("Array.length")
def length(array: Array) -> Array:
    """The length of each dimension."""
    return Array.of(np.array(array.shape, np.int64))


@algorithm("Array.toList")
def to_list(array: Array) -> list:
    """Nested lists of the numbers."""
    return list(np.atleast_1d(array.values).tolist())


@algorithm("Array.get")
def get(array: Array, position: list) -> int | float:
    """The number at a position."""
    if len(position) != array.values.ndim:
        raise EngineError(f"Array.get: The position has {len(position)} numbers, the array {array.values.ndim} axes.")
    for axis, (index, size) in enumerate(zip(position, array.shape, strict=True)):
        if not 0 <= index < size:
            raise EngineError(f"Array.get: Position {index} is out of range of axis {axis} with length {size}.")
    element: int | float = array.values[tuple(position)].item()
    return element


@algorithm("Array.argmax")
def argmax(array: Array) -> list[int] | None:
    """The position of the first of the largest numbers; null in an empty array."""
    if not array.values.size:
        return None
    return [int(index) for index in np.unravel_index(int(array.values.argmax()), array.shape)]


@algorithm("Array.cut")
def cut(array: Array, position: list) -> Array:
    """One position of each axis, or the whole axis for -1; no axis is lost."""
    if len(position) != array.values.ndim:
        raise EngineError(f"Array.cut: The position has {len(position)} numbers, the array {array.values.ndim} axes.")
    for axis, index in enumerate(position):
        if not -1 <= index < array.shape[axis]:
            raise EngineError(f"Array.cut: Position {index} is out of range of axis {axis}.")
    return array.like(array.values[tuple(slice(None) if i == -1 else slice(i, i + 1) for i in position)])


@algorithm("Array.slice")
def sliced(array: Array, axis: int, start: int, end: int | None, step: int) -> Array:
    """The positions of an axis from start to before end; negative ones count from its end."""
    if step < 1:
        raise EngineError(f"Array.slice: The step must be positive, got {step}.")
    return array.like(array.values[_along(array, axis, slice(start, end, step))])


def _along(array: Array, axis: int, part: Any) -> tuple[Any, ...]:
    """An index that takes a part of one axis and all of the others."""
    return tuple(part if i == _axis(array, axis) else slice(None) for i in range(array.values.ndim))


def _axis(array: Array, axis: int) -> int:
    if not 0 <= axis < array.values.ndim:
        raise EngineError(f"Axis {axis} is out of range of an array with {array.values.ndim} axes.")
    return axis


@algorithm("Array.mask")
def masked(input: Array, mask: Array) -> Array:
    """The positions beside which the mask is not 0; the mask may be longer than 1 along one axis only."""
    long_axes = [axis for axis, size in enumerate(mask.shape) if size != 1]
    if mask.values.ndim != input.values.ndim or len(long_axes) > 1:
        raise EngineError(
            "Array.mask: The mask must have the array's axes, and be longer than 1 along one of them only."
        )
    axis = _axis(input, long_axes[0] if long_axes else 0)
    keep = np.ravel(mask.values) != 0
    if len(keep) != input.shape[axis]:
        raise EngineError(
            f"Array.mask: The mask has {len(keep)} positions along axis {axis}, the array {input.shape[axis]}."
        )
    return input.like(np.compress(keep, input.values, axis=axis))


@algorithm("Array.cat")
def cat(arrays: list, axis: int) -> Array:
    """Arrays one after the other along an axis, which may be a new last one."""
    if not arrays:
        raise EngineError("Array.cat: Expected at least one array.")
    most = max(each.values.ndim for each in arrays)
    if not 0 <= axis <= most + 1:
        raise EngineError(f"Array.cat: Axis {axis} is out of range of arrays with {most} axes.")
    missing = max(axis + 1 - most, 0)
    grown = [each.values.reshape(each.shape + (1,) * missing) for each in arrays]
    try:
        return Array.of(np.concatenate(grown, axis=axis), joined_precision(arrays))
    except ValueError as error:
        shapes = ", ".join(str(list(each.shape)) for each in arrays)
        raise EngineError(f"Array.cat: Arrays of the lengths {shapes} cannot be joined along axis {axis}.") from error


@algorithm("Array.repeat")
def repeat(array: Array, axis: int, copies: int) -> Array:
    """Copies of the array along an axis, which may be a new last one."""
    missing = max(axis + 1 - array.values.ndim, 0)
    if copies < 0 or missing > 1:
        raise EngineError(f"Array.repeat: {copies} copies along axis {axis} cannot be made.")
    grown = array.values.reshape(array.shape + (1,) * missing)
    _check_size((grown.size, copies))
    return array.like(np.concatenate([grown] * copies, axis=axis) if copies else np.take(grown, [], axis=axis))


@algorithm("Array.pad")
def pad(array: Array, lengths: list, pad: float) -> Array:
    """Numbers appended until each axis has its length; longer axes stay."""
    if len(lengths) != array.values.ndim:
        raise EngineError(f"Array.pad: {len(lengths)} lengths for an array with {array.values.ndim} axes.")
    grown = [max(length - size, 0) for length, size in zip(lengths, array.shape, strict=True)]
    _check_size([size + more for size, more in zip(array.shape, grown, strict=True)])
    if not grown:
        return array
    return array.like(np.pad(array.values, [(0, more) for more in grown], constant_values=pad))


@algorithm("Array.reshape")
def reshape(array: Array, shape: Array) -> Array:
    """The same numbers under other lengths; one of them may be -1, which is computed."""
    lengths = np.ravel(shape.values)
    try:
        return array.like(array.values.reshape([int(length) for length in lengths]))
    except (ValueError, OverflowError) as error:  # not a number, infinity
        refusal = f"Array.reshape: {array.values.size} numbers cannot have the lengths {lengths.tolist()}."
        raise EngineError(refusal) from error


@algorithm("Array.project")
def project(array: Array, axes: list) -> Array:
    """The axes to keep, in that order; the others must have a length of at most 1."""
    for axis in axes:
        _axis(array, axis)
    dropped = [axis for axis in range(array.values.ndim) if axis not in axes]
    if any(array.shape[axis] > 1 for axis in dropped):
        raise EngineError("Array.project: The axes that are dropped must have a length of at most 1.")
    return array.like(np.transpose(array.values, [*axes, *dropped]).reshape([array.shape[axis] for axis in axes]))


@algorithm("Array.transpose", "Array.matrixTranspose")
def transpose(array: Array, axis1: int, axis2: int) -> Array:
    """Two axes swapped; a missing one has the length 1."""
    if not 0 <= min(axis1, axis2) <= max(axis1, axis2) < MOST_AXES:
        raise EngineError(f"The axes must be 0 to {MOST_AXES - 1}, got {axis1} and {axis2}.")
    missing = max(axis1, axis2) + 1 - array.values.ndim
    grown = array.values.reshape(array.shape + (1,) * max(missing, 0))
    return array.like(np.swapaxes(grown, axis1, axis2))


@algorithm("Array.sort")
def sort(array: Array, keys: Array | None) -> Array:
    """The elements along one axis in the order of keys, which are the numbers themselves if none are given."""
    key = array if keys is None else keys
    long_axes = [axis for axis, size in enumerate(key.shape) if size != 1]
    if len(long_axes) > 1 or key.values.ndim != array.values.ndim:
        raise EngineError(
            "Array.sort: The keys must have the array's axes, and be longer than 1 along one of them only."
        )
    axis = _axis(array, long_axes[0] if long_axes else 0)
    if key.shape[axis] != array.shape[axis]:
        raise EngineError(f"Array.sort: {key.shape[axis]} keys for {array.shape[axis]} positions along axis {axis}.")
    return array.like(np.take(array.values, np.argsort(np.ravel(key.values), kind="stable"), axis=axis))


@algorithm("Array.accum")
def accumulated(array: Array, axis: int, reducer: Reducer | None) -> Array:
    """Each position reduced together with all before it along an axis; sums without a reducer."""
    moved = np.moveaxis(array.values, _axis(array, axis), 0)
    running = (reducer or reducers.total()).over(1)
    parts = [_reduced(running, [moved[: i + 1]])[0] for i in range(len(moved))]
    stacked = np.moveaxis(np.stack(parts), 0, axis) if parts else array.values
    return Array.of(stacked, "int" if _stays_whole(array, stacked) else array.floating)


@algorithm("Array.reduce")
def reduce(array: Array, reducer: Reducer, axes: list, fieldAxis: int | None) -> Array:
    """The numbers along axes reduced to one; a field axis holds the inputs and outputs of reducers with several."""
    many = reducer.inputs > 1 or len(reducer.outputs) > 1
    if many and fieldAxis is None:
        raise EngineError("Array.reduce: A reducer with several inputs or outputs needs a fieldAxis.")
    for axis in axes:
        _axis(array, axis)
    if fieldAxis is not None and many:
        return _reduce_fields(array, reducer, axes, _axis(array, fieldAxis))
    values = _reduced(reducer, [_samples_first(array.values, axes)])[0]
    return Array.of(_restored(values, array.shape, axes), "int" if _stays_whole(array, values) else array.floating)


def _reduce_fields(array: Array, reducer: Reducer, axes: list, field: int) -> Array:
    if array.shape[field] != reducer.inputs or field in axes:
        raise EngineError(
            f"Array.reduce: fieldAxis {field} has the length {array.shape[field]}, the reducer {reducer.inputs} inputs."
        )
    columns = [np.take(array.values, [i], axis=field) for i in range(reducer.inputs)]
    outputs = _reduced(reducer, [_samples_first(column, axes) for column in columns])
    parts = [_restored(values, columns[0].shape, axes) for values in outputs]
    return Array.of(np.concatenate(parts, axis=field), array.floating)


def _samples_first(values: np.ndarray, axes: list) -> np.ndarray:
    """The axes to be reduced as one first axis."""
    inner_sizes = [size for axis, size in enumerate(values.shape) if axis not in axes]
    return np.moveaxis(values, axes, range(len(axes))).reshape(-1, *inner_sizes)


def _restored(values: np.ndarray, shape: tuple[int, ...], axes: list) -> np.ndarray:
    return np.reshape(values, [1 if axis in axes else size for axis, size in enumerate(shape)])


def _reduced(reducer: Reducer, columns: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of a reducer over the first axis of its inputs."""
    running = reducer.for_pixels().start()
    running.add([(column, np.ones(column.shape, bool)) for column in columns])
    return [np.asarray(values) for values, _ in running.result()]


def _stays_whole(array: Array, values: np.ndarray) -> bool:
    return array.precision == "int" and bool((np.asarray(values) == np.rint(values)).all())


def _check_size(lengths: Any) -> None:
    if any(length < 0 for length in lengths):
        raise EngineError(f"An array cannot have the lengths {list(lengths)}.")
    budget.allocate(math.prod(lengths) * _NUMBER_BYTES)
