"""Where and when an export is: what the options name as regions on their lattices, and as periods."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import shapely

from isamap.gee_export.base import geometry_file, regions, zones
from isamap.gee_export.base.periods import Month, Period, begun
from isamap.gee_export.base.regions import BoundsWSEN, Region

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_NAME = 40
NOWHERE = "nothing says where: give --region NAME (`isamap regions` lists them), --bbox or --geometry"


def places(
    region: str | Region | Sequence[str | Region] | None,
    *,
    bbox: BoundsWSEN | None = None,
    geometry: str | Path | Sequence[str | Path] | None = None,
    epsg: int | None = None,
    buffer_m: float | None = None,
    name: str | None = None,
) -> tuple[Region, ...]:
    """The regions that the options name, one for each UTM zone of a place that several zones hold (base/zones.py).

    epsg: one zone for all of it instead; buffer_m: metres by which the features of `geometry` are widened; name: what
    a box or outline is called, else `bbox` or as its file. ValueError where a box or outline could belong to several
    regions, and for what `where` refuses.
    """
    named, drawn = several(region), several(geometry)
    _check_drawn(named, bbox, drawn, buffer_m)
    _check_name(name, named, bbox, drawn)
    if not (named or drawn or bbox is not None):
        raise ValueError(NOWHERE)
    parts = tuple(grid for area in named for grid in _grids(area, epsg))
    if bbox is not None:
        return _boxed(parts, _edges(bbox), _utm(epsg), name or "bbox")
    if not drawn:
        return parts
    outlines = {path: geometry_file.read_outline(path, buffer_m) for path in drawn}
    return tuple(
        zone
        for path, outline in outlines.items()
        for zone in outlined(parts, outline, epsg, name or geometry_file.name_of(path))
    )


def where(
    region: str | Region | None,
    *,
    bbox: BoundsWSEN | None = None,
    geometry: str | Path | None = None,
    epsg: int | None = None,
    buffer_m: float | None = None,
) -> Region:
    """The one region that the options name, in the UTM zone `epsg` if given; ValueError where they name none or two."""
    _check_drawn((), bbox, several(geometry), buffer_m)
    named = regions.named(region) if isinstance(region, str) else region
    named = named and _in_zone(named, epsg)
    if geometry is not None:
        return _in_zone(geometry_file.from_geometry(geometry, within=named, buffer_m=buffer_m), epsg)
    if bbox is not None:
        if named:
            return named.part(_edges(bbox))
        return regions.from_bbox(_edges(bbox), name="bbox", epsg=_utm(epsg))
    if named is None:
        raise ValueError(NOWHERE)
    return named


def _check_name(name: str | None, named: Sequence[Any], bbox: BoundsWSEN | None, drawn: Sequence[Any]) -> None:
    """ValueError where a name cannot stand in patch ids, or where there is not one place for it."""
    if name is None:
        return
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise ValueError(
            f"--name {name!r}: expected at most {_LONGEST_NAME} lower-case letters, digits and hyphens between them, "
            f"such as {regions.slug(name)[:_LONGEST_NAME]}"
        )
    if name in regions.names():
        raise ValueError(f"--name {name!r} is a region of `isamap regions`: choose a name of your own")
    if named or len(drawn) + (bbox is not None) != 1:
        raise ValueError(
            f"--name {name!r} names the place of one --bbox or one --geometry without --region: a --region has a name, "
            "and several files are called as they are"
        )


def _check_drawn(named: Sequence[Any], bbox: BoundsWSEN | None, drawn: Sequence[Any], buffer_m: float | None) -> None:
    if len(named) > 1 and (bbox is not None or drawn):
        raise ValueError("--bbox and --geometry take a part of one region: give one --region, or none of them")
    if bbox is not None and drawn:
        raise ValueError("--bbox and --geometry both say where: give one of them")
    check_buffer(buffer_m, drawn)


def check_buffer(buffer_m: float | None, drawn: Sequence[Any]) -> None:
    """ValueError for a buffer without vector files that it could widen."""
    if buffer_m is not None and not drawn:
        raise ValueError(f"--buffer {buffer_m:g} widens the features of a --geometry: give one, or leave it out")


def _grids(region: str | Region, epsg: int | None) -> tuple[Region, ...]:
    """A region of the table or a caller's own, divided by zones where no zone is asked for."""
    if isinstance(region, str) and _utm(epsg) is None:
        return zones.of_name(region)
    return (_in_zone(regions.named(region) if isinstance(region, str) else region, epsg),)


def _edges(bbox_wsen: Sequence[float]) -> BoundsWSEN:
    """A box as a tuple: Python's callers may give a list."""
    west, south, east, north = bbox_wsen
    return west, south, east, north


def _boxed(parts: tuple[Region, ...], bbox: BoundsWSEN, epsg: int | None, name: str) -> tuple[Region, ...]:
    if len(parts) == 1:
        return (parts[0].part(bbox),)
    if parts:
        regions.check_degrees(bbox)
        return zones.within(parts, shapely.box(*bbox))
    return zones.of_bbox(bbox, name=name) if epsg is None else (regions.from_bbox(bbox, name=name, epsg=epsg),)


def outlined(parts: tuple[Region, ...], outline: Any, epsg: int | None, name: str) -> tuple[Region, ...]:
    """The regions of an outline in EPSG:4326: on the lattice of `parts` where there are any, else by zone."""
    if len(parts) == 1:
        return (parts[0].outlined(outline),)
    if parts:
        return zones.within(parts, outline)
    if _utm(epsg) is None:
        return zones.of_outline(outline, name=name)
    return (_in_zone(regions.from_outline(outline, name=name), epsg),)


def _in_zone(region: Region, epsg: int | None) -> Region:
    """The region's ground on the lattice of another UTM zone; the region itself where `epsg` is None."""
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
    """The periods that the options name; ValueError where they name both."""
    if month and period:
        raise ValueError("--month and --period both say when: give one of them")
    periods = [Month.parse(text).period for text in several(month)]
    periods += [Period.parse(text) for text in _paired(several(period))]
    return tuple(begun(entry) for entry in periods)


def _paired(words: Sequence[str]) -> list[str]:
    """Two days in a row are one period, FIRST..LAST; every other word is one by itself (Period.parse)."""
    entries, queue = [], list(words)
    while queue:
        word = queue.pop(0)
        if _DAY.fullmatch(word):
            if not queue or not _DAY.fullmatch(queue[0]):
                raise ValueError(f"--period {word}: expected a second day, the last one, such as {word} {word}")
            word = f"{word}..{queue.pop(0)}"
        entries.append(word)
    return entries


def several(value: Any) -> tuple[Any, ...]:
    """One or several values as a tuple; none of None."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str | Path | Region) else tuple(value)
