"""The types of pixels: integer ranges, float and double, their unions, and the numpy types that hold them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from local_ee.errors import EngineError
from local_ee.lazy import lazy_property

_ORDER = {"int": 0, "float": 1, "double": 2}
_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")
_FLOAT_HOLDS = 2**24  # integers up to this are exact in 32-bit floating point


@dataclass(frozen=True)
class PixelType:
    """precision is int, float or double; minimum and maximum bound the values (None: the precision's own bounds).

    dimensions: of the array that each pixel is; 0 where pixels are numbers.
    """

    precision: str
    minimum: float | None = None
    maximum: float | None = None
    dimensions: int = 0

    @lazy_property
    def dtype(self) -> np.dtype:
        """The smallest numpy type that holds the range; integers beyond 64 bits are held in double precision.

        Pixels that are arrays are objects: their numbers have the type of `element`.
        """
        if self.dimensions:
            return np.dtype(object)
        if self.precision != "int":
            return np.dtype("float32" if self.precision == "float" else "float64")
        if self.minimum is None or self.maximum is None:
            return np.dtype("int64")
        for name in _INTEGERS:
            bounds = np.iinfo(name)
            if bounds.min <= self.minimum and self.maximum <= bounds.max:
                return np.dtype(name)
        return np.dtype("float64")

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The least and the greatest value, where both are stated."""
        return None if self.minimum is None or self.maximum is None else (self.minimum, self.maximum)

    @property
    def is_integer(self) -> bool:
        return self.precision == "int"

    @property
    def element(self) -> PixelType:
        """The type of the numbers in pixels that are arrays."""
        return replace(self, dimensions=0) if self.dimensions else self

    def of_dimensions(self, dimensions: int) -> PixelType:
        """The type of arrays of such numbers."""
        return self if dimensions == self.dimensions else replace(self, dimensions=dimensions)

    def union(self, other: PixelType) -> PixelType:
        """The narrowest type that holds both (apidocs ee-image-add: "the union of the input types").

        Assumption: an integer type that 32-bit floats cannot hold exactly makes the union with float a double.
        """
        if self == other:
            return self
        if self.dimensions != other.dimensions:
            raise EngineError(
                f"Bands whose pixels have {self.dimensions} and {other.dimensions} dimensions have no common type."
            )
        if self.dimensions:
            return self.element.union(other.element).of_dimensions(self.dimensions)
        if self.is_integer and other.is_integer:
            return ranged(_least(self.minimum, other.minimum), _most(self.maximum, other.maximum))
        precision = max(self.precision, other.precision, key=_ORDER.__getitem__)
        wide = any(operand.is_integer and not operand.fits_float for operand in (self, other))
        return DOUBLE if precision == "double" or wide else FLOAT

    @property
    def fits_float(self) -> bool:
        return self.bounds is not None and max(-self.bounds[0], self.bounds[1]) <= _FLOAT_HOLDS

    def floating(self) -> PixelType:
        """The type of a result that is not whole: float, or double where the input does not fit in float."""
        if self.is_integer:
            return FLOAT if self.fits_float else DOUBLE
        return PixelType(self.precision)

    def to_json(self) -> dict[str, Any]:
        """As Earth Engine describes it in an image's bands."""
        answer: dict[str, Any] = {"type": "PixelType", "precision": self.precision}
        for key, bound in (("min", self.minimum), ("max", self.maximum)):
            if bound is not None:
                answer[key] = int(bound) if self.is_integer else bound
        if self.dimensions:
            answer["dimensions"] = self.dimensions
        return answer


def _least(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else min(left, right)


def _most(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else max(left, right)


def ranged(minimum: float | None, maximum: float | None) -> PixelType:
    """Integers of a range."""
    return PixelType("int", minimum, maximum)


FLOAT = PixelType("float")
DOUBLE = PixelType("double")
BOOLEAN = ranged(0, 1)
NAMED = {
    **{name: ranged(int(np.iinfo(name).min), int(np.iinfo(name).max)) for name in _INTEGERS},
    "float": FLOAT,
    "double": DOUBLE,
}
NAMED |= {"byte": NAMED["uint8"], "short": NAMED["int16"], "int": NAMED["int32"], "long": NAMED["int64"]}


@cache
def of_dtype(dtype: Any) -> PixelType:
    """The type of a numpy type; booleans are integers 0 to 1."""
    numpy_dtype = np.dtype(dtype)
    if numpy_dtype.kind == "b":
        return BOOLEAN
    if numpy_dtype.kind == "f":
        return DOUBLE if numpy_dtype.itemsize > 4 else FLOAT
    return NAMED[numpy_dtype.name]


def of_number(value: float | np.number) -> PixelType:
    """The type of a constant: an integer or a double of exactly that value (apidocs ee-image-constant)."""
    if isinstance(value, bool | np.bool_):
        value = int(value)
    if isinstance(value, int | np.integer):
        return ranged(int(value), int(value))
    return PixelType("double", float(value), float(value)) if np.isfinite(value) else DOUBLE
