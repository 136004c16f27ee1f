"""A finished store of `isamap run`, read back: the maps of each zone with the tiles that they are made of."""

from __future__ import annotations

import json
import xml.etree.ElementTree as xml
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gee_export.base.errors import Fault
from gee_export.base.storage import FolderStorage, Storage
from inference.map_file import MapFile, open_map
from inference.tiles.status import STATUS
from inference.tiles.store import TILES

INDEX, PROBABILITY_INDEX, TILE_INDEX = ".vrt", "_prob.vrt", ".gti.gpkg"


@dataclass(frozen=True)
class ZoneFiles:
    """One map's tiles in one UTM zone, by their names in the store; name: of its index without the ending."""

    name: str
    index: str
    tiles: tuple[str, ...]


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
    """The maps of a run's folder by zone, their files opened; ValueError and Fault as of `zone_files`."""
    return tuple(
        ZoneTiles(zone.name, folder / zone.index, tuple(open_map(folder / tile) for tile in zone.tiles))
        for zone in zone_files(FolderStorage(folder))
    )


def zone_files(storage: Storage) -> tuple[ZoneFiles, ...]:
    """The maps of a run's store by zone; ValueError where there is no run, it is not done, or nothing has data.

    Fault: damaged files.
    """
    if not storage.exists(STATUS):
        raise ValueError(f"{storage.url} holds no run ({STATUS} is missing): give the --out of `isamap run`")
    names = sorted(name for files in _finished(storage) for name in files if _is_index(name))
    if not names:
        raise ValueError(f"{storage.url}: none of its tiles has data, so there is nothing to list or publish")
    return tuple(ZoneFiles(name.removesuffix(INDEX), name, _sources(storage, name)) for name in names)


def _is_index(name: str) -> bool:
    return name.endswith(INDEX) and not name.endswith(PROBABILITY_INDEX)


def _finished(storage: Storage) -> list[list[str]]:
    """The files of every map; ValueError where tiles or its index are missing."""
    try:
        maps = json.loads(storage.read(STATUS))["maps"]
        counts = {name: (each["made"], each["tiles"], each["without_data"]) for name, each in maps.items()}
        files = {name: list(map(str, each["files"])) for name, each in maps.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fault(f"{storage.url}/{STATUS} is damaged: run the same `isamap run` command again") from error
    for name, (made, tiles, without_data) in counts.items():
        if made != tiles:
            raise ValueError(
                f"{storage.url}: {name} has {made} of {tiles} tiles: finish it with the same `isamap run` first"
            )
        if not files[name] and without_data < tiles:
            raise ValueError(
                f"{storage.url}: {name} has its {tiles} tiles, which are not put together yet: finish it with the same "
                "`isamap run` first"
            )
    return list(files.values())


def _sources(storage: Storage, index: str) -> tuple[str, ...]:
    """The files that an index shows, none of them outside the run's tiles."""
    try:
        sources = [str(element.text) for element in xml.fromstring(storage.read(index)).iter("SourceFilename")]
    except xml.ParseError as error:
        raise Fault(f"{storage.url}/{index} is damaged ({error}): run the same `isamap run` again") from error
    if any(PurePosixPath(source).parent != PurePosixPath(TILES) for source in sources):
        raise Fault(f"{storage.url}/{index} names files outside its run: run the same `isamap run` command again")
    return tuple(sources)
