"""The functions that make filters of collections (Filter.*)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local_ee.errors import EngineError
from local_ee.evaluation.coerce import to_geometry
from local_ee.evaluation.features import Element, ErrorMargin, get_property
from local_ee.evaluation.filters import (
    Comparison,
    Filter,
    Logic,
    Nearness,
    Not,
    OneElement,
    Test,
    milliseconds_of,
    to_range,
)
from local_ee.evaluation.registry import add, algorithm
from local_ee.raster.geometry import metres_between


def _ordered(test: Test) -> Test:
    def compare(left: Any, right: Any) -> bool:
        return test(milliseconds_of(left), milliseconds_of(right))

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
    "dateRangeContains": lambda left, right: milliseconds_of(right) in to_range(left),
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
        return abs(milliseconds_of(left) - milliseconds_of(right)) <= difference

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
        millis = milliseconds_of(get_property(element, "system:time_start"))
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
