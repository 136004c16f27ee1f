"""Properties of public images and features: the names and types of the catalog's pages, values by rule.

Values are the same for the same asset, element and name. They say nothing of the ground or of any instrument.
"""

from __future__ import annotations

import itertools
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from local_ee.world.public_facts import AssetFacts

_SHARES = ("cloud", "percent", "pct", "cover", "confidence", "prob")
_RANGES = (
    (r"azimuth", (0, 360)), (r"zenith|incidence", (10, 60)), (r"elev|altitude|height", (0, 900)),
    (r"^lat|_lat|lat$|latitude", (-55, 65)), (r"^lon|_lon|lon$|longitude", (-175, 175)),
    (r"sun_distance|earth_sun", (0.985, 1.016)), (r"year", (2000, 2023)), (r"month", (1, 12)), (r"^day|doy", (1, 365)),
    (r"area|acres|km2", (5, 5000)), (r"leng|perim|dist", (1, 900)), (r"temp", (5, 28)), (r"path", (1, 233)),
    (r"^row|wrs_row", (1, 122)), (r"orbit", (1, 30_000)), (r"scale|mult", (1, 1)), (r"offset|add|flag|_qc", (0, 0)),
    (r"version", (1, 5)), (r"pop", (0, 9000)), (r"score|index", (0, 5)),
)  # fmt: skip
# Texts that the examples of the catalog's pages filter by, and the others that the page names.
_TEXTS = (
    (re.compile(r"JAXA/GCOM-C/"), "SATELLITE_DIRECTION", ("D", "A")),
    (re.compile(r"USFS/GTAC/|USGS/NLCD_RELEASES/|projects/gtac-data-publish/"), "study_area", ("CONUS",)),
    (re.compile(r"AIRBUS/SPOT_2_4_5/"), "satellite", ("SPOT5",)),
)
_JOINED = re.compile(r"USDA/NASS/CDL")  # its lists of texts are one text each (OpenET's tests split it); by commas here
_TIMES = {"year": "%Y", "month": "%m", "day": "%d"}  # of an image's moment
_MOST_VARIANTS, _ASSETS_KEPT = 24, 256
_WORDS = ("alpha", "beta", "gamma", "delta", "kappa", "lambda", "omega", "sigma")

_CLASSES_AS_TEXT = {"USDA/NASS/CDL"}  # openet-sims splits its class values at commas; the page calls them a list


def properties_of(asset: AssetFacts, index: str, moment: datetime, variant: int | None = None) -> Mapping[str, Any]:
    """Values for the properties that a page lists, for an image or a feature; those of no plain type are left out.

    variant: which of the combinations of the values that the page's example asks for; None: the index draws one.
    """
    values = {name: value_of(asset.id, index, name, code, moment) for name, code in asset.properties}
    choices = variants(asset)
    if choices:
        digest = zlib.crc32(f"{asset.id}|{index}".encode()) if variant is None else variant
        values |= choices[digest % len(choices)]
    classes = {
        f"{band.name}_class_values": [int(value) for value in band.classes]
        for band in asset.bands
        if len(band.classes) > 1
    }
    if asset.id in _CLASSES_AS_TEXT:
        values |= {name: ",".join(map(str, numbers)) for name, numbers in classes.items()}
    return {name: value for name, value in (classes | values).items() if value is not None}


def variants(asset: AssetFacts) -> Sequence[Mapping[str, Any]]:
    """Every combination of the values that the example of an asset's page asks for; empty where it asks for none."""
    return _combinations(asset) if asset.values else ()


@lru_cache(_ASSETS_KEPT)
def _combinations(asset: AssetFacts) -> Sequence[Mapping[str, Any]]:
    codes = dict(asset.properties)
    words = {
        name: _words(values, codes.get(name, ""))
        for name, values in asset.values
        if not _listed(asset.id, name, values)
    }
    if not words:
        return ()
    if math.prod(map(len, words.values())) > _MOST_VARIANTS:
        return [{name: own[variant % len(own)] for name, own in words.items()} for variant in range(_MOST_VARIANTS)]
    return [dict(zip(words, combination, strict=True)) for combination in itertools.product(*words.values())]


def _words(values: Sequence[str | float], code: str) -> list[Any]:
    """The values of a property in its type; those of a list are one."""
    words = [_typed(value, code) for value in values]
    return [words] if code and code in "SID" else words


def _typed(word: str | float, code: str) -> Any:
    if isinstance(word, str):
        return word
    return f"{word:g}" if code.lower() == "s" else int(word) if code.lower() == "i" or word.is_integer() else word


def _listed(asset_id: str, name: str, values: Sequence[str | float]) -> bool:
    """Whether the texts above have all of these values."""
    return any(
        property_name == name and ids.match(asset_id) and set(values) <= set(words)
        for ids, property_name, words in _TEXTS
    )


def value_of(asset_id: str, index: str, name: str, code: str, moment: datetime) -> Any:
    """A number, a text or a list, by the letter of its type (public_facts); None for records and geometries."""
    share = zlib.crc32(f"{asset_id}|{index}|{name}".encode()) / 2**32
    if code in "SID":
        items = [value_of(asset_id, f"{index}{i}", name, code.lower(), moment) for i in range(2)]
        return ",".join(items) if code == "S" and _JOINED.match(asset_id) else items
    if code == "s":
        words = next(
            (words for ids, property_name, words in _TEXTS if property_name == name and ids.match(asset_id)), None
        )
        return words[int(share * len(words))] if words else _text(name.lower(), index, moment, share)
    if code == "t":
        return round(moment.timestamp() * 1000)
    if code not in "di":
        return None
    number = _number(name.lower(), moment, share)
    return round(number) if code == "i" else round(number, 4)


def _number(name: str, moment: datetime, share: float) -> float:
    if name in _TIMES:
        return int(f"{moment:{_TIMES[name]}}")
    span = _range(name)
    return moment.timestamp() * 1000 if span is None else span[0] + (span[1] - span[0]) * share


@cache
def _range(name: str) -> tuple[float, float] | None:
    """The least and the largest number under a name; None for a time."""
    if any(word in name for word in ("time_start", "timestamp", "date")) and not name.startswith("up"):
        return None
    if any(word in name for word in _SHARES):
        return (0, 1) if "prob" in name or "conf" in name else (0, 100)
    return next((span for word, span in _RANGES if re.search(word, name)), (0, 100))


def _text(name: str, index: str, moment: datetime, share: float) -> str:
    if name in _TIMES:
        return f"{moment:{_TIMES[name]}}"
    if re.search(r"area|acres|km2", name):
        return f"{5 + 4995 * share:.2f}"
    if name.endswith(("color", "colour")):
        return f"#{int(share * 2**24):06X}"
    if "index" in name or name.endswith(("id", "code", "number")):
        return index if "id" in name else f"{int(share * 10**6):06d}"
    if "time" in name and "date" not in name:
        return f"{moment:%H:%M:%S}Z" if "center" in name else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    if "date" in name or "day" in name:
        return f"{moment:%Y-%m-%d}"
    if "version" in name:
        return f"{1 + int(share * 4)}.{int(share * 1000) % 10}"
    if name.startswith(("lat", "lon")) or name.endswith(("lat", "lon")):
        return f"{160 * share - 80:+.5f}"
    return f"simulated {_WORDS[int(share * len(_WORDS))]}"
