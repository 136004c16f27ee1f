"""What an example of Google's catalog asks of the asset on its page: days, and values of properties.

The catalog's own dates and intervals are often older than the page's example, and it lists no values of properties;
the example shows an image all the same.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local_ee.world.public_dates import Moments
from local_ee.world.public_facts import LAST, AssetFacts, _asset
from local_ee.world.public_scenes import is_scenes

_COMMENT = re.compile(r"/\*.*?\*/|(?<![:'\"])//[^\n]*", re.DOTALL)
_DAY = re.compile(r"""['"]((?:19|20)\d{2}-\d{2}-\d{2})(?:T[\d:]+Z?)?['"]""")
_DATED = re.compile(r"filterDate|Filter\.date|ee\.Date|DateRange")
_CONSTANT = re.compile(r"""var (\w+)\s*=\s*(-?[\d.]+|'[^'\n]*'|"[^"\n]*")\s*;""")
_ASSET = re.compile(r"""(?:Image|Collection)\(\s*['"][\w./ -]+/""")
_LITERAL = r"""(-?[\d.]+|'[^'\n]*'|"[^"\n]*"|[A-Za-z_]\w*)"""
_PAIRS = (
    re.compile(r"""Filter\.(?:eq|listContains)\(\s*['"]([\w:]+)['"]\s*,\s*""" + _LITERAL + r"\s*\)"),
    re.compile(r"""filterMetadata\(\s*['"]([\w:]+)['"]\s*,\s*['"]equals['"]\s*,\s*""" + _LITERAL),
    re.compile(r"""['"( ](\w+)\s*==\s*(-?[\d.]+|"[^"\n]*"|'[^'\n]*')"""),
)
_PARSED = re.compile(r"""Number\.parse\(\s*\w+\.get\(['"](\w+)['"]\)""")
_LOOKED_UP = re.compile(r"""(\w+)\)?\.get\(\w+\.get\(['"](\w+)['"]\)""")
_TIMES = {"year", "month", "day"}  # which follow from an image's moment
_RESERVED = set("|;,=\n")
_SHORT_DAYS, _YEAR_DAYS = 16, 360
_START, _END, _INTERVAL = 4, 5, 6  # parts of an asset's line


def plain(source: str) -> str:
    """A script without comments."""
    return _COMMENT.sub("", source)


def days_of(source: str) -> tuple[str, str] | None:
    """The first and the last day that a script filters by."""
    days = sorted(set(_DAY.findall(source))) if _DATED.search(source) else []
    return (days[0], days[-1]) if days else None


def values_of(source: str, names: Sequence[str]) -> dict[str, list[str]]:
    """The values that a script asks for, by property: texts in front of which a quotation mark stands, and numbers.

    names: the asset's properties; others count where the script uses no other asset.
    """
    constants = dict(_CONSTANT.findall(source))
    alone = len(_ASSET.findall(source)) <= 1
    values: dict[str, list[str]] = {}
    for name, literal in _asked(source, names):
        text = _word(constants.get(literal, literal))
        fits = name in names or (alone and ":" not in name)
        if text and fits and name not in _TIMES and text not in values.setdefault(name, []):
            values[name].append(text)
    return {name: words for name, words in values.items() if words}


def _asked(source: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for pattern in _PAIRS:
        yield from pattern.findall(source)
    for name in _PARSED.findall(source):
        mark = "'" if name in names else ""  # what the page does not list may be painted too
        yield from ((name, f"{mark}{number}{mark}") for number in range(1, 5))
    for dictionary, name in _LOOKED_UP.findall(source):
        for key in _keys(source, dictionary):
            yield name, f"'{key}'"


def _keys(source: str, name: str) -> list[str]:
    """The keys of a dictionary that a script writes out, also of one that it makes of another."""
    made = re.search(rf"var {name}\s*=\s*(?:ee\.Dictionary\()?\s*(\w+)\)?\s*;", source)
    text = re.search(rf"var {made[1] if made else name}\s*=\s*(?:ee\.Dictionary\()?\s*\{{(.*?)\n\}}", source, re.DOTALL)
    return re.findall(r"""^\s*['"]([^'"\n]+)['"]\s*:""", text[1], re.MULTILINE) if text else []


def _word(literal: str) -> str:
    if _RESERVED & set(literal):
        return ""
    if literal[:1] in "'\"":
        return f"'{literal[1:-1]}"
    return literal if re.fullmatch(r"-?\d+(\.\d+)?", literal) else ""


def text_of(values: dict[str, list[str]]) -> str:
    """name=value,value;name=value."""
    return ";".join(f"{name}={','.join(words)}" for name, words in values.items())


def widened(start: str, end: str, days: tuple[str, str], newest: str) -> tuple[str, str]:
    """An asset's start and end with an example's days; an end with + is that of a collection that goes on."""
    first, last = days
    start = min(start, first) if start else first
    if end:
        return start, end if last <= end[:10] else last
    return start, "" if last <= newest else f"{last}+"


def interval_between(days: tuple[str, str]) -> str:
    """A step of which some begin in a period; nothing for a year and more. Of one day the example names the hours."""
    first, last = (date.fromisoformat(day) for day in days)
    if first == last:
        return "6 hour"
    if last - first >= timedelta(days=_YEAR_DAYS):
        return ""
    return "1 day" if last - first <= timedelta(days=_SHORT_DAYS) else "1 month"


def of_their_type(
    values: Mapping[str, list[str]], codes: Mapping[str, str], *, is_table: bool = False
) -> dict[str, list[str]]:
    """Values without texts for properties that are numbers, and without a table's numbers, which tell its rows apart.

    codes: the letter of each property's type.
    """

    def fits(name: str, words: list[str]) -> bool:
        are_texts = any(word.startswith("'") for word in words)
        if codes.get(name, "") in ("d", "i"):
            return not are_texts and not is_table
        return True

    return {name: words for name, words in values.items() if fits(name, words)}


def with_days(parts: list[str], days: tuple[str, str]) -> list[str]:
    """A collection's line with dates, and a step, such that images begin on an example's days."""
    first, last = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in days)
    if _has_images(_asset("|".join(parts)), first, last):
        return parts
    start, end = widened(parts[_START], parts[_END], days, f"{LAST:%Y-%m-%d}")
    dated = [*parts[:_START], start, end, *parts[_END + 1 :]]
    asset = _asset("|".join(dated))
    if _has_images(asset, first, last):
        return dated
    if asset.unit == "year":
        dated[_START] = f"{asset.start.year}-{days[0][5:]}"
    elif not asset.unit:
        dated[_INTERVAL] = interval_between(days)
    return dated


def _has_images(asset: AssetFacts, first: datetime, last: datetime) -> bool:
    """Whether images of an asset begin from first to before last; of one day, before its morning."""
    last = max(last, first + timedelta(minutes=1))
    if is_scenes(asset):
        return asset.start < last and first < asset.end
    return len(Moments(asset, first, last)) > 0
