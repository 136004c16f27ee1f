"""A finished folder of `isamap run`, read back: the maps of each zone with the tiles that they are made of."""

from __future__ import annotations

import json
import xml.etree.ElementTree as xml
from dataclasses import dataclass
from pathlib import Path

from gee_export.base.errors import Fault
from inference.map_file import MapFile, open_map
from inference.tiles.status import STATUS

INDEX, PROBABILITY_INDEX = ".vrt", "_prob.vrt"


@dataclass(frozen=True)
class ZoneTiles:
    """One map's tiles in one UTM zone; name: of its index without the ending, such as wuhan_202006_50n."""

    name: str
    index: Path
    tiles: tuple[MapFile, ...]


def is_run(path: Path) -> bool:
    """Whether `isamap run` wrote a status there."""
    return (path / STATUS).is_file()


def zones_of(folder: Path) -> tuple[ZoneTiles, ...]:
    """The maps of a run's folder by zone; ValueError where there is no run, it is not done, or nothing has data.

    Fault: damaged files.
    """
    if not is_run(folder):
        raise ValueError(f"{folder} holds no run ({STATUS} is missing): give the --out folder of `isamap run`")
    names = sorted(name for files in _finished(folder) for name in files if _is_index(name))
    if not names:
        raise ValueError(f"{folder}: none of its tiles has data, so there is nothing to list or publish")
    return tuple(_zone(folder / name) for name in names)


def _is_index(name: str) -> bool:
    return name.endswith(INDEX) and not name.endswith(PROBABILITY_INDEX)


def _finished(folder: Path) -> list[list[str]]:
    """The files of every map; ValueError where tiles are missing."""
    try:
        maps = json.loads((folder / STATUS).read_text("utf-8"))["maps"]
        counts = {name: (each["made"], each["tiles"]) for name, each in maps.items()}
        files = [list(map(str, each["files"])) for each in maps.values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fault(f"{folder / STATUS} is damaged: run the same `isamap run` command again") from error
    for name, (made, tiles) in counts.items():
        if made != tiles:
            raise ValueError(
                f"{folder}: {name} has {made} of {tiles} tiles: finish it with the same `isamap run` first"
            )
    return files


def _zone(index: Path) -> ZoneTiles:
    try:
        sources = [str(element.text) for element in xml.parse(index).iter("SourceFilename")]
    except (OSError, xml.ParseError) as error:
        raise Fault(f"{index} cannot be read ({error}): run the same `isamap run` command again") from error
    paths = [index.parent / source for source in sources]
    if any(path.parent != index.parent / "tiles" for path in paths):
        raise Fault(f"{index} names files outside its run: run the same `isamap run` command again")
    return ZoneTiles(index.name.removesuffix(INDEX), index, tuple(open_map(path) for path in paths))
