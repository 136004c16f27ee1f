"""Where and when an export is: what the options name as regions on their lattices, and as periods."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from gee_export.base import regions
from gee_export.base.regions import BoundsWSEN, Period, Region

PAPER_MONTH = "2019-06"  # of S002's dataset
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def places(
    region: str | Region | Sequence[str | Region] | None,
    *,
    bbox: BoundsWSEN | None = None,
    geometry: str | Path | Sequence[str | Path] | None = None,
    epsg: int | None = None,
) -> tuple[Region, ...]:
    """The regions that the options name; ValueError where a box or outline could belong to several of them."""
    named, drawn = several(region), several(geometry)
    if len(named) > 1 and (bbox is not None or drawn):
        raise ValueError("--bbox and --geometry take a part of one region: give one --region, or none of them")
    first = named[0] if named else None
    if drawn:
        return tuple(where(first, bbox=bbox, geometry=path, epsg=epsg) for path in drawn)
    return tuple(where(one, bbox=bbox, epsg=epsg) for one in named or (None,))


def where(
    region: str | Region | None,
    *,
    bbox: BoundsWSEN | None = None,
    geometry: str | os.PathLike[str] | None = None,
    epsg: int | None = None,
) -> Region:
    """The region that the options name, in the UTM zone `epsg` if asked; ValueError where they name none or two."""
    if bbox is not None and geometry is not None:
        raise ValueError("--bbox and --geometry both say where: give one of them")
    named = regions.named(region) if isinstance(region, str) else region
    named = named and _in_zone(named, epsg)
    if geometry is not None:
        return _in_zone(regions.from_geometry(geometry, within=named), epsg)
    if bbox is not None:
        box = cast(regions.BoundsWSEN, tuple(bbox))  # callers may give a list; the region checks its length
        return named.part(box) if named else regions.from_bbox(box, epsg=_utm(epsg))
    if named is None:
        raise ValueError("nothing says where: give --region NAME (`isamap regions` lists them), --bbox or --geometry")
    return named


def _in_zone(region: Region, epsg: int | None) -> Region:
    """The region's ground on the lattice of another UTM zone; itself where no other is asked."""
    if _utm(epsg) in (None, region.epsg):
        return region
    return replace(regions.from_bbox(region.bounds_wsen, name=region.name, epsg=epsg), outline=region.outline)


def _utm(epsg: int | None) -> int | None:
    if epsg is not None and not (epsg // 100 in (326, 327) and 1 <= epsg % 100 <= 60):
        raise ValueError(
            f"--epsg {epsg}: expected a UTM zone of WGS84, 32601 to 32660 in the north or 32701 to 32760 in the south"
        )
    return epsg


def when(month: str | Sequence[str] | None, period: str | Sequence[str] | None) -> tuple[Period, ...]:
    """The periods that the options name, the paper's month where they name none; ValueError where they name both."""
    if month and period:
        raise ValueError("--month and --period both say when: give one of them")
    if period:
        found = [Period.parse(text) for text in _paired(several(period))]
    else:
        found = [regions.Month.parse(text).period for text in several(month) or (PAPER_MONTH,)]
    return tuple(regions.begun(one) for one in found)


def _paired(words: Sequence[str]) -> list[str]:
    """Two days in a row are one period, FIRST..LAST; every other word is one by itself (Period.parse)."""
    found, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if _DAY.fullmatch(word):
            if not rest or not _DAY.fullmatch(rest[0]):
                raise ValueError(f"--period {word}: expected a second day, the last one, such as {word} {word}")
            word = f"{word}..{rest.pop(0)}"
        found.append(word)
    return found


def several(value: Any) -> tuple[Any, ...]:
    """One or several values as a tuple; none of None."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str | Path | Region) else tuple(value)
