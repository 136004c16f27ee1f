"""Writes what Google's catalog says of its rasters into local_ee/world/public_assets.txt: one line an asset.

    python benchmarks/catalog_facts.py FOLDER [--prefix MODIS --prefix ECMWF ...] [--seconds 600]

FOLDER is the folder `catalog` of a checkout of github.com/google/earthengine-catalog (Apache-2.0); the package jsonnet
must be installed. Only facts are kept: id, type, dates, interval, pixel size, bounds, and each band's name and range.
Pixel types are not in the catalog: a band of classes or bits has the smallest integer type that holds them, one with a
scale or an exact range of whole numbers too, others are float (the engine's assumption).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

TARGET = Path(__file__).resolve().parents[1] / "local_ee" / "world" / "public_assets.txt"
HEAD = "# id|type|start|end|interval|pixel_m|west,south,east,north|band:type:least:most (or =class,class ...);...\n"
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
MOST_BANDS = 60


def integer_type(low: float, high: float) -> str:
    """The smallest integer type that holds a range."""
    return next((name for name in INTEGERS if np.iinfo(name).min <= low and high <= np.iinfo(name).max), "int32")


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


def band_facts(band: Mapping[str, Any], summaries: Mapping[str, Any]) -> str:
    """name:type:least:most, or name:type:=classes."""
    name = band["name"]
    if "gee:classes" in band:
        values = sorted({entry["value"] for entry in band["gee:classes"]})
        return f"{name}:{integer_type(min(values), max(values))}:={','.join(f'{value:g}' for value in values[:40])}"
    if "gee:bitmask" in band:
        bits = sum(part.get("bit_count", 1) for part in band["gee:bitmask"].get("bitmask_parts", ()))
        return f"{name}:{integer_type(0, 2 ** min(max(bits, 1), 31) - 1)}:=0"
    own = summaries.get(name, {})
    low, high = own.get("minimum"), own.get("maximum")
    scaled = "gee:scale" in band
    if low is None or high is None:
        low, high = (0, 10_000) if scaled else (0, 1)
    whole = float(low).is_integer() and float(high).is_integer()
    exact = own.get("gee:estimated_range") is False
    pixel_type = integer_type(low, high) if whole and (scaled or exact or name == "elevation") else "float32"
    drawn = shown(summaries).get(name, (low, high))
    least, most = max(low, min(drawn)), min(high, max(drawn))
    return f"{name}:{pixel_type}:{least:g}:{most:g}" if least < most else f"{name}:{pixel_type}:{low:g}:{high:g}"


def line_of(document: Mapping[str, Any]) -> str | None:
    """An asset's line; None for tables, and for collections without a regular interval."""
    summaries = document.get("summaries", {})
    bands = summaries.get("eo:bands", ())
    steps = document.get("gee:interval") or {}
    is_image = document["gee:type"] == "image"
    if document["gee:type"] not in ("image", "image_collection") or not 0 < len(bands) <= MOST_BANDS:
        return None
    if not is_image and steps.get("type") not in ("cadence", "revisit_interval"):
        return None
    start, end = document["extent"]["temporal"]["interval"][0]
    pixel_m = (summaries.get("gsd") or [band["gsd"] for band in bands if "gsd" in band] or [1000])[0]
    interval = "" if is_image else f"{steps['interval']} {steps['unit']}"
    if steps.get("type") == "revisit_interval":
        interval = f"revisit {interval}"
    box = ",".join(f"{side:g}" for side in document["extent"]["spatial"]["bbox"][0])
    facts = ";".join(band_facts(band, summaries) for band in bands if not set(band["name"]) & set(":;|*"))
    dates = f"{(start or '')[:10]}|{(end or '')[:10]}"
    return f"{document['id']}|{document['gee:type']}|{dates}|{interval}|{pixel_m:g}|{box}|{facts}"


def documents(folder: Path, prefixes: list[str], seconds: float) -> Iterator[dict[str, Any]]:
    """The catalog's entries, those of the prefixes first and in their order."""
    import _jsonnet

    end = time.monotonic() + seconds
    files = sorted(folder.glob("*/*.jsonnet"))
    ranked = [file for prefix in prefixes for file in files if file.stem.startswith(prefix)] if prefixes else files
    for file in dict.fromkeys(ranked):
        if time.monotonic() > end:
            return
        if file.stem == "catalog":
            continue
        try:
            yield json.loads(_jsonnet.evaluate_file(str(file), jpathdir=[str(folder)]))
        except RuntimeError as error:
            print(f"{file.name}: {str(error).splitlines()[0]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prefix", action="append", default=[])
    parser.add_argument("--seconds", type=float, default=3600)
    options = parser.parse_args()
    stored = TARGET.read_text(encoding="utf-8").splitlines()[1:] if TARGET.is_file() else []
    lines = {line.partition("|")[0]: line for line in stored}  # what is there stays; what is read again is replaced
    for document in documents(options.folder, options.prefix, options.seconds):
        line = line_of(document)
        if line is not None:
            lines[document["id"]] = line
            TARGET.write_text(HEAD + "\n".join(lines[name] for name in sorted(lines)) + "\n", encoding="utf-8")
    print(f"{len(lines)} assets")


if __name__ == "__main__":
    main()
