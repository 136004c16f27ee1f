"""A finished store of `isamap run`, read back: the maps of each zone with the tiles that they are made of."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as xml
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import FolderStorage, Storage
from isamap.inference.map_files.map_file import MapFile, open_map
from isamap.inference.tiles.status import STATUS
from isamap.inference.tiles.store import TILES

INDEX, OTHER_INDEXES = ".vrt", ("_prob.vrt", "_share.vrt")
_TILE = re.compile(rf"{TILES}/[0-9a-f]{{2}}/[^/]+\.tif")


@dataclass(frozen=True)
class ZoneFiles:
    """One map's tiles in one UTM zone, by their names in the store; name: of its index without the ending.

    files: of all tiles together, indexes and COGs.
    """

    name: str
    index: str
    tiles: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True)
class ZoneTiles:
    """One map's tiles in one UTM zone; name: of its index without the ending, such as wuhan_202006_50n."""

    name: str
    index: Path
    tiles: tuple[MapFile, ...]


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
    maps = _finished(storage)
    indexes = sorted((name, tuple(files)) for files in maps for name in files if _is_index(name))
    if not indexes:
        raise ValueError(f"{storage.url}: none of its tiles has data, so there is nothing to list or publish")
    return tuple(_zone(storage, index, files) for index, files in indexes)


def _zone(storage: Storage, index: str, files: Iterable[str]) -> ZoneFiles:
    name = index.removesuffix(INDEX)
    own = tuple(file for file in files if file.startswith((f"{name}.", f"{name}_prob.", f"{name}_share.")))
    return ZoneFiles(name, index, _sources(storage, index), own)


def _is_index(name: str) -> bool:
    return name.endswith(INDEX) and not name.endswith(OTHER_INDEXES)


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
    sources = []
    try:
        for _, element in xml.iterparse(BytesIO(storage.read(index))):
            if element.tag == "SourceFilename":
                sources.append(str(element.text))
            elif element.tag == "SimpleSource":
                element.clear()  # there may be a hundred thousand
    except xml.ParseError as error:
        raise Fault(f"{storage.url}/{index} is damaged ({error}): run the same `isamap run` again") from error
    if not all(_TILE.fullmatch(source) for source in sources):
        raise Fault(f"{storage.url}/{index} names files outside its run: run the same `isamap run` command again")
    return tuple(sources)
