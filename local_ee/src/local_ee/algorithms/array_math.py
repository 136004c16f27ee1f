"""Arithmetic of arrays, number by number, by the rules of Number (Array.add, Array.sin ...), and casts.

Results that need not be whole are floats where the inputs are whole numbers or floats (the sample of Array.pow prints
0.009999999776482582), else doubles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from local_ee import budget
from local_ee.algorithms.numbers import CASTS, FUNCTIONS_OF_ONE, FUNCTIONS_OF_TWO
from local_ee.errors import EngineError
from local_ee.evaluation.arrays import Array, joined_precision
from local_ee.evaluation.registry import add
from local_ee.evaluation.signatures import signatures
from local_ee.raster.pixel_type import NAMED

_STAY_WHOLE = {
    *("add", "subtract", "multiply", "mod", "min", "max", "first", "firstNonZero", "first_nonzero"),
    *("eq", "neq", "gt", "gte", "lt", "lte", "and", "or", "not", "abs", "signum", "round", "floor", "ceil"),
    *("bitwiseAnd", "bitwise_and", "bitwiseOr", "bitwise_or", "bitwiseXor", "bitwise_xor", "bitCount"),
    *("bitwiseNot", "bitwise_not", "leftShift", "left_shift", "rightShift", "right_shift"),
}


def _of_one(name: str, compute: Callable[..., Any]) -> Callable[..., Array]:
    def apply(input: Array) -> Array:
        return _made(name, [compute(operand) for operand in _numbers(input.values)], input.shape, [input])

    return apply


def _of_two(name: str, compute: Callable[..., Any]) -> Callable[..., Array]:
    def apply(left: Array, right: Array) -> Array:
        first, second = _matched(left, right, name)
        pairs = zip(_numbers(first), _numbers(second), strict=True)
        return _made(name, [compute(*pair) for pair in pairs], first.shape, [left, right])

    return apply


def _numbers(values: np.ndarray) -> list:
    """Python's numbers, so that the functions of Number take them."""
    budget.allocate(values.size * budget.ELEMENT_BYTES)
    numbers: list = values.ravel().tolist()
    return numbers


def _matched(left: Array, right: Array, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Both of one shape; a number goes with every number of the other array."""
    if left.shape != right.shape and 1 not in (left.values.size, right.values.size):
        shapes = f"{list(left.shape)} and {list(right.shape)}"
        raise EngineError(f"Array.{name}: The arrays must have the same lengths, got {shapes}.")
    if left.shape == right.shape:
        return left.values, right.values
    shape = left.shape if right.values.size == 1 and left.values.ndim >= right.values.ndim else right.shape
    return np.broadcast_to(left.values.reshape(-1)[:1], shape) if left.shape != shape else left.values, (
        np.broadcast_to(right.values.reshape(-1)[:1], shape) if right.shape != shape else right.values
    )


def _made(name: str, numbers: list, shape: tuple[int, ...], inputs: list[Array]) -> Array:
    precision = joined_precision(inputs)
    if precision == "int" and name not in _STAY_WHOLE:
        precision = "double" if any(each.floating == "double" for each in inputs) else "float"
    if precision == "int" and any(isinstance(element, float) for element in numbers):
        precision = "double"  # beyond 64 bits
    return Array.of(np.array(numbers, np.int64 if precision == "int" else np.float64).reshape(shape), precision)


def _cast(name: str) -> Callable[..., Array]:
    """Rounded to the nearest whole number, beyond the range to the nearest bound (apidocs ee-array-byte)."""
    least, most = NAMED[name].bounds or (0, 0)

    def apply(input: Array) -> Array:
        if input.precision == "int":
            return input.like(np.clip(input.values, int(least), int(most)))
        rounded = [min(max(element, least), most) for element in np.floor(input.values + 0.5).ravel().tolist()]
        return Array.of(np.array([int(min(element, most)) for element in rounded], np.int64).reshape(input.shape))

    return apply


def _to(precision: str) -> Callable[..., Array]:
    def apply(input: Array) -> Array:
        return Array.of(input.values, precision)

    return apply


for _name, _function in FUNCTIONS_OF_ONE.items():
    if f"Array.{_name}" in signatures():
        add(f"Array.{_name}", _of_one(_name, _function))
for _name, _function in FUNCTIONS_OF_TWO.items():
    if f"Array.{_name}" in signatures():
        add(f"Array.{_name}", _of_two(_name, _function))
for _name, _names in CASTS.items():
    for _each in _names:
        add(f"Array.{_each}", _cast(_name))
for _precision, _names in {"float": ("float", "toFloat"), "double": ("double", "toDouble")}.items():
    for _each in _names:
        add(f"Array.{_each}", _to(_precision))
