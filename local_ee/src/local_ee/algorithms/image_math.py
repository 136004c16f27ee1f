"""Arithmetic, comparisons, logic and bits of images (guides/image_math, guides/image_relational)."""

from __future__ import annotations

import operator

import numpy as np

from local_ee.evaluation.pixelwise import boolean, floating, pixelwise, same, spanning, union
from local_ee.raster import arithmetic
from local_ee.raster.pixel_type import PixelType, ranged


def _division(left: PixelType, right: PixelType) -> PixelType:
    """Two whole numbers divide to a fraction (guides/image_math computes NDVI from integers with divide())."""
    return left.union(right).floating()


@pixelwise("Image.add", result=spanning(operator.add), code=arithmetic.ADD)
def add(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left + right."""
    return left + right


@pixelwise("Image.subtract", result=spanning(operator.sub), code=arithmetic.SUBTRACT)
def subtract(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left - right."""
    return left - right


@pixelwise("Image.multiply", result=spanning(operator.mul), code=arithmetic.MULTIPLY)
def multiply(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left * right."""
    return left * right


@pixelwise("Image.divide", result=_division, code=arithmetic.DIVIDE)
def divide(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left / right; 0 where right is 0 (apidocs ee-image-divide)."""
    shape = np.broadcast_shapes(np.shape(left), np.shape(right))
    return np.divide(left, right, out=np.zeros(shape, np.result_type(left)), where=np.asarray(right != 0))


@pixelwise("Image.mod")
def mod(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The remainder of left / right with the sign of left; 0 where right is 0 (assumption, as for divide)."""
    return np.where(right == 0, 0, np.fmod(left, np.where(right == 0, 1, right)))


@pixelwise("Image.pow", result=floating, partial=True)
def power(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left to the power of right, never whole (apidocs ee-image-pow)."""
    if np.ndim(right) == 0 and right == 2:
        return left * left
    return np.power(left, right)


@pixelwise("Image.hypot", result=floating)
def hypot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The length of the vector (left, right)."""
    return np.hypot(left, right)


@pixelwise("Image.atan2", result=floating)
def atan2(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The angle of the vector (left, right) in radians: x comes first (apidocs ee-image-atan2)."""
    return np.arctan2(right, left)


@pixelwise("Image.min", code=arithmetic.MIN)
def minimum(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The smaller value."""
    return np.minimum(left, right)


@pixelwise("Image.max", code=arithmetic.MAX)
def maximum(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The larger value."""
    return np.maximum(left, right)


@pixelwise("Image.first")
def first(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The left value."""
    return left + np.zeros_like(right)


@pixelwise("Image.firstNonZero", "Image.first_nonzero")
def first_non_zero(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The left value where it is not 0, else the right one."""
    return np.where(left != 0, left, right)


@pixelwise("Image.eq", result=boolean, cast=False, code=arithmetic.EQ)
def eq(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """1 where both are equal."""
    return np.equal(left, right)


@pixelwise("Image.neq", result=boolean, cast=False, code=arithmetic.NEQ)
def neq(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """1 where they differ."""
    return np.not_equal(left, right)


@pixelwise("Image.gt", result=boolean, cast=False, code=arithmetic.GT)
def gt(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """1 where left is greater."""
    return np.greater(left, right)


@pixelwise("Image.gte", result=boolean, cast=False, code=arithmetic.GTE)
def gte(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """1 where left is not smaller."""
    return np.greater_equal(left, right)


@pixelwise("Image.lt", result=boolean, cast=False, code=arithmetic.LT)
def lt(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """1 where left is smaller."""
    return np.less(left, right)


@pixelwise("Image.lte", result=boolean, cast=False, code=arithmetic.LTE)
def lte(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """1 where left is not greater."""
    return np.less_equal(left, right)


@pixelwise("Image.and", result=boolean, cast=False, code=arithmetic.AND)
def logical_and(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """1 where neither is 0."""
    return (left != 0) & (right != 0)


@pixelwise("Image.or", result=boolean, cast=False, code=arithmetic.OR)
def logical_or(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """1 where one is not 0."""
    return (left != 0) | (right != 0)


@pixelwise("Image.not", result=boolean, cast=False, code=arithmetic.NOT)
def logical_not(value: np.ndarray) -> np.ndarray:
    """1 where the value is 0."""
    return value == 0


def _bits(left: PixelType, right: PixelType) -> PixelType:
    """The union of two whole types; other inputs are cut to whole numbers (assumption)."""
    union_type = left.union(right)
    return union_type if union_type.is_integer else ranged(-(2**63), 2**63 - 1)


def _shifted(left: PixelType, right: PixelType) -> PixelType:
    return ranged(-(2**63), 2**63 - 1)


@pixelwise("Image.bitwiseAnd", "Image.bitwise_and", result=_bits)
def bitwise_and(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The bits set in both."""
    return left & right


@pixelwise("Image.bitwiseOr", "Image.bitwise_or", result=_bits)
def bitwise_or(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The bits set in one or both."""
    return left | right


@pixelwise("Image.bitwiseXor", "Image.bitwise_xor", result=_bits)
def bitwise_xor(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The bits set in one of both."""
    return left ^ right


@pixelwise("Image.leftShift", "Image.left_shift", result=_shifted)
def left_shift(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Bits moved towards the higher places."""
    return left << right


@pixelwise("Image.rightShift", "Image.right_shift", result=union)
def right_shift(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Bits moved towards the lower places, keeping the sign."""
    return np.asarray(left, np.int64) >> np.asarray(right, np.int64)


@pixelwise("Image.bitwiseNot", "Image.bitwise_not", result=lambda source: _bits(source, ranged(-1, -1)))
def bitwise_not(value: np.ndarray) -> np.ndarray:
    """Every bit flipped."""
    return ~value


def _magnitude(source: PixelType) -> PixelType:
    if not source.is_integer or source.minimum is None or source.maximum is None:
        return source
    low = 0 if source.minimum <= 0 <= source.maximum else min(abs(source.minimum), abs(source.maximum))
    return ranged(low, max(abs(source.minimum), abs(source.maximum)))


@pixelwise("Image.abs", result=_magnitude, cast=False, code=arithmetic.ABS)
def absolute(value: np.ndarray) -> np.ndarray:
    """The value without its sign."""
    return np.abs(value.astype(np.int64) if value.dtype.kind == "i" else value)


@pixelwise("Image.signum", result=lambda source: ranged(-1, 1) if source.is_integer else source, cast=False)
def signum(value: np.ndarray) -> np.ndarray:
    """-1, 0 or 1."""
    return np.sign(value) if value.dtype.kind != "u" else (value > 0).astype(np.int8)


@pixelwise("Image.round", result=same)
def rounded(value: np.ndarray) -> np.ndarray:
    """The nearest whole number, halves upwards (apidocs ee-image-round says nearest; the halves are an assumption)."""
    return value if value.dtype.kind in "iu" else np.floor(value + value.dtype.type(0.5))


@pixelwise("Image.floor", result=same)
def floor(value: np.ndarray) -> np.ndarray:
    """The largest whole number that is not greater."""
    return np.floor(value)


@pixelwise("Image.ceil", result=same)
def ceil(value: np.ndarray) -> np.ndarray:
    """The smallest whole number that is not smaller."""
    return np.ceil(value)
