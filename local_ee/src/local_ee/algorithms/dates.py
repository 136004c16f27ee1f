"""Dates and date ranges (Date.*, DateRange.*): Gregorian, milliseconds since 1970 UTC."""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local_ee.errors import EngineError
from local_ee.evaluation import joda
from local_ee.evaluation.coerce import coerced, parse_iso, to_date
from local_ee.evaluation.features import Date, DateRange
from local_ee.evaluation.registry import algorithm

_MILLIS = {"week": 604_800_000, "day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1000}
_MEAN_MONTH_MS = 365.2425 / 12 * _MILLIS["day"]
_UNITS = {**_MILLIS, "month": _MEAN_MONTH_MS, "year": 12 * _MEAN_MONTH_MS}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 (timezone.utc reads best beside ZoneInfo)


def _zone(name: str | None) -> Any:
    if name is None:
        return timezone.utc  # noqa: UP017
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise EngineError(f"Unknown time zone '{name}'.") from error


def moment_of(date: Date, zone: str | None = None) -> datetime:
    """A date as a datetime in a time zone."""
    try:
        return (_EPOCH + timedelta(milliseconds=date.millis)).astimezone(_zone(zone))
    except OverflowError as error:
        raise EngineError(f"The date of {date.millis} milliseconds lies outside the years 1 to 9999.") from error


def date_of(moment: datetime) -> Date:
    """A datetime as a date, to the millisecond."""
    return Date(round((moment - _EPOCH) / timedelta(milliseconds=1)))


def _unit(unit: str) -> str:
    name = unit.removesuffix("s")
    if name not in _UNITS:
        raise EngineError(f"Unknown unit '{unit}'. Use one of: {', '.join(_UNITS)}.")
    return name


@algorithm("Date")
def date(value: Any, timeZone: str | None) -> Date:
    """A date from milliseconds, ISO text or a date."""
    result = to_date(value)
    if result is None:
        raise EngineError("Invalid argument specified for ee.Date().")
    if timeZone is not None and isinstance(value, str) and not re.search(r"(Z|[+-]\d\d:?\d\d)$", value):
        naive = (_EPOCH + timedelta(milliseconds=parse_iso(value))).replace(tzinfo=None)
        return date_of(naive.replace(tzinfo=_zone(timeZone)))
    return result


@algorithm("Date.fromYMD")
def from_ymd(year: int, month: int, day: int, timeZone: str | None) -> Date:
    """Midnight of a day."""
    try:
        return date_of(datetime(year, month, day, tzinfo=_zone(timeZone)))
    except (ValueError, OverflowError) as error:
        raise EngineError(f"Invalid date {year}-{month}-{day}: {error}.") from error


@algorithm("Date.parse")
def parse(format: str, date: str, timeZone: str | None) -> Date:
    """A date from text by a Joda pattern such as YYYY-MM-dd."""
    try:
        moment = joda.parsed(format, date)
        return date_of(moment if moment.tzinfo else moment.replace(tzinfo=_zone(timeZone)))
    except (ValueError, OverflowError) as error:
        raise EngineError(f'Invalid format: "{date}" is malformed for {format}.') from error


@algorithm("Date.millis")
def millis(date: Date) -> int:
    """Milliseconds since 1970-01-01 UTC."""
    if not math.isfinite(date.millis):
        raise EngineError("The date lies outside the years 1 to 9999.")
    return int(date.millis)


@algorithm("Date.advance")
def advance(date: Date, delta: float, unit: str, timeZone: str | None) -> Date:
    """A date moved by a number of units; months and years by the calendar, their last day bounded."""
    name = _unit(unit)
    if name not in ("month", "year"):
        return Date(date.millis + delta * _MILLIS[name])
    months = delta * (12 if name == "year" else 1)
    whole_months = math.floor(months)
    moment = moment_of(date, timeZone)
    year, month = divmod(moment.year * 12 + moment.month - 1 + whole_months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    moved = date_of(moment.replace(year=year, month=month + 1, day=day))
    return Date(moved.millis + round((months - whole_months) * _MEAN_MONTH_MS))


@algorithm("Date.difference")
def difference(date: Date, start: Date, unit: str) -> float:
    """How many units a date is after another; months and years have their mean length."""
    return (date.millis - start.millis) / _UNITS[_unit(unit)]


@algorithm("Date.unitRatio")
def unit_ratio(numerator: str, denominator: str) -> float:
    """The length of a unit in another."""
    return _UNITS[_unit(numerator)] / _UNITS[_unit(denominator)]


_PARTS: dict[str, Callable[[datetime], int]] = {
    "year": lambda moment: moment.year,
    "month": lambda moment: moment.month,
    "week": lambda moment: moment.isocalendar().week,
    "day": lambda moment: moment.day,
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "second": lambda moment: moment.second,
}


@algorithm("Date.get")
def get(date: Date, unit: str, timeZone: str | None) -> int:
    """A part of a date: year, month (from 1), week, day, hour, minute or second."""
    return _PARTS[_unit(unit)](moment_of(date, timeZone))


def _floor(date: Date, unit: str, zone: str | None) -> datetime:
    """Where the unit that holds a date begins."""
    moment = moment_of(date, zone).replace(microsecond=0)
    if unit == "week":
        return moment.replace(hour=0, minute=0, second=0) - timedelta(days=moment.weekday())
    order = ("second", "minute", "hour", "day", "month", "year")
    for smaller in order[: order.index(unit)]:
        first: dict[str, Any] = {smaller: 1 if smaller in ("day", "month") else 0}
        moment = moment.replace(**first)
    return moment


@algorithm("Date.getRelative")
def get_relative(date: Date, unit: str, inUnit: str, timeZone: str | None) -> int:
    """How many whole units a date is after the start of a larger unit, from 0."""
    name = _unit(unit)
    start = _floor(date, _unit(inUnit), timeZone)
    here = _floor(date, name, timeZone)
    if name in ("month", "year"):
        return (here.year - start.year) * 12 + here.month - start.month if name == "month" else here.year - start.year
    return int((here - start) / timedelta(milliseconds=_MILLIS[name]))


@algorithm("Date.getFraction")
def get_fraction(date: Date, unit: str, timeZone: str | None) -> float:
    """How far a date is through its unit, 0 to 1."""
    period = get_range(date, unit, timeZone)
    return (date.millis - period.start) / (period.end - period.start)


@algorithm("Date.getRange")
def get_range(date: Date, unit: str, timeZone: str | None) -> DateRange:
    """The unit that holds a date."""
    start = date_of(_floor(date, _unit(unit), timeZone))
    return DateRange(start.millis, advance(start, 1, unit, timeZone).millis)


@algorithm("Date.update")
def update(
    date: Date,
    year: int | None,
    month: int | None,
    day: int | None,
    hour: int | None,
    minute: int | None,
    second: float | None,
    timeZone: str | None,
) -> Date:
    """A date with some parts changed."""
    parts = {"year": year, "month": month, "day": day, "hour": hour, "minute": minute}
    changed: dict[str, Any] = {name: value for name, value in parts.items() if value is not None}
    if second is not None:
        changed |= {"second": int(second), "microsecond": round((second % 1) * 1e6)}
    try:
        return date_of(moment_of(date, timeZone).replace(**changed))
    except (ValueError, OverflowError) as error:
        raise EngineError(f"Invalid date: {error}.") from error


@algorithm("Date.format")
def formatted(date: Date, format: str | None, timeZone: str | None) -> str:
    """A date as text by a Joda pattern; ISO 8601 without one."""
    return joda.formatted(format or "YYYY-MM-dd'T'HH:mm:ss", moment_of(date, timeZone), timeZone or "UTC")


@algorithm("DateRange")
def date_range(start: Any, end: Any, timeZone: str | None) -> DateRange:
    """From a date to another (excluded); one millisecond without an end; a range alone is itself."""
    if isinstance(start, DateRange) and end is None:
        return start
    begin = date(start, timeZone).millis
    finish = begin + 1 if end is None else date(end, timeZone).millis
    if finish <= begin:
        raise EngineError("Empty date ranges not supported for the current operation.")
    return DateRange(begin, finish)


@algorithm("DateRange.start")
def start(dateRange: DateRange) -> Date:
    """Its first moment."""
    return Date(dateRange.start)


@algorithm("DateRange.end")
def end(dateRange: DateRange) -> Date:
    """The moment after its last."""
    return Date(dateRange.end)


@algorithm("DateRange.contains")
def contains(dateRange: DateRange, other: Any) -> bool:
    """Whether a date or range lies within."""
    if isinstance(other, DateRange):
        return dateRange.start <= other.start and other.end <= dateRange.end
    return coerced(other, "Date", "DateRange.contains, argument 'other'").millis in dateRange


@algorithm("DateRange.intersects")
def intersects(dateRange: DateRange, other: DateRange) -> bool:
    """Whether both share a moment."""
    return max(dateRange.start, other.start) < min(dateRange.end, other.end)


@algorithm("DateRange.intersection")
def intersection(dateRange: DateRange, other: DateRange) -> DateRange:
    """What both share."""
    if not intersects(dateRange, other):
        raise EngineError("The date ranges do not intersect.")
    return DateRange(max(dateRange.start, other.start), min(dateRange.end, other.end))


@algorithm("DateRange.union")
def union(dateRange: DateRange, other: DateRange) -> DateRange:
    """From the first moment of either to the last."""
    return DateRange(min(dateRange.start, other.start), max(dateRange.end, other.end))


@algorithm("DateRange.isEmpty")
def is_empty(dateRange: DateRange) -> bool:
    """Whether it holds no moment."""
    return dateRange.end <= dateRange.start


@algorithm("DateRange.unbounded")
def unbounded() -> DateRange:
    """All time."""
    return DateRange(-math.inf, math.inf)


@algorithm("DateRange.isUnbounded")
def is_unbounded(dateRange: DateRange) -> bool:
    """Whether it is all time."""
    return math.isinf(dateRange.start) and math.isinf(dateRange.end)
