"""The finished maps of a service: what is known of one, and those of a folder, by their names without ending."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from pyproj.exceptions import CRSError

from isamap.gee_export.base.atomic import disk_fault, write_json
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.regions import BoundsWSEN
from isamap.inference.map_files.map_file import MapFile, files_of, holds_shares, open_map, probability_of, share_of
from isamap.inference.map_files.simulation import sentence, shows_no_real_place
from isamap.inference.serve.settings import NAME

RECORD = ".json"  # beside a map: its title, job and checkpoint
RECORD_BYTES, RECORD_LETTERS = 1 << 16, 200  # of a record, and of a text in it
METRES_PER_DEGREE = 111_320.0
OTHERS = ("_prob", "_set", "_share")  # files of a map that are no map of their own
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredMap:
    """A map and what the service knows of it. version: changes whenever its file does.

    file: its tags and its grid; its pixels only where it lies on this machine. fetch: brings others here.
    """

    id: str
    file: MapFile
    version: str
    record: Mapping[str, Any]
    created: str
    fetch: Callable[[], MapFile] | None = field(default=None, repr=False)

    def pixels(self) -> MapFile:
        """The map's files on this machine, which stay for minutes; Fault where they cannot be brought here."""
        return self.file if self.fetch is None else self.fetch()

    def kept_in(self, folder: Path) -> Path:
        """The map's file for a command that may take long: one that is a copy has a second name in the folder."""
        if self.fetch is None:
            return self.file.path
        folder.mkdir(parents=True, exist_ok=True)
        source = self.pixels().path
        # A second name and no copy: whoever tidies the cache may take the first one away meanwhile.
        for path in reversed(files_of(source)):
            if path.is_file():
                _take_over(path, folder / path.name)
        return folder / source.name

    @cached_property
    def bbox(self) -> BoundsWSEN:
        """W S E N in degrees."""
        west, south, east, north = self.file.geobox.extent.to_crs("EPSG:4326").boundingbox.bbox
        return round(west, 7), round(south, 7), round(east, 7), round(north, 7)

    @property
    def numbers(self) -> str:
        """What the map says of each pixel beside its class: probability, or share of a network that learned shares."""
        return "probability" if self.file.shares is None else "share"

    @property
    def is_simulated(self) -> bool:
        """Whether its input or its network's training was simulated."""
        return bool(self.simulation)

    @property
    def simulation(self) -> str:
        """What its simulated parts mean, as a sentence; empty where none is."""
        words = sentence(self.file.tags)
        return f"{words[:1].upper()}{words[1:]}." if words else ""

    @property
    def shows_no_real_place(self) -> bool:
        """Whether its input was simulated."""
        return shows_no_real_place(self.file.tags)

    @property
    def period(self) -> str:
        """As the map's own tags have it; "" of images that name none."""
        return self.file.tags.get("period", "")

    @property
    def step_m(self) -> float:
        """Side of a pixel in metres."""
        geobox = self.file.geobox
        return abs(geobox.affine.a) * (METRES_PER_DEGREE if crs_of(geobox).geographic else 1.0)

    @property
    def classes(self) -> list[dict[str, Any]]:
        """Value, name and colour of each class."""
        legend = self.file.legend
        rows = enumerate(zip(legend.names, legend.colours, strict=True))
        return [{"value": value, "name": name, "colour": f"#{colour}"} for value, (name, colour) in rows]

    def document(self) -> dict[str, Any]:
        """What a list of maps says of it."""
        return {
            "id": self.id,
            "name": self.record.get("name") or self.id,
            "period": self.period,
            "bbox": list(self.bbox),
            "classes": self.classes,
            "step_m": self.step_m,
            "simulated": self.is_simulated,
            "simulation": self.simulation,
            "checkpoint": self.record.get("checkpoint") or self.file.tags.get("checkpoint", "")[:16],
            "created": self.created,
            "bands": ["class", self.numbers],
        }


class Maps(Protocol):
    """Finished maps by id."""

    def prepare(self) -> None:
        """Makes the place of maps where there is none; Fault where it cannot be used."""

    def maps(self) -> list[StoredMap]:
        """All maps by name; files that are no maps of isamap are left out."""

    def map(self, id: str) -> StoredMap | None:
        """The map of an id, or None."""

    def publish(self, path: Path, id: str, record: Mapping[str, Any]) -> None:
        """Takes a map's files over under an id; until all are there no list has it."""

    def rename(self, stored: StoredMap, name: str) -> None:
        """Gives a map another name for people; its id stays."""

    def delete(self, stored: StoredMap) -> None:
        """Removes a map's files, the classes first, without which no list has it."""


