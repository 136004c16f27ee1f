"""Dates as text by patterns of Joda-Time, which ee.Date's format and parse take (apidocs ee-date-format).

Assumption: time zones have English long names only where LONG_NAMES has them; others are given by their short one.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from datetime import datetime

from local_ee.errors import EngineError

_PIECES = re.compile(r"([A-Za-z])\1*|'(?:[^']|'')*'|.", re.DOTALL)
LONG_NAMES = {
    "UTC": "Coordinated Universal Time",
    **{
        f"{letter}{time[0]}T": f"{zone} {time} Time"
        for letter, zone in (("P", "Pacific"), ("M", "Mountain"), ("C", "Central"), ("E", "Eastern"))
        for time in ("Standard", "Daylight")
    },
}
_DIGITS, _WORD = r"[+-]?\d+", r"[A-Za-z]+"


def formatted(pattern: str, moment: datetime, zone: str) -> str:
    """A moment in its time zone, of which `zone` is the id."""
    return "".join(_written(text, moment, zone) if is_field else text for text, is_field in _tokens(pattern))


def parsed(pattern: str, text: str) -> datetime:
    """The moment that a text names, without a time zone unless the text has an offset; ValueError where it has not
    the pattern's form."""
    fields: list[str] = []
    expression = ""
    for token, is_field in _tokens(pattern):
        if is_field:
            _check(token)
            fields.append(token)
            expression += f"({_expression(token)})"
        else:
            expression += re.escape(token)
    match = re.fullmatch(expression, text, re.IGNORECASE)
    if match is None:
        raise ValueError(text)
    return _moment(dict(zip((field[0] for field in fields), match.groups(), strict=False)))


def _tokens(pattern: str) -> Iterator[tuple[str, bool]]:
    """Runs of one letter (fields), and what is written as it is; '' is a quote."""
    for piece in _PIECES.finditer(pattern):
        token = piece.group()
        if token[0] == "'" and len(token) > 1:
            yield ("'" if token == "''" else token[1:-1].replace("''", "'")), False
        else:
            yield token, token[0].isascii() and token[0].isalpha()


def _written(token: str, moment: datetime, zone: str) -> str:
    _check(token)
    return _FIELDS[token[0]](moment, len(token), zone)


def _check(token: str) -> None:
    if token[0] not in _FIELDS:
        raise EngineError(f"Illegal pattern component: {token}")


def _number(value: Callable[[datetime], int]) -> Callable[[datetime, int, str], str]:
    return lambda moment, width, zone: f"{value(moment):0{width}d}"


def _year(value: Callable[[datetime], int]) -> Callable[[datetime, int, str], str]:
    """Two letters ask for two digits."""
    return lambda moment, width, zone: f"{value(moment) % 100:02d}" if width == 2 else f"{value(moment):0{width}d}"


def _name(short: str, long: str, width: int) -> str:
    return long if width >= 4 else short


def _month(moment: datetime, width: int, zone: str) -> str:
    if width < 3:
        return f"{moment.month:0{width}d}"
    return _name(calendar.month_abbr[moment.month], calendar.month_name[moment.month], width)


def _weekday(moment: datetime, width: int, zone: str) -> str:
    return _name(calendar.day_abbr[moment.weekday()], calendar.day_name[moment.weekday()], width)


def _fraction(moment: datetime, width: int, zone: str) -> str:
    """Digits of the fraction of a second, cut and not rounded."""
    return f"{moment.microsecond:06d}".ljust(width, "0")[:width]


def _zone_name(moment: datetime, width: int, zone: str) -> str:
    short = moment.tzname() or zone
    return _name(short, LONG_NAMES.get(short, short), width)


def _offset(moment: datetime, width: int, zone: str) -> str:
    """+0000, +00:00, or the zone's id for three letters and more."""
    if width > 2:
        return zone
    text = moment.strftime("%z")[:5]
    return text if width == 1 else f"{text[:3]}:{text[3:]}"


_FIELDS: dict[str, Callable[[datetime, int, str], str]] = {
    "G": lambda moment, width, zone: "AD",
    "C": _number(lambda moment: moment.year // 100),
    "Y": _year(lambda moment: moment.year),
    "y": _year(lambda moment: moment.year),
    "x": _year(lambda moment: moment.isocalendar().year),
    "w": _number(lambda moment: moment.isocalendar().week),
    "e": _number(lambda moment: moment.isoweekday()),
    "E": _weekday,
    "D": _number(lambda moment: moment.timetuple().tm_yday),
    "M": _month,
    "d": _number(lambda moment: moment.day),
    "a": lambda moment, width, zone: "AM" if moment.hour < 12 else "PM",
    "K": _number(lambda moment: moment.hour % 12),
    "h": _number(lambda moment: moment.hour % 12 or 12),
    "H": _number(lambda moment: moment.hour),
    "k": _number(lambda moment: moment.hour or 24),
    "m": _number(lambda moment: moment.minute),
    "s": _number(lambda moment: moment.second),
    "S": _fraction,
    "z": _zone_name,
    "Z": _offset,
}


def _expression(token: str) -> str:
    letter, width = token[0], len(token)
    if letter == "Z":
        return r"[+-]\d\d:?\d\d"
    if letter in "GaEz" or (letter == "M" and width > 2):
        return _WORD
    return _DIGITS


def _moment(values: dict[str, str]) -> datetime:
    """The date of the fields that were read; what is not named is the start of 1970."""
    hour = int(values.get("H", values.get("k", "0"))) % 24
    if "a" in values:
        hour = int(values.get("h", values.get("K", "0"))) % 12 + 12 * (values["a"].upper() == "PM")
    clock = [hour, int(values.get("m", "0")), int(values.get("s", "0"))]
    fraction = int(values.get("S", "0")[:6].ljust(6, "0"))
    year = int(values.get("y", values.get("Y", "1970")))
    offset = values.get("Z", "")
    if "x" in values:
        day = datetime.fromisocalendar(int(values["x"]), int(values.get("w", "1")), int(values.get("e", "1")))
    elif "D" in values:
        day = datetime.strptime(f"{year} {values['D']}", "%Y %j")
    else:
        day = datetime(year, _month_number(values.get("M", "1")), int(values.get("d", "1")))
    moment = day.replace(hour=clock[0], minute=clock[1], second=clock[2], microsecond=fraction)
    return moment.replace(tzinfo=datetime.strptime(offset, "%z").tzinfo) if offset else moment


def _month_number(text: str) -> int:
    if text.lstrip("+-").isdigit():
        return int(text)
    return [name.lower() for name in calendar.month_abbr].index(text[:3].lower())
