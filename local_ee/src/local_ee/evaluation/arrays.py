"""Arrays of numbers (ee.Array): any number of dimensions, of whole numbers, floats or doubles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.raster.pixel_type import PixelType

FLOAT_HOLDS = 2**24  # whole numbers up to this are exact in 32-bit floating point
_NUMBER_BYTES = 8


@dataclass(frozen=True, eq=False)
class Array:
    """values: int64, or float64 that hold what 32-bit floats can hold where the precision is float."""

    values: np.ndarray
    precision: str

    @classmethod
    def of(cls, values: Any, precision: str | None = None) -> Array:
        """An array of numbers as they are, or rounded to a precision: int, float or double."""
        numbers = np.asarray(values)
        if precision is None:
            precision = "int" if numbers.dtype.kind in "iub" else "double"
        if precision == "int":
            return cls(numbers.astype(np.int64), "int")
        with np.errstate(over="ignore"):
            rounded = numbers.astype(np.float32) if precision == "float" else numbers
        return cls(rounded.astype(np.float64), precision)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def floating(self) -> str:
        """The precision of results that are not whole: float, or double where the numbers need it."""
        if self.precision != "int":
            return self.precision
        return "double" if self.values.size and int(np.abs(self.values).max()) > FLOAT_HOLDS else "float"

    def like(self, values: np.ndarray) -> Array:
        """Other numbers of the same precision."""
        return Array(values, self.precision)


def to_array(value: Any) -> Array | None:
    """Numbers and nested lists of numbers as arrays."""
    if isinstance(value, Array):
        return value
    if isinstance(value, bool | int | float):
        return Array.of(value)
    return from_lists(value) if isinstance(value, list) else None


def from_lists(value: list[Any], pixel_type: PixelType | None = None) -> Array:
    """The array of nested lists; EngineError where their lengths differ, or nothing says of which type it is."""
    numbers = list(_flat(value))
    shape = _shape(value)
    budget.allocate(len(numbers) * _NUMBER_BYTES)
    if len(numbers) != int(np.prod(shape)):
        raise EngineError("Array: All inner lists at the same depth must have the same length.")
    if not numbers and pixel_type is None:
        raise EngineError("Array: An empty array needs a pixelType.")
    all_integers = all(isinstance(element, bool | int) for element in numbers)
    try:
        values = np.array(numbers, np.int64 if all_integers else np.float64).reshape(shape)
    except OverflowError:  # beyond 64 bits
        values = np.array([as_double(element) for element in numbers]).reshape(shape)
    return Array.of(values, pixel_type.precision if pixel_type else None)


def as_double(number: float) -> float:
    """The number as a double: infinite where it is beyond the range."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def of_pixels(values: np.ndarray) -> np.ndarray:
    """Pixels that may be arrays as values: those that are become arrays of the precision of their numbers."""
    if values.dtype != object:
        return values
    out = np.empty(values.shape, object)
    for index, pixel in np.ndenumerate(values):
        is_array = isinstance(pixel, np.ndarray)
        out[index] = Array.of(pixel, "float" if pixel.dtype == np.float32 else None) if is_array else pixel
    return out


def of_result(value: Any) -> Any:
    """A reduced value: an array where it is one of numpy's."""
    return Array.of(value) if isinstance(value, np.ndarray) else value


def joined_precision(arrays: Sequence[Array]) -> str:
    """The narrowest precision that holds all arrays."""
    kinds = {array.precision for array in arrays}
    if kinds == {"int"}:
        return "int"
    wide = "double" in kinds or any(array.floating == "double" for array in arrays)
    return "double" if wide else "float"


def _flat(value: Any) -> Any:
    for item in value:
        if isinstance(item, list):
            yield from _flat(item)
        elif isinstance(item, Array):
            yield from item.values.ravel().tolist()
        elif isinstance(item, bool | int | float):
            yield item
        else:
            raise EngineError("Array: The elements of an array must be numbers, or lists of equal length.")


def _shape(value: Any) -> tuple[int, ...]:
    if isinstance(value, Array):
        return value.shape
    if not isinstance(value, list):
        return ()
    inner = {_shape(item) for item in value} or {()}
    if len(inner) > 1:
        raise EngineError("Array: All inner lists at the same depth must have the same length.")
    return (len(value), *inner.pop())
