"""Pixels that were read, and masks that cost no memory: all valid, or all hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

_OBJECT_BYTES = 112  # of a view of an array


@dataclass(frozen=True)
class Pixels:
    """Band by band: values [row, column] and masks of the same shape (bool, or float32 in [0, 1]). Never written to.

    Pixels that are arrays are objects: arrays where the mask is not 0, anything elsewhere.
    """

    values: tuple[np.ndarray, ...]
    masks: tuple[np.ndarray, ...]

    def pick(self, positions: Sequence[int]) -> Pixels:
        return Pixels(tuple(self.values[i] for i in positions), tuple(self.masks[i] for i in positions))


def join(readings: Sequence[Pixels]) -> Pixels:
    """The bands of several readings, one after the other."""
    return Pixels(
        tuple(values for reading in readings for values in reading.values),
        tuple(mask for reading in readings for mask in reading.masks),
    )


def valid(shape: Sequence[int]) -> np.ndarray:
    """A mask that lets every pixel through; it costs no memory."""
    return np.broadcast_to(np.True_, tuple(shape))


def blank(shape: Sequence[int]) -> np.ndarray:
    """A mask that hides every pixel; it costs no memory, and is_blank knows it without looking at pixels."""
    return np.broadcast_to(np.False_, tuple(shape))


def is_blank(mask: np.ndarray) -> bool:
    """True for a mask known to hide every pixel (made by `blank`)."""
    return is_uniform(mask) and not mask[(0,) * mask.ndim]


def is_valid(mask: np.ndarray) -> bool:
    """True for a mask known to let every pixel through whole (made by `valid`)."""
    return is_uniform(mask) and mask[(0,) * mask.ndim] == 1


def is_uniform(array: np.ndarray) -> bool:
    """True for an array known to hold one value (a broadcast scalar)."""
    return array.size > 0 and array.strides == (0,) * array.ndim


def size_of(array: np.ndarray) -> int:
    """The bytes that an array occupies, with the arrays that its pixels may be (all taken to be as large as one)."""
    if is_uniform(array):
        return _OBJECT_BYTES
    if array.dtype != object or not array.size:
        return array.nbytes
    largest = max(getattr(pixel, "nbytes", 0) for pixel in array.flat[:: max(array.size // 8, 1)])
    return int(array.nbytes + array.size * (_OBJECT_BYTES + largest))


def hidden(dtype: DTypeLike, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Values and mask of a band that is masked everywhere."""
    return np.broadcast_to(np.dtype(dtype).type(0), tuple(shape)), blank(shape)


def both(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The mask of a result that needs two pixels: the smaller of their masks (apidocs: intersection of unmasked)."""
    if is_valid(left) or is_blank(right):
        return right
    if is_valid(right) or is_blank(left):
        return left
    if left.dtype == bool and right.dtype == bool:
        return left & right
    return np.minimum(as_weight(left), as_weight(right))


def as_weight(mask: np.ndarray) -> np.ndarray:
    """A mask as float32 in [0, 1]."""
    return mask if mask.dtype == np.float32 else mask.astype(np.float32)


def opaque(mask: np.ndarray) -> np.ndarray:
    """Where a mask is not zero."""
    return mask if mask.dtype == bool else mask != 0
