"""How far a run is, as `status.json` beside its tiles says it to people and to other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import Storage
from isamap.inference.tiles.receipt import Failure

STATUS = "status.json"
VERSION = 1
RUNNING, DONE, FAILED, INTERRUPTED, PARTIAL = "running", "done", "failed", "interrupted", "partial"
SHOWN = 10  # failures in a report


@dataclass(frozen=True)
class MapStatus:
    """One map: its tiles, how many are made, how many of these have no data, and its finished files.

    reason: why the first tile without data has none.
    """

    tiles: int
    made: int
    without_data: int = 0
    reason: str = ""
    files: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether every tile is there."""
        return self.made == self.tiles


@dataclass(frozen=True)
class Status:
    """A run: its state, who works, each map by name, and the tiles that failed in this part of the run.

    state: running, done, failed (all were tried), interrupted, or partial (this part is done, others are not).
    """

    out: str
    state: str
    workers: str
    maps: Mapping[str, MapStatus]
    failures: tuple[Failure, ...] = ()
    updated: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def write(self, storage: Storage) -> None:
        """Writes status.json."""
        document = {"version": VERSION, **asdict(self)}
        storage.write(STATUS, (json.dumps(document, indent=1) + "\n").encode())

    @property
    def tiles(self) -> int:
        """Of all maps."""
        return sum(each.tiles for each in self.maps.values())

    @property
    def made(self) -> int:
        """Of the tiles of all maps."""
        return sum(each.made for each in self.maps.values())

    def __str__(self) -> str:
        lines = [f"{self.out}: {self.state}, {self.made} of {self.tiles} tiles are made ({self.workers})"]
        for name, each in self.maps.items():
            empty = f", {each.without_data} without data" if each.without_data else ""
            files = f": {', '.join((*each.files, *each.assets))}" if each.files else ""
            lines.append(f"{name}: {each.made} of {each.tiles} tiles{empty}{files}")
        lines += [f"failed: {failed.name} ({failed.attempts} attempts): {failed.reason}" for failed in
                  self.failures[:SHOWN]]  # fmt: skip
        if len(self.failures) > SHOWN:
            lines.append(f"failed: {len(self.failures) - SHOWN} more, see {STATUS}")
        return "\n".join(lines)


def read_status(storage: Storage, out: str) -> Status:
    """The status that a run left; ValueError where there is none or it is not whole."""
    if not storage.exists(STATUS):
        raise ValueError(f"{out} holds no {STATUS}: no run has begun there, start one without --status")
    try:
        document = json.loads(storage.read(STATUS))
        return _status(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fault(
            f"{out}/{STATUS} is damaged: run the same command without --status, which writes it again"
        ) from error


def _status(document: dict[str, Any]) -> Status:
    if document.pop("version") != VERSION:
        raise ValueError("another version")
    maps = {name: MapStatus(**_tuples(each)) for name, each in document.pop("maps").items()}
    failures: Sequence[dict[str, Any]] = document.pop("failures")
    return Status(**document, maps=maps, failures=tuple(Failure(**failure) for failure in failures))


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
