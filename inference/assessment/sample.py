"""A drawn sample with its design: points, inclusion probabilities, strata; kept as the key of an answer sheet.

The key holds the map's class of every point, so interpreters must not see it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.atomic import write_json

KEY = "key.json"
VERSION = 1


@dataclass(frozen=True)
class Point:
    """A sampled pixel: its id, place, stratum, the map's class, inclusion probability, and cluster (-1: none)."""

    plotid: int
    lon: float
    lat: float
    stratum: str
    map_class: str
    inclusion: float
    cluster: int = -1


@dataclass(frozen=True)
class Stratum:
    """A stratum's ground and pixels; map_class: the map's class of all of them, empty where they have several."""

    name: str
    km2: float
    pixels: int
    map_class: str = ""


@dataclass(frozen=True)
class Cluster:
    """A drawn block of a two-stage sample: its ground and pixels."""

    index: int
    km2: float
    pixels: int


@dataclass(frozen=True)
class DrawnSample:
    """All that estimates need of how points were drawn.

    design: simple, systematic, stratified, cluster or purposive. flaw: why it is no probability sample, empty where it
    is one. class_km2: mapped ground by class. settings: as the user asked for it, with the seed. fingerprint: of the
    map's pixels (`ClassMap.fingerprint`), empty in samples of no map.
    """

    design: str
    points: tuple[Point, ...]
    strata: tuple[Stratum, ...]
    class_km2: Mapping[str, float]
    maps: tuple[str, ...]
    settings: Mapping[str, Any]
    clusters: tuple[Cluster, ...] = ()
    cluster_count: int = 0
    flaw: str = ""
    simulated: bool = False
    notes: tuple[str, ...] = field(default=())
    fingerprint: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The map's classes."""
        return tuple(self.class_km2)

    @property
    def total_km2(self) -> float:
        """Ground of the frame."""
        return sum(stratum.km2 for stratum in self.strata)

    @property
    def class_of_strata(self) -> np.ndarray | None:
        """The map's class (number) that all of a stratum has, by stratum; None where a stratum has several."""
        if self._is_by_class:
            return np.arange(len(self.strata))
        if not all(stratum.map_class in self.classes for stratum in self.strata):
            return None
        return np.array([self.classes.index(stratum.map_class) for stratum in self.strata])

    @property
    def _is_by_class(self) -> bool:
        """Whether the strata are the map's classes; those of another map may bear the same names."""
        names = tuple(stratum.name for stratum in self.strata)
        return names == self.classes and all(point.stratum == point.map_class for point in self.points)

    @property
    def lonlat(self) -> tuple[np.ndarray, np.ndarray]:
        """Places of all points in degrees."""
        return np.array([point.lon for point in self.points]), np.array([point.lat for point in self.points])

    def __str__(self) -> str:
        lines = [f"{len(self.points)} points, {self.design} design, {self.total_km2:,.2f} km2 of known ground"]
        counts = {stratum.name: 0 for stratum in self.strata}
        for point in self.points:
            counts[point.stratum] += 1
        if len(self.strata) > 1:
            lines += [f"  {each.name}: {counts[each.name]} points, {each.km2:,.2f} km2" for each in self.strata]
        if self.clusters:
            lines.append(f"  {len(self.clusters)} of {self.cluster_count} clusters")
        lines += [f"note: {note}" for note in self.notes]
        if self.flaw:
            lines.append(f"warning: no probability sample: {self.flaw}")
        return "\n".join(lines)


def write_key(sample: DrawnSample, folder: Path) -> None:
    """Writes the sample's key into the folder."""
    write_json(folder / KEY, _key_of(sample))


def has_key(sample: DrawnSample, folder: Path) -> bool:
    """Whether the folder has the key of this very sample; ValueError where it is another's."""
    path = folder / KEY
    if not path.exists():
        return False
    try:
        is_own = json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(_key_of(sample)))
    except ValueError:
        is_own = False
    if not is_own:
        raise ValueError(f"{folder} holds a sample already: choose another --out, so that no answers are lost")
    return True


def _key_of(sample: DrawnSample) -> dict[str, Any]:
    return {"version": VERSION, **asdict(sample)}


def read_key(folder: str | Path) -> DrawnSample:
    """The sample of a folder that `isamap assess sample` wrote; ValueError for others."""
    path = Path(folder) / KEY
    if not path.is_file():
        raise ValueError(f"{folder} holds no {KEY}: give the folder that `isamap assess sample --out` wrote")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("version") != VERSION:
            raise ValueError("is of another version")
        parts = {"points": Point, "strata": Stratum, "clusters": Cluster}
        records = {name: tuple(record(**each) for each in document[name]) for name, record in parts.items()}
        texts = {name: tuple(document[name]) for name in ("maps", "notes")}
        return DrawnSample(**{**document, **records, **texts})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not what this version writes ({error}): draw the sample again") from error
