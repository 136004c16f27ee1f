"""Filters of collections (Filter.*): tests of an element, or of a pair of elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local_ee.catalog import BoundsWSEN
from local_ee.errors import EngineError
from local_ee.evaluation.coerce import accept, to_geometry
from local_ee.evaluation.features import (
    GEOMETRY_FIELDS,
    Date,
    DateRange,
    Element,
    ErrorMargin,
    get_property,
)
from local_ee.evaluation.registry import add, algorithm
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
            return abs(_number(left_operand) - _number(right_operand))
        except TypeError:
            return None


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
    millis = _number(value)
    return DateRange(millis, millis + 1)


def _number(value: Any) -> Any:
    return value.millis if isinstance(value, Date) else value


def _ordered(test: Test) -> Test:
    def compare(left: Any, right: Any) -> bool:
        return test(_number(left), _number(right))

    return compare


def _near(test: Callable[[Any, Any], bool]) -> Test:
    """A test of two places, in degrees of WGS84."""

    def compare(left: Any, right: Any) -> bool:
        first, second = to_geometry(left), to_geometry(right)
        if first is None or second is None:
            return False
        return test(first, second)

    return compare


def _intersects(first: Any, second: Any) -> bool:
    return first.unbounded or second.unbounded or first.on_globe.intersects(second.on_globe)


def _contains(first: Any, second: Any) -> bool:
    return first.unbounded or (not second.unbounded and first.on_globe.contains(second.on_globe))


_TESTS: dict[str, Test] = {
    "equals": _ordered(lambda left, right: left == right),
    "notEquals": _ordered(lambda left, right: left != right),
    "greaterThan": _ordered(lambda left, right: left > right),
    "greaterThanOrEquals": _ordered(lambda left, right: left >= right),
    "lessThan": _ordered(lambda left, right: left < right),
    "lessThanOrEquals": _ordered(lambda left, right: left <= right),
    "listContains": lambda left, right: right in left,
    "inList": lambda left, right: left in right,
    "stringStartsWith": lambda left, right: isinstance(left, str) and left.startswith(right),
    "stringEndsWith": lambda left, right: isinstance(left, str) and left.endswith(right),
    "stringContains": lambda left, right: right in left,
    "dateRangeContains": lambda left, right: _number(right) in to_range(left),
}
_SHORT = {
    "eq": "equals",
    "neq": "notEquals",
    "gt": "greaterThan",
    "gte": "greaterThanOrEquals",
    "lt": "lessThan",
    "lte": "lessThanOrEquals",
}


def _comparison(name: str, test: Test) -> Callable[..., Filter]:
    def build(leftField: str | None, rightValue: Any, rightField: str | None, leftValue: Any) -> Filter:
        return Comparison(name, test, leftField, rightValue, rightField, leftValue)

    return build


for _name, _test in _TESTS.items():
    add(f"Filter.{_name}", _comparison(_name, _test))
for _name, _long in _SHORT.items():
    add(f"Filter.{_name}", _comparison(_long, _TESTS[_long]))


def _spatial(name: str, test: Test) -> Callable[..., Filter]:
    def build(
        leftField: str | None, rightValue: Any, rightField: str | None, leftValue: Any, maxError: ErrorMargin | None
    ) -> Filter:
        return Comparison(name, test, leftField, rightValue, rightField, leftValue)

    return build


for _name, _test in {
    "intersects": _near(_intersects),
    "disjoint": _near(lambda first, second: not _intersects(first, second)),
    "contains": _near(_contains),
    "isContained": _near(lambda first, second: _contains(second, first)),
}.items():
    add(f"Filter.{_name}", _spatial(_name, _test))


@algorithm("Filter.maxDifference")
def max_difference(
    difference: float, leftField: str | None, rightValue: Any, rightField: str | None, leftValue: Any
) -> Filter:
    """Passes where the operands differ by at most a number (milliseconds for dates)."""

    def test(left: Any, right: Any) -> bool:
        return abs(_number(left) - _number(right)) <= difference

    return Comparison("maxDifference", test, leftField, rightValue, rightField, leftValue)


@algorithm("Filter.withinDistance")
def within_distance(
    distance: float,
    leftField: str | None,
    rightValue: Any,
    rightField: str | None,
    leftValue: Any,
    maxError: ErrorMargin | None,
) -> Filter:
    """Passes where two places are at most so many metres apart; the distance is a join's measure."""
    test = _near(lambda left, right: metres_between(left, right) <= distance)
    return Nearness("withinDistance", test, leftField, rightValue, rightField, leftValue)


@algorithm("Filter.and")
def all_of(filters: list) -> Filter:
    """Passes what all filters pass."""
    return Logic(tuple(filters), True)


@algorithm("Filter.or")
def any_of(filters: list) -> Filter:
    """Passes what one of the filters passes."""
    return Logic(tuple(filters), False)


@algorithm("Filter.not")
def negated(filter: Filter) -> Filter:
    """Passes what the filter does not."""
    return Not(filter)


@algorithm("Filter.notNull")
def not_null(properties: list) -> Filter:
    """Passes elements that have all the properties."""
    return OneElement(
        lambda element: all(get_property(element, name) is not None for name in properties), tuple(properties)
    )


@algorithm("Filter.always")
def always() -> Filter:
    """Passes everything."""
    return Logic((), True)


@algorithm("Filter.never")
def never() -> Filter:
    """Passes nothing."""
    return Logic((), False)


@algorithm("Filter.rangeContains")
def range_contains(field: str, minValue: Any, maxValue: Any) -> Filter:
    """Passes elements whose property is not less than one value and not more than another."""
    low = Comparison("greaterThanOrEquals", _TESTS["greaterThanOrEquals"], field, minValue, None, None)
    high = Comparison("lessThanOrEquals", _TESTS["lessThanOrEquals"], field, maxValue, None, None)
    return Logic((low, high), True)


@algorithm("Filter.calendarRange")
def calendar_range(start: int, end: int | None, field: str) -> Filter:
    """Passes elements whose time_start lies in part of the year or day (UTC), the end included; it may wrap around."""
    if field not in _CALENDAR:
        raise EngineError(f"Unknown calendar field '{field}'. Use one of: {', '.join(_CALENDAR)}.")
    last = start if end is None else end

    def test(element: Element) -> bool:
        millis = _number(get_property(element, "system:time_start"))
        if millis is None:
            return False
        value = _CALENDAR[field](datetime.fromtimestamp(millis / 1000, UTC))
        return start <= value <= last if start <= last else value >= start or value <= last

    return OneElement(test, ("system:time_start",))


@algorithm("Filter.dayOfYear")
def day_of_year(start: int, end: int) -> Filter:
    """Passes elements whose time_start lies between two days of the year, the end included (apidocs)."""
    return calendar_range(start, end, "day_of_year")


_CALENDAR: dict[str, Callable[[datetime], int]] = {
    "year": lambda moment: moment.year,
    "month": lambda moment: moment.month,
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "day_of_year": lambda moment: moment.timetuple().tm_yday,
    "day_of_month": lambda moment: moment.day,
    "day_of_week": lambda moment: moment.isoweekday(),
}
