"""What Google's catalog says of its assets, as benchmarks/catalog_facts.py wrote it down: no pixels, only facts.

A line is read when its asset is asked for: the engine starts no slower with all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from local_ee.catalog import BoundsWSEN
from local_ee.world.declared import VARIABLE, declared_lines

FACTS = Path(__file__).with_name("public_assets")
LAST = datetime(2024, 12, 31, 23, tzinfo=UTC)  # of collections that go on: a fixed day, so that answers stay the same
IMAGE, COLLECTION, TABLE, TABLES, QUERIED = "image", "image_collection", "table", "table_collection", "bigquery_table"
FORMS = (IMAGE, COLLECTION, TABLE, TABLES, QUERIED)
_LETTERS = {"B": "uint8", "b": "int8", "H": "uint16", "h": "int16", "I": "uint32", "i": "int32", "f": "float32"}
_STATUS = {"d": "deprecated", "b": "beta", "i": "incomplete", "": "ready"}
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_LINES_KEPT = 4096


@dataclass(frozen=True)
class BandFacts:
    """A band's pixel type and the range of its values (None: the catalog has none), or the classes that it has.

    scale and offset lead from the stored values to those in `unit`; pixel_m is None where it is the asset's.
    """

    name: str
    dtype: str
    least: float | None = 0.0
    most: float | None = 1.0
    classes: tuple[float, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    pixel_m: float | None = None

    @property
    def pyramid(self) -> str:
        """How coarse pixels are made: the most frequent class, a sample of bits (the class 0 alone), else means."""
        return "MEAN" if not self.classes else "MODE" if len(self.classes) > 1 else "SAMPLE"


@dataclass(frozen=True)
class AssetFacts:
    """An image, a table or a collection: its dates, the step between its images (count and unit), pixel size, bounds.

    unit is empty where the catalog has no regular step. focus: the longitude and latitude that its page shows.
    indices: some of its images or tables. properties: names by type (d number, s text, i whole number; capitals are
    lists of them, r a record, g a geometry, t a time). values: of properties, those that the page's example asks for.
    """

    id: str
    is_image: bool
    start: datetime
    end: datetime
    count: int
    unit: str
    revisits: bool
    pixel_m: float
    bounds: BoundsWSEN
    bands: tuple[BandFacts, ...]
    form: str = COLLECTION
    status: str = "ready"
    licence: str = ""
    is_climate: bool = False
    goes_on: bool = False
    focus: tuple[float, float] | None = None
    indices: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[str, tuple[Any, ...]], ...] = ()


@cache
def _lines() -> dict[str, str]:
    texts = (file.read_text(encoding="utf-8") for file in sorted(FACTS.glob("*.txt")))
    lines = (line for text in texts for line in text.splitlines() if not line.startswith("#"))
    own = {line.partition("|")[0]: line for line in lines}
    declared = declared_lines()
    if taken := own.keys() & declared.keys():
        raise ValueError(f"{VARIABLE}: {min(taken)} is an asset of Google's catalog already: give yours another id")
    return own | declared


class _Assets(Mapping[str, AssetFacts]):
    """Every asset of the catalog by id."""

    def __getitem__(self, asset_id: str) -> AssetFacts:
        return _asset(_lines()[asset_id])

    def __iter__(self) -> Iterator[str]:
        return iter(_lines())

    def __len__(self) -> int:
        return len(_lines())

    def __contains__(self, asset_id: object) -> bool:
        return asset_id in _lines()


def assets() -> Mapping[str, AssetFacts]:
    """Every asset of the catalog, by id."""
    return _Assets()


@cache
def ids_of(*forms: str) -> dict[str, None]:
    """The ids of assets of these forms, in order."""
    codes = {str(FORMS.index(form)) for form in forms}
    return {name: None for name, line in _lines().items() if line.split("|", 2)[1] in codes}


@lru_cache(_LINES_KEPT)
def _asset(line: str) -> AssetFacts:
    parts = line.split("|")
    asset_id, form, status, licence, start, end, interval, pixel_m, bounds, focus, indices, bands, names = parts[:13]
    words = interval.split()
    count, unit = words[-2:] if words else ("1", "")
    west, south, east, north = (float(side) for side in bounds.split(","))
    begin = _moment(start) or _FIRST
    return AssetFacts(
        asset_id,
        FORMS[int(form)] == IMAGE,
        begin,
        max(begin, _moment(end.rstrip("+")) or max(LAST, begin + timedelta(days=365))),
        int(count),
        unit,
        "revisit" in words,
        float(pixel_m),
        (west, max(south, -90), east, min(north, 90)),
        tuple(_bands(_text(bands, 11))),
        FORMS[int(form)],
        _STATUS[status],
        licence,
        "climate" in words,
        not end or end.endswith("+"),
        tuple(float(degree) for degree in focus.split(",")) if focus else None,  # type: ignore[arg-type]
        tuple(indices.split(",")) if indices else (),
        tuple(_properties(_text(names, 12))),
        tuple(_values(parts[13] if len(parts) > 13 else "")),
    )


def _text(field: str, number: int) -> str:
    """A field, or that of the asset that it names."""
    return _lines()[field[1:]].split("|")[number] if field.startswith("@") else field


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def _bands(text: str) -> Iterator[BandFacts]:
    facts: list[str] = []
    for each in text.split(";") if text else ():
        name, *own = each.split(":")
        if name.endswith("~"):
            name = name[:-1]
        else:
            facts = own
        yield _band(name, *facts)


def _band(
    name: str, code: str, values: str = "", scale: str = "", offset: str = "", unit: str = "", pixel_m: str = ""
) -> BandFacts:
    classes: tuple[float, ...] = ()
    least = most = None
    if values.startswith("="):
        classes = tuple(float(value) for value in values[1:].split(","))
    elif values:
        least, most = (float(value) for value in values.split("/"))
    size = float(pixel_m) if pixel_m else None
    return BandFacts(name, _LETTERS[code], least, most, classes, float(scale or 1), float(offset or 0), unit, size)


def _values(text: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for group in text.split(";") if text else ():
        name, _, words = group.partition("=")
        yield name, tuple(word[1:] if word.startswith("'") else float(word) for word in words.split(","))


def _properties(text: str) -> Iterator[tuple[str, str]]:
    for group in text.split(";") if text else ():
        code, _, names = group.partition(":")
        yield from ((name, code) for name in names.split(","))
