"""Writes what Google's catalog says of its assets into world/public_assets/: one line an asset, no sentences.

    python local_ee/benchmarks/catalog_facts.py CHECKOUT [--samples REPOSITORY] [--count]

CHECKOUT is a checkout of github.com/google/earthengine-catalog (Apache-2.0); the packages rjsonnet and jsonnet must be
installed (the second reads the few files that the first cannot). REPOSITORY is a clone of
github.com/google/earthengine-community: the ids of single images of collections come from both repositories' scripts.
--count writes nothing and prints how many ids of the checkout the engine serves, by type.

Pixel types are not in the catalog: a band of classes or bits has the smallest integer type that holds them, one with a
scale or an exact range of whole numbers too, others are float (the engine's assumption).
"""

from __future__ import annotations

import argparse
import html
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.example_facts import days_of, of_their_type, plain, text_of, with_days
from benchmarks.example_facts import values_of as example_values

TARGET = Path(__file__).resolve().parents[1] / "src" / "local_ee" / "world" / "public_assets"
HEAD = (
    "# id|form|status|licence|start|end|interval|pixel_m|west,south,east,north|lon,lat|indices|bands|properties\n"
    "# band: name:type:least/most (or =class,class):scale:offset:unit:pixel_m; name~ as the band before; @id as there\n"
    "# after properties, where the page's example asks for values of some: name='text,'text;name=number\n"
)
TYPES = {"uint8": "B", "int8": "b", "uint16": "H", "int16": "h", "uint32": "I", "int32": "i"}
LETTERS = {"DOUBLE": "d", "STRING": "s", "INT": "i", "STRING_LIST": "S", "INT_LIST": "I", "DOUBLE_LIST": "D"}
LETTERS |= {"GEOMETRY": "g", "DATETIME": "t"}
FORMS = ("image", "image_collection", "table", "table_collection", "bigquery_table")
_BANDS, _PROPERTIES = 11, 12
MOST_CLASSES, MOST_INDICES = 260, 12
_CALL = re.compile(r"""(?:Image|FeatureCollection)\(\s*['"]([\w./ -]+/[\w./ -]+)['"]""")
_RESERVED = str.maketrans("", "", ":;|~@\n")


def integer_type(low: float, high: float) -> str:
    """The letter of the smallest integer type that holds a range."""
    fits = (code for name, code in TYPES.items() if np.iinfo(name).min <= low and high <= np.iinfo(name).max)
    return next(fits, "i")


