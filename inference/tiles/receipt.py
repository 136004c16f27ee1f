"""What a tile leaves behind: a receipt that names its files and their checksums, or the reason why there are none."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.platform.machine import most_resident_bytes

VERSION = 1
_NONE: Mapping[str, Any] = {}  # one for all receipts: there may be a hundred thousand


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a tile as the store holds it; crc32c as Cloud Storage writes it."""

    name: str
    bytes: int
    crc32c: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A tile that is made: its files, or why it has none.

    tile: its id. counts: pixels of each class. empty: the reason where no pixel could be mapped. facts: what decided
    the pixels. head: what the file of classes says of itself, its shape, its place and its tags. measured: seconds, CPU
    seconds, memory, requests and their bytes; they differ from run to run. made: by this call, not before.
    """

    tile: str
    name: str
    files: tuple[StoredFile, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    empty: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    made: bool = field(default=True, compare=False)

    @property
    def classes(self) -> StoredFile:
        """The file of the classes."""
        return self._file(".tif")

    @property
    def probabilities(self) -> StoredFile:
        """The file of the probabilities."""
        return self._file("_prob.tif")

    @property
    def shares(self) -> StoredFile | None:
        """The file of percents, of a network that learned shares."""
        return next((file for file in self.files if file.name.endswith("_share.tif")), None)

    @property
    def slim(self) -> Receipt:
        """The tile, its files and their hashes alone: what is kept of each while a run lasts."""
        # Hashes alone: a run may have a hundred thousand receipts in memory.
        files = tuple(replace(file, bytes=0, crc32c="") for file in self.files)
        return replace(self, files=files, counts=_NONE, facts=_NONE, head=_NONE, measured=_NONE)

    def _file(self, ending: str) -> StoredFile:
        return next(file for file in self.files if file.name.endswith(f"{self.name}{ending}"))

    def to_json(self) -> bytes:
        """The bytes of the receipt's file."""
        names = (each.name for each in fields(self) if each.name != "made")
        document = {"version": VERSION} | {name: getattr(self, name) for name in names}
        document["files"] = [asdict(file) for file in self.files]
        return (json.dumps(document) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> Receipt | None:
        """The receipt of a file's bytes, not made by this call; None where they are torn, damaged or of a later
        release.
        """
        try:
            document = json.loads(text)
            if document.pop("version") != VERSION:
                return None
            files = tuple(StoredFile(**stored) for stored in document.pop("files"))
            return cls(**document, files=files, made=False)
        # A torn receipt is none: its tile is made again.
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


@dataclass(frozen=True)
class Failure:
    """A tile that could not be made: its id and name, the reason in one sentence, and how often it was tried.

    final: no other attempt would end better, because the user's options are at fault. eecu_s: what the last attempt
    cost its server.
    """

    tile: str
    name: str
    reason: str
    attempts: int = 1
    final: bool = False
    eecu_s: float = 0.0


@dataclass(frozen=True)
class Usage:
    """Clocks of this process, by which a receipt says what the making of its tile took."""

    wall_s: float
    cpu_s: float

    @classmethod
    def now(cls) -> Usage:
        return cls(time.monotonic(), time.process_time())

    def until_now(self) -> dict[str, Any]:
        """Seconds and CPU seconds since, and the most memory that the process has had so far."""
        now = Usage.now()
        peak_mb = most_resident_bytes() / 2**20
        return {
            "seconds": round(now.wall_s - self.wall_s, 3),
            "cpu_s": round(now.cpu_s - self.cpu_s, 3),
            "peak_mb": round(peak_mb),
            "process": os.getpid(),
        }


def reason_of(error: BaseException) -> str:
    """The sentence of an error, as the command line would print it."""
    if os.environ.get("ISAMAP_TRACEBACK"):
        traceback.print_exception(error, file=sys.stderr)
    words = " ".join(str(error).split())
    if isinstance(error, ValueError | Fault | OSError):
        return words or type(error).__name__
    return f"unexpected {type(error).__name__}: {words} (ISAMAP_TRACEBACK=1 shows where)"
