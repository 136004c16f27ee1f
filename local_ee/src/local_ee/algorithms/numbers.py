"""Numbers (Number.*)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from local_ee.algorithms import java_format
from local_ee.algorithms.special_functions import FUNCTIONS, lower_incomplete_gamma
from local_ee.errors import EngineError
from local_ee.evaluation.arrays import as_double
from local_ee.evaluation.registry import add, algorithm
from local_ee.evaluation.value_types import Long
from local_ee.raster.pixel_type import NAMED

Number = int | float


def _plain(value: Any) -> Number:
    """A Python number: booleans are 0 and 1, whole numbers beyond 64 bits are floating-point ones."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return as_double(value)
    return int(value) if isinstance(value, bool) else value


def _overflowed(*operands: Number) -> float:
    """Infinity with the sign of the product of the operands: what a result beyond a double's range is."""
    return math.copysign(math.inf, math.prod(math.copysign(1, operand) for operand in operands))


def _power(left: Number, right: Number) -> Number:
    """A negative number to a whole power keeps its sign where the power is odd."""
    try:
        value = float(left) ** right
        return math.nan if isinstance(value, complex) else value
    except OverflowError:
        return -math.inf if left < 0 and math.fmod(right, 2) else math.inf
    except ZeroDivisionError:
        return math.inf


def _shift(left: Number, right: Number) -> int:
    """Shifted within 64 bits, by the lowest six bits of the distance, as Java's long."""
    shifted = (int(left) << (int(right) & 63)) & (2**64 - 1)
    return shifted - 2**64 if shifted >= 2**63 else shifted


def _divide(left: Number, right: Number) -> Number:
    """0 where right is 0 (local_ee/docs/reference.md, "Documented rules": Number, Array and Image)."""
    return left / right if right else 0


def _mod(left: Number, right: Number) -> Number:
    if not right:
        return 0
    result = math.fmod(left, right)
    return int(result) if isinstance(left, int) and isinstance(right, int) else result


_BINARY: dict[str, Callable[[Number, Number], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": _divide,
    "mod": _mod,
    "pow": _power,
    "min": min,
    "max": max,
    "hypot": math.hypot,
    "atan2": lambda left, right: math.atan2(right, left),
    "first": lambda left, right: left,
    "firstNonZero": lambda left, right: left or right,
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "and": lambda left, right: bool(left) and bool(right),
    "or": lambda left, right: bool(left) or bool(right),
    "bitwiseAnd": lambda left, right: int(left) & int(right),
    "bitwiseOr": lambda left, right: int(left) | int(right),
    "bitwiseXor": lambda left, right: int(left) ^ int(right),
    "leftShift": _shift,
    "rightShift": lambda left, right: int(left) >> (int(right) & 63),
    "gammainc": lower_incomplete_gamma,
}

_UNARY: dict[str, Callable[[Number], Any]] = {
    "abs": abs,
    "signum": lambda value: (value > 0) - (value < 0),
    "round": lambda value: math.floor(value + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
    "not": lambda value: not value,
    "sqrt": math.sqrt,
    "cbrt": lambda value: math.copysign(abs(value) ** (1 / 3), value),
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "bitwiseNot": lambda value: ~int(value),
    **FUNCTIONS,
}

_ALIASES = {
    "firstNonZero": ("first_nonzero",),
    "bitwiseAnd": ("bitwise_and",),
    "bitwiseOr": ("bitwise_or",),
    "bitwiseXor": ("bitwise_xor",),
    "bitwiseNot": ("bitwise_not",),
    "leftShift": ("left_shift",),
    "rightShift": ("right_shift",),
}

CASTS = {
    "uint8": ("uint8", "toUint8", "byte", "toByte"),
    "int8": ("int8", "toInt8"),
    "uint16": ("uint16", "toUint16"),
    "int16": ("int16", "toInt16", "short", "toShort"),
    "uint32": ("uint32", "toUint32"),
    "int32": ("int32", "toInt32", "int", "toInt"),
    "int64": ("int64", "toInt64", "long", "toLong"),
}


def _binary(compute: Callable[[Number, Number], Any]) -> Callable[..., Number]:
    def apply(left: Number, right: Number) -> Number:
        try:
            return _plain(compute(left, right))
        except OverflowError:
            return _overflowed(left, right)
        except ValueError:
            return math.nan

    return apply


def _unary(compute: Callable[[Number], Any]) -> Callable[..., Number]:
    def apply(input: Number) -> Number:
        try:
            return _plain(compute(input))
        except ValueError:
            return math.nan if input else -math.inf
        except OverflowError:
            return input if math.isinf(input) else math.inf if compute is math.cosh else _overflowed(input)

    return apply


def _cast(name: str) -> Callable[..., Number]:
    """Cut to a whole number; beyond the range the nearest bound (apidocs ee-number-touint8).

    Assumption: the result of every cast has the type Long, of which Google's page shows that of int8.
    """
    bounds = NAMED[name].bounds
    if bounds is None:
        raise TypeError(f"the type {name} has no bounds to cut at")
    least, most = int(bounds[0]), int(bounds[1])

    def apply(input: Number) -> Number:
        bounded = min(max(input, least), most)  # before the cut: infinity has no whole number
        return Long(min(max(int(bounded), least), most))

    return apply


def _named(functions: dict[str, Callable], wrap: Callable[..., Callable]) -> dict[str, Callable[..., Number]]:
    """The functions under all their names."""
    return {each: wrap(function) for name, function in functions.items() for each in (name, *_ALIASES.get(name, ()))}


FUNCTIONS_OF_ONE, FUNCTIONS_OF_TWO = _named(_UNARY, _unary), _named(_BINARY, _binary)
for _name, _function in (FUNCTIONS_OF_ONE | FUNCTIONS_OF_TWO).items():
    add(f"Number.{_name}", _function)
for _name, _names in CASTS.items():
    for _each in _names:
        add(f"Number.{_each}", _cast(_name))


@algorithm("Number.float", "Number.toFloat")
def to_float(input: Number) -> float:
    """The nearest 32-bit floating-point number.

    Assumption: a whole number stays what it is (geetools' tests compare a date in milliseconds with its float).
    """
    if isinstance(input, int) or float(input).is_integer():
        return float(input)
    with np.errstate(over="ignore"):
        return float(np.float32(input))


@algorithm("Number.double", "Number.toDouble")
def to_double(input: Number) -> float:
    """The number in double precision."""
    return float(input)


@algorithm("Number.clamp")
def clamp(number: Number, min: float, max: float) -> Number:
    """The number bounded to a range."""
    return max if number > max else min if number < min else number


@algorithm("Number.unitScale")
def unit_scale(number: Number, min: float, max: float) -> float:
    """0 at min, 1 at max, straight between and beyond."""
    if max == min:
        raise EngineError(f"Number.unitScale: min and max must differ, both are {min:g}.")
    return (number - min) / (max - min)


@algorithm("Number.parse")
def parse(input: str, radix: int) -> Number:
    """The number that a text spells."""
    try:
        return int(input, radix)
    except ValueError:
        pass
    try:
        return float(input)
    except ValueError as error:
        raise EngineError(f"Cannot parse '{input}' as a number.") from error


@algorithm("Number.format")
def formatted(number: Number, pattern: str) -> str:
    """A number by a pattern such as %.2f, %03d or %s, as Java's Formatter writes it (linked by the page)."""
    try:
        return java_format.formatted(number, pattern)
    except (ValueError, OverflowError) as error:
        raise EngineError(f"Invalid number format '{pattern}'.") from error
