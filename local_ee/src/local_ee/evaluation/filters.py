"""Filters of collections: tests of an element, or of a pair of elements, and what they let a catalog leave out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_ee.catalog import BoundsWSEN
from local_ee.errors import EngineError
from local_ee.evaluation.coerce import accept, to_geometry
from local_ee.evaluation.features import GEOMETRY_FIELDS, Date, DateRange, Element, get_property
from local_ee.raster.geometry import metres_between

Test = Callable[[Any, Any], bool]
_NOWHERE = (0.0, -90.0, 0.0, -90.0)  # what an empty geometry asks a catalog for: nothing passes it anyway


class Filter:
    """What elements, and pairs of them, pass; dates, bounds and properties of all that pass, for catalogs."""

    def matches(self, element: Element) -> bool:
        return self.joins(element, element)

    def joins(self, left: Element, right: Element) -> bool:
        raise TypeError(f"{type(self).__name__} does not tell what it lets pass")

    def fields(self) -> set[str]:
        """Names of the properties that it looks at."""
        raise TypeError(f"{type(self).__name__} does not tell what it looks at")

    def dates(self) -> list[DateRange]:
        return []

    def bounds(self) -> list[BoundsWSEN]:
        return []

    def equalities(self) -> list[tuple[str, Any]]:
        """Names of properties, and the value that every passing element has."""
        return []

    def partner_index(self, left: Element) -> str | None:
        """The system:index of every element that passes with another; None where it may be any."""
        return None

    def measure(self, left: Element, right: Element) -> float | None:
        return None


accept("Filter", Filter)


@dataclass(frozen=True)
class Comparison(Filter):
    """A test of two operands, each a field or a value; elements without the field do not pass.

    A side without either is null: elements without the other side's field are equal to it, those with it are not
    (guides/reducers_grouping; which elements equal null is an assumption).
    """

    name: str
    test: Test
    left_field: str | None
    right_value: Any
    right_field: str | None
    left_value: Any

    def __post_init__(self) -> None:
        for side, is_field, is_value in (
            ("left", self.left_field, self.left_value),
            ("right", self.right_field, self.right_value),
        ):
            if is_field is not None and is_value is not None:
                raise EngineError(f"Exactly one of '{side}Field' and '{side}Value' must be specified.")
        if self.left_field is None and self.right_field is None:
            raise EngineError("Exactly one of 'leftField' and 'leftValue' must be specified.")

    def operands(self, left: Element, right: Element) -> tuple[Any, Any]:
        """The values that are compared; None where an element lacks the field."""
        return (
            get_property(left, self.left_field) if self.left_field is not None else self.left_value,
            get_property(right, self.right_field) if self.right_field is not None else self.right_value,
        )

    def joins(self, left: Element, right: Element) -> bool:
        left_operand, right_operand = self.operands(left, right)
        if self._asks_for_null:
            missing = left_operand is None and right_operand is None
            return missing if self.name == "equals" else self.name == "notEquals" and not missing
        if left_operand is None or right_operand is None:
            return False
        try:
            return bool(self.test(left_operand, right_operand))
        except TypeError:
            return False

    def fields(self) -> set[str]:
        return {name for name in (self.left_field, self.right_field) if name is not None}

    @property
    def _asks_for_null(self) -> bool:
        sides = ((self.left_field, self.left_value), (self.right_field, self.right_value))
        return any(name is None and value is None for name, value in sides)

    def dates(self) -> list[DateRange]:
        """A filter of a date range on system:time_start tells when elements begin."""
        if self.name == "dateRangeContains" and self.left_value and self.right_field == "system:time_start":
            period = to_range(self.left_value)
            if math.isfinite(period.start) and math.isfinite(period.end):
                return [period]
        return []

    def bounds(self) -> list[BoundsWSEN]:
        if self.name != "intersects":
            return []
        pairs = ((self.left_field, self.right_value), (self.right_field, self.left_value))
        return [
            _NOWHERE if geometry.on_globe.is_empty else geometry.on_globe.bounds
            for name, value in pairs
            if name in GEOMETRY_FIELDS and (geometry := to_geometry(value)) and not geometry.unbounded
        ]

    def equalities(self) -> list[tuple[str, Any]]:
        pairs = ((self.left_field, self.right_value), (self.right_field, self.left_value))
        return [(name, value) for name, value in pairs if self.name == "equals" and name and value is not None]

    def partner_index(self, left: Element) -> str | None:
        if self.name != "equals" or (self.left_field, self.right_field) != ("system:index", "system:index"):
            return None
        index = get_property(left, "system:index")
        return index if isinstance(index, str) else None

    def measure(self, left: Element, right: Element) -> float | None:
        """The difference of the operands, for joins that rank matches."""
        left_operand, right_operand = self.operands(left, right)
        try:
            difference: float = abs(milliseconds_of(left_operand) - milliseconds_of(right_operand))
        except TypeError:
            return None
        return difference


@dataclass(frozen=True)
class Nearness(Comparison):
    """A test of how far two places are from each other."""

    def measure(self, left: Element, right: Element) -> float | None:
        """The distance in metres, for joins that rank matches."""
        first, second = (to_geometry(operand) for operand in self.operands(left, right))
        return None if first is None or second is None else metres_between(first, second)


@dataclass(frozen=True)
class Logic(Filter):
    """All, or any, of several filters."""

    filters: tuple[Filter, ...]
    every: bool

    def joins(self, left: Element, right: Element) -> bool:
        return (all if self.every else any)(each.joins(left, right) for each in self.filters)

    def fields(self) -> set[str]:
        return {name for each in self.filters for name in each.fields()}

    def dates(self) -> list[DateRange]:
        return [dates for each in self.filters for dates in each.dates()] if self.every else []

    def bounds(self) -> list[BoundsWSEN]:
        return [bounds for each in self.filters for bounds in each.bounds()] if self.every else []

    def equalities(self) -> list[tuple[str, Any]]:
        return [pair for each in self.filters for pair in each.equalities()] if self.every else []

    def partner_index(self, left: Element) -> str | None:
        indices = (each.partner_index(left) for each in self.filters) if self.every else ()
        return next((index for index in indices if index is not None), None)

    def measure(self, left: Element, right: Element) -> float | None:
        return next(
            (difference for each in self.filters if (difference := each.measure(left, right)) is not None), None
        )


@dataclass(frozen=True)
class Not(Filter):
    """What another filter does not let pass."""

    inner: Filter

    def joins(self, left: Element, right: Element) -> bool:
        return not self.inner.joins(left, right)

    def fields(self) -> set[str]:
        return self.inner.fields()


@dataclass(frozen=True)
class OneElement(Filter):
    """A test of one element, by some of its properties."""

    test: Callable[[Element], bool]
    names: tuple[str, ...]

    def joins(self, left: Element, right: Element) -> bool:
        return self.test(left)

    def fields(self) -> set[str]:
        return set(self.names)


def to_range(value: Any) -> DateRange:
    """A date range, or the millisecond of a date."""
    if isinstance(value, DateRange):
        return value
    millis = milliseconds_of(value)
    return DateRange(millis, millis + 1)


def milliseconds_of(value: Any) -> Any:
    """The milliseconds of a date; any other value as it is."""
    return value.millis if isinstance(value, Date) else value