def shown(summaries: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """The range in which the catalog draws a band: what most pixels have."""
    ranges: dict[str, tuple[float, float]] = {}
    for each in summaries.get("gee:visualizations", ()):
        drawing = each.get("image_visualization", {}).get("band_vis", {})
        low, high = drawing.get("min"), drawing.get("max")
        if low and high:
            for band in drawing.get("bands", ()):
                ranges.setdefault(band, (low[0], high[0]))
    return ranges


def values_of(band: Mapping[str, Any], summaries: Mapping[str, Any]) -> tuple[str, str]:
    """A band's type, and its range or classes ("": the catalog says neither)."""
    if "gee:classes" in band:
        values = sorted({entry["value"] for entry in band["gee:classes"]})
        listed = ",".join(f"{value:.10g}" for value in values[:MOST_CLASSES])
        return integer_type(min(values), max(values)), f"={listed}"
    if "gee:bitmask" in band:
        bits = sum(part.get("bit_count", 1) for part in band["gee:bitmask"].get("bitmask_parts", ()))
        return integer_type(0, 2 ** min(max(bits, 1), 31) - 1), "=0"
    own = summaries.get(band["name"], {})
    low, high = own.get("minimum"), own.get("maximum")
    if low is None or high is None:
        drawn = shown(summaries).get(band["name"])
        return ("H" if "gee:scale" in band else "f"), "" if drawn is None or drawn[0] >= drawn[1] else range_of(*drawn)
    whole = float(low).is_integer() and float(high).is_integer()
    exact = own.get("gee:estimated_range") is False
    code = integer_type(low, high) if whole and ("gee:scale" in band or exact or band["name"] == "elevation") else "f"
    drawn = shown(summaries).get(band["name"], (low, high))
    least, most = max(low, min(drawn)), min(high, max(drawn))
    return code, range_of(least, most) if least < most else range_of(low, high)


def range_of(low: float, high: float) -> str:
    """least/most."""
    return f"{low:.6g}/{high:.6g}"


def number_of(value: Any) -> str:
    """A number, or nothing where there is none."""
    return "" if value is None else f"{value:.8g}"


def bands_of(summaries: Mapping[str, Any], pixel_m: float) -> str:
    """All bands' facts."""
    texts, last = [], None
    for band in summaries.get("eo:bands", ()):
        unit = html.unescape(band.get("gee:units", "")).translate(_RESERVED)
        own = band.get("gsd")
        gsd = number_of(own) if own and own != pixel_m else ""
        facts = (*values_of(band, summaries), number_of(band.get("gee:scale")), number_of(band.get("gee:offset")), unit)
        text = ":".join((*facts, gsd)).rstrip(":")
        texts.append(f"{band['name']}~" if text == last else f"{band['name']}:{text}")
        last = text
    return ";".join(texts)


def properties_of(summaries: Mapping[str, Any]) -> str:
    """The names of properties by the letter of their type."""
    groups: dict[str, list[str]] = {}
    for each in summaries.get("gee:schema", ()):
        groups.setdefault(LETTERS.get(each["type"], "r"), []).append(each["name"])
    return ";".join(f"{code}:{','.join(names)}" for code, names in groups.items())


def interval_of(document: Mapping[str, Any]) -> str:
    """For example "1 day", "revisit 16 day", "climate 1 month"."""
    steps = document.get("gee:interval") or {}
    mark = {"revisit_interval": "revisit ", "climatological_interval": "climate "}.get(steps.get("type", ""), "")
    return f"{mark}{steps['interval']} {steps['unit']}" if steps else ""


def focus_of(summaries: Mapping[str, Any]) -> str:
    """The place that the catalog's page shows."""
    places = (each["lookat"] for each in summaries.get("gee:visualizations", ()) if "lookat" in each)
    return next((f"{place['lon']:.4g},{place['lat']:.4g}" for place in places), "")


def fields_of(document: Mapping[str, Any], indices: Sequence[str], example: str) -> list[str]:
    """An asset's line in parts; with the days and values that its page's example asks for."""
    summaries = document.get("summaries", {})
    own = [band["gsd"] for band in summaries.get("eo:bands", ()) if "gsd" in band]
    pixel_m = float((summaries.get("gsd") or own or [1000])[0])
    start, end = document["extent"]["temporal"]["interval"][0]
    box = ",".join(f"{side:g}" for side in document["extent"]["spatial"]["bbox"][0])
    is_table = "table" in document["gee:type"]
    codes = {each["name"]: LETTERS.get(each["type"], "r") for each in summaries.get("gee:schema", ())}
    parts = [
        document["id"],
        str(FORMS.index(document["gee:type"])),
        document.get("gee:status", "")[:1],
        document.get("license", ""),
        _moment(start),
        _moment(end),
        interval_of(document),
        f"{pixel_m:g}",
        box,
        focus_of(summaries),
        ",".join(sorted(indices)[:MOST_INDICES]),
        bands_of(summaries, pixel_m),
        properties_of(summaries),
        text_of(of_their_type(example_values(example, list(codes)), codes, is_table=is_table)),
    ]
    days = days_of(example)
    return with_days(parts, days) if days and document["gee:type"] == "image_collection" else parts


def example_of(checkout: Path, asset_id: str) -> str:
    """The script of an asset's page, without comments; empty where there is none."""
    name = asset_id.replace("/", "_")
    file = next(checkout.glob(f"examples/*/{name}.js"), None)
    return plain(file.read_text(encoding="utf-8")) if file else ""


def _moment(text: str | None) -> str:
    return "" if not text else text[:10] if text[11:19] in ("", "00:00:00") else text[:19]


def documents(checkout: Path) -> Iterator[dict[str, Any]]:
    """The catalog's entries, in the order of their files."""
    import _jsonnet
    import rjsonnet

    folder = checkout / "catalog"
    for file in sorted(folder.glob("**/*.jsonnet")):
        try:
            text = rjsonnet.evaluate_file(str(file), jpathdir=[str(folder)])
        except Exception:  # it lacks some of the language
            text = _jsonnet.evaluate_file(str(file), jpathdir=[str(folder)])
        document = json.loads(text)
        if document.get("gee:type") in FORMS:
            yield document


def scripts(repository: Path) -> Iterator[str]:
    """Lines of a repository's newest commit that hold an asset's id."""
    git = ["git", "-C", str(repository), "grep", "-hE", r"(Image|FeatureCollection)\(", "HEAD"]
    yield from subprocess.run(git, capture_output=True, text=True, errors="replace").stdout.splitlines()
    wrapped = ["git", "-C", str(repository), "grep", "-hEA2", r"(Image|FeatureCollection)\($", "HEAD"]
    yield subprocess.run(wrapped, capture_output=True, text=True, errors="replace").stdout


def indices_in(texts: Iterable[str], ids: set[str]) -> dict[str, set[str]]:
    """The images of each collection that scripts name."""
    indices: dict[str, set[str]] = {}
    for text in texts:
        for name in _CALL.findall(re.sub(r"""['"]\s*\+\s*['"]""", "", text)):
            collection, _, index = name.rpartition("/")
            if name not in ids and collection in ids and re.fullmatch(r"[\w.-]+", index):
                indices.setdefault(collection, set()).add(index)
    return indices


def shared(lines: list[list[str]]) -> list[str]:
    """Lines whose last two parts name the asset that has the same, where one stands before them."""
    first: dict[str, str] = {}
    texts = []
    for parts in lines:
        for number in (_BANDS, _PROPERTIES):
            text = parts[number]
            if len(text) > 60:
                owner = first.setdefault(f"{number}{text}", parts[0])
                parts[number] = text if owner == parts[0] else f"@{owner}"
        texts.append("|".join(parts if parts[-1] else parts[:-1]))
    return texts


def write(lines: list[str], target: Path = TARGET) -> None:
    """One file for each first letter of ids."""
    target.mkdir(exist_ok=True)
    groups: dict[str, list[str]] = {}
    for line in lines:
        groups.setdefault(line[0].lower(), []).append(line)
    for file in target.glob("*.txt"):
        file.unlink()
    for letter, group in groups.items():
        (target / f"{letter}.txt").write_text(HEAD + "\n".join(group) + "\n", encoding="utf-8")


def counts(catalog: Sequence[Mapping[str, Any]]) -> str:
    """A table of the catalog's ids by type, and of those that the engine serves."""
    from local_ee.world import World

    ids = set(World().known_ids)
    totals = Counter(each["gee:type"] for each in catalog)
    answers = Counter(each["gee:type"] for each in catalog if each["id"] in ids)
    rows = [f"| {form} | {totals[form]} | {answers[form]} |" for form in FORMS]
    last = f"| all | {sum(totals.values())} | {sum(answers.values())} |"
    return "\n".join(["| type | in the catalog | served |", "|---|---:|---:|", *rows, last])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--samples", type=Path, help="a clone of google/earthengine-community")
    parser.add_argument("--count", action="store_true", help="only print what is served")
    options = parser.parse_args()
    catalog = sorted(documents(options.checkout), key=lambda each: str(each["id"]))
    if not options.count:
        repositories = [options.checkout, *([options.samples] if options.samples else [])]
        texts = (text for repository in repositories for text in scripts(repository))
        indices = indices_in(texts, {each["id"] for each in catalog})
        write(
            shared(
                [
                    fields_of(each, sorted(indices.get(each["id"], ())), example_of(options.checkout, each["id"]))
                    for each in catalog
                ]
            )
        )
    print(counts(catalog))


if __name__ == "__main__":
    main()