@dataclass
class MapStore:
    """The maps of a folder, each file opened once as long as it stays the same."""

    folder: Path
    _known: dict[str, tuple[tuple[int, ...], StoredMap | None]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def prepare(self) -> None:
        """Makes the folder; Fault where the disk refuses."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_fault(self.folder, error) from error

    def maps(self) -> list[StoredMap]:
        """All maps by name; files that are no maps of isamap are left out."""
        names = (path.stem for path in self.folder.glob("*.tif") if not path.stem.endswith(OTHERS))
        stored = (self.map(name) for name in sorted(names))
        return [each for each in stored if each is not None]

    def map(self, id: str) -> StoredMap | None:
        """The map of an id, or None; an id that could be anything else than a name is of no map."""
        if not is_map_name(id):
            return None
        path = self.folder / f"{id}.tif"
        try:
            stamp = _stamp(path)
        except OSError:
            return None
        with self._lock:
            entry = self._known.get(id)
            if entry is None or entry[0] != stamp:
                entry = self._known[id] = stamp, _opened(id, path, stamp)
            return entry[1]

    def publish(self, path: Path, id: str, record: Mapping[str, Any]) -> None:
        """Takes a map's files over under an id, the classes last, which say that the others are there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"{id}.tif"
        write_json(target.with_suffix(RECORD), record)
        for source, copy in reversed(list(zip(files_of(path), files_of(target), strict=True))):
            if source.is_file():
                _take_over(source, copy)

    def rename(self, stored: StoredMap, name: str) -> None:
        """Gives a map another name for people; its id stays. Fault where the disk refuses."""
        path = (self.folder / f"{stored.id}.tif").with_suffix(RECORD)
        try:
            write_json(path, {**stored.record, "name": name})
        except OSError as error:
            raise disk_fault(path, error) from error

    def delete(self, stored: StoredMap) -> None:
        """Removes a map's files, the classes first, without which no list has it. Fault where the disk refuses."""
        path = self.folder / f"{stored.id}.tif"
        try:
            for each in (*files_of(path), path.with_suffix(RECORD)):
                each.unlink(missing_ok=True)
        except OSError as error:
            raise disk_fault(path, error) from error


def is_map_name(text: str) -> bool:
    """Whether a text can be the id of a map, and nothing else."""
    return NAME.fullmatch(text) is not None and not text.endswith(OTHERS)


def readable_map(path: Path) -> MapFile | None:
    """The map of a file, or None where it is none of isamap, has lost its numbers (its probabilities or percents), or
    lies nowhere.
    """
    try:
        file = open_map(path)
        crs_of(file.geobox)
    except (ValueError, Fault):
        return None
    return None if holds_shares(file.tags) and file.shares is None else file


def parsed_record(text: bytes) -> dict[str, str]:
    """The texts that stand beside a map; nothing where that is no JSON object, or a long one.

    Whoever may put maps there writes it: only short texts of printable characters are taken.
    """
    if len(text) > RECORD_BYTES:
        return {}
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    texts = record.items() if isinstance(record, dict) else ()
    return {name: value for name, value in texts if isinstance(value, str) and _is_shown(value)}


def listable(stored: StoredMap) -> StoredMap | None:
    """The map, or None, and a line in the log, where its file says something that no list can hold.

    One such file would otherwise take the lists of all maps with it.
    """
    try:
        json.dumps(stored.document(), allow_nan=False).encode()
        _check_days(stored.file.tags)
        west, south, east, north = stored.bbox
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise ValueError(f"its box {stored.bbox} lies off the Earth")
    except (ValueError, ArithmeticError, CRSError) as error:  # pyproj's and odc-geo's are among them
        log.warning("map %s is left out: %s", stored.id, error)
        return None
    return stored


def _check_days(tags: Mapping[str, str]) -> None:
    """ValueError for a period whose ends are no days."""
    for name in ("period_start", "period_end"):
        if name in tags:
            date.fromisoformat(tags[name])


def _is_shown(text: str) -> bool:
    return len(text) <= RECORD_LETTERS and text.isprintable()


def _take_over(source: Path, target: Path) -> None:
    """A second name for the file, which replaces what had it: no pixel is copied."""
    temporary = target.with_name(f".{target.name}.part")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # of file systems without links, and between two of them
        temporary.write_bytes(source.read_bytes())
    os.replace(temporary, target)


def _stamp(path: Path) -> tuple[int, ...]:
    # Number of the file, too: a map that was made again within one tick of the clock may have the same size.
    files = (path, path.with_suffix(RECORD), probability_of(path), share_of(path))
    seen = [file.stat() for file in files if file.exists()] or [path.stat()]
    return tuple(mark for stat in seen for mark in (stat.st_mtime_ns, stat.st_size, stat.st_ino))


def _opened(id: str, path: Path, stamp: tuple[int, ...]) -> StoredMap | None:
    file = readable_map(path)
    if file is None:
        return None
    record = _record(path.with_suffix(RECORD))
    created = datetime.fromtimestamp(stamp[0] / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return listable(StoredMap(id, file, f"{stamp[0]:x}-{stamp[1]:x}", record, record.get("created") or created))


def _record(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            return parsed_record(file.read(RECORD_BYTES + 1))
    except OSError:
        return {}
