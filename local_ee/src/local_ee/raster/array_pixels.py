"""Functions of pixels that are arrays: pixels of one shape are computed together, as one stack [pixel, *axes]."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.raster.pixels import hidden, is_blank, is_uniform, is_valid, opaque, size_of, valid

# From stacks [pixel, *axes] of each input, and numbers or texts that all their pixels share, to the results, one a
# pixel; None where the result has no value.
Compute = Callable[..., Any]
Values = tuple[np.ndarray, np.ndarray]


def computed(
    compute: Compute,
    columns: Sequence[np.ndarray],
    mask: np.ndarray,
    dtype: np.dtype,
    *,
    parameters: Sequence[np.ndarray] = (),
) -> Values:
    """Values and mask of a function of pixels [row, column] that are arrays or numbers.

    parameters: further pixels that the function takes one by one: only pixels with the same are computed together.
    """
    shape = mask.shape
    if is_blank(mask):
        return hidden(dtype, shape)
    if is_valid(mask) and all(is_uniform(column) for column in (*columns, *parameters)):
        pixel = [column[:1, :1] for column in columns]
        values, own = _over(compute, pixel, np.ones((1, 1), bool), dtype, [each[:1, :1] for each in parameters])
        return np.broadcast_to(values[0:1, 0:1], shape), valid(shape) if own[0, 0] else hidden(dtype, shape)[1]
    return _over(compute, columns, mask, dtype, parameters)


def _over(
    compute: Compute, columns: Sequence[np.ndarray], mask: np.ndarray, dtype: np.dtype, parameters: Sequence[np.ndarray]
) -> Values:
    inside = opaque(mask)
    pixels = [column[inside] for column in columns]
    out = np.zeros(int(inside.sum()), dtype)
    has_value = np.ones(out.shape, bool)
    for members, shared in _groups(pixels, [each[inside] for each in parameters], out.size):
        budget.check()
        stacks = [_stack(column[members]) for column in pixels]
        results = compute(*stacks, *shared)
        if results is None:
            has_value[members] = False
        else:
            _put(out, members, results)
    values = np.zeros(mask.shape, dtype)
    values[inside] = out
    budget.allocate(size_of(values))
    if has_value.all():
        return values, mask
    kept = mask.copy()
    kept[inside] *= has_value
    return values, kept


def _groups(
    pixels: Sequence[np.ndarray], parameters: Sequence[np.ndarray], count: int
) -> Iterator[tuple[np.ndarray, tuple[Any, ...]]]:
    """The members of each group of pixels of the same shapes and parameters, and these parameters."""
    shapes = [[pixel.shape for pixel in column] for column in pixels if column.dtype == object]
    if not shapes and not parameters:
        if count:
            yield np.arange(count), ()
        return
    groups: dict[tuple, list[int]] = defaultdict(list)
    shared = [[_key(each) for each in column.tolist()] for column in parameters]
    for index, key in enumerate(zip(*shapes, *shared, strict=True)):
        groups[key].append(index)
    for key, members in groups.items():
        yield np.array(members), key[len(shapes) :]


def _key(value: Any) -> Hashable:
    return tuple(value.ravel().tolist()) if isinstance(value, np.ndarray) else value


def _stack(pixels: np.ndarray) -> np.ndarray:
    return np.stack(list(pixels)) if pixels.dtype == object else pixels


def _put(out: np.ndarray, members: np.ndarray, results: Any) -> None:
    """Results at their places; one by one where they are arrays, which numpy would else spread over several places."""
    if out.dtype != object:
        out[members] = results
        return
    for index, result in zip(members.tolist(), results, strict=True):
        out[index] = result


def boxed(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The same array at every pixel; it costs no memory."""
    box = np.empty((), object)
    box[()] = array
    return np.broadcast_to(box, tuple(shape))
