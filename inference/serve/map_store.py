"""The finished maps of a service: files in one folder, each known by its name without ending."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from gee_export.base.atomic import write_json
from gee_export.base.errors import Fault
from gee_export.base.grid import crs_of
from gee_export.base.regions import BoundsWSEN
from inference.map_file import MapFile, open_map, probability_of, sidecar_of
from inference.serve.settings import NAME

RECORD = ".json"  # beside a map: its title, job and checkpoint
METRES_PER_DEGREE = 111_320.0
OTHERS = ("_prob", "_set")  # files of a map that are no map of their own


@dataclass(frozen=True)
class StoredMap:
    """A map and what the service knows of it. version: changes whenever its file does."""

    id: str
    file: MapFile
    version: str
    record: Mapping[str, Any]
    created: str

    @cached_property
    def bbox(self) -> BoundsWSEN:
        """W S E N in degrees."""
        west, south, east, north = self.file.geobox.extent.to_crs("EPSG:4326").boundingbox.bbox
        return round(west, 7), round(south, 7), round(east, 7), round(north, 7)

    @property
    def is_simulated(self) -> bool:
        """Whether it shows no real place."""
        return self.file.tags.get("simulated") == "true"

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
            "checkpoint": self.record.get("checkpoint") or self.file.tags.get("checkpoint", "")[:16],
            "created": self.created,
            "bands": ["class", "probability"],
        }


@dataclass
class MapStore:
    """The maps of a folder, each file opened once as long as it stays the same."""

    folder: Path
    _known: dict[str, tuple[tuple[int, ...], StoredMap | None]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def maps(self) -> list[StoredMap]:
        """All maps by name; files that are no maps of isamap are left out."""
        names = (path.stem for path in self.folder.glob("*.tif") if not path.stem.endswith(OTHERS))
        stored = (self.map(name) for name in sorted(names))
        return [each for each in stored if each is not None]

    def map(self, id: str) -> StoredMap | None:
        """The map of an id, or None; an id that could be anything else than a name is of no map."""
        if not NAME.fullmatch(id) or id.endswith(OTHERS):
            return None
        path = self.folder / f"{id}.tif"
        try:
            stamp = _stamp(path)
        except OSError:
            return None
        with self._lock:
            known = self._known.get(id)
            if known is None or known[0] != stamp:
                known = self._known[id] = stamp, _opened(id, path, stamp)
            return known[1]

    def publish(self, path: Path, id: str, record: Mapping[str, Any]) -> None:
        """Takes a map's files over under an id, the classes last, which say that the others are there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"{id}.tif"
        write_json(target.with_suffix(RECORD), record)
        for source, copy in ((probability_of(path), probability_of(target)), (sidecar_of(path), sidecar_of(target)),
                             (path, target)):  # fmt: skip
            if source.is_file():
                _take_over(source, copy)


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
    files = (path, path.with_suffix(RECORD), probability_of(path))
    seen = [file.stat() for file in files if file.exists()] or [path.stat()]
    return tuple(number for stat in seen for number in (stat.st_mtime_ns, stat.st_size, stat.st_ino))


def _opened(id: str, path: Path, stamp: tuple[int, ...]) -> StoredMap | None:
    try:
        file = open_map(path)
        crs_of(file.geobox)
    except (ValueError, Fault):
        return None
    record = _record(path.with_suffix(RECORD))
    created = datetime.fromtimestamp(stamp[0] / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return StoredMap(id, file, f"{stamp[0]:x}-{stamp[1]:x}", record, record.get("created") or created)


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
