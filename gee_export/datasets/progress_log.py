"""The run's own folder: a lock, the settings it was started with, the ledger of what is done, and the log."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs

from isamap.gee_export.base.atomic import append, make_folder
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.platform.lock import take
from isamap.gee_export.base.storage import HIDDEN, disk_fault, is_remote, write_whole
from isamap.gee_export.datasets import manifest
from isamap.gee_export.datasets.manifest import DatasetManifest

HEAD = "head.json"


def run_folder(out: str | Path) -> Path:
    """`.run` in a local dataset; for gs://, a folder of this machine's ISAMAP_HOME that belongs to the address."""
    if not is_remote(out):
        return Path(out) / HIDDEN
    home = os.environ.get("ISAMAP_HOME")
    root = Path(home).expanduser() if home else platformdirs.user_data_path("isamap")
    with suppress(OSError):  # who writes there says why it cannot
        root.mkdir(mode=0o700, parents=True)
    return root / "cache" / "export" / hashlib.sha256(str(out).rstrip("/").encode()).hexdigest()[:16]


class ProgressLog:
    """What is done, one JSON line each, appended and flushed; a line that a crash cut short is left out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "ledger.jsonl"
        self._log = folder / "log.txt"

    @property
    def blocks(self) -> Path:
        return self.folder / "blocks"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for this process; Fault where another one has it."""
        try:
            make_folder(self.folder)
            file = (self.folder / "lock").open("ab")
        except OSError as error:
            raise disk_fault(self.folder, error) from error
        with file:
            if not take(file):
                raise Fault(f"{self.folder.parent} is being written by another export: wait for it")
            for path in self.folder.rglob(".*.part"):  # of writers that were killed
                path.unlink(missing_ok=True)
            yield

    def head(self) -> DatasetManifest | None:
        """The manifest head that the run was started with; None where there is none that can be read."""
        path = self.folder / HEAD
        return manifest.decode(path.read_bytes(), str(path)) if self.has_begun and self.is_readable else None

    @property
    def has_begun(self) -> bool:
        """Whether a run was begun here, even one whose head cannot be read."""
        return (self.folder / HEAD).exists()

    @property
    def is_readable(self) -> bool:
        """False where the head is no JSON, as a power cut leaves files that a disk had not synced."""
        try:
            return not self.has_begun or isinstance(json.loads((self.folder / HEAD).read_bytes()), dict)
        except ValueError:
            return False

    def forget(self) -> None:
        """Removes the rows, so that all is done again."""
        self._path.unlink(missing_ok=True)
        self.log(f"{HEAD} cannot be read: what was done before is done again")

    def begin(self, head: DatasetManifest) -> None:
        """Notes what the run was started with."""
        write_whole(self.folder / HEAD, manifest.encode(head))

    def note_revision(self, revision: str) -> str | None:
        """Notes which isamap goes on here; the one before where it was another."""
        path = self.folder / "revision"
        before = (path.read_text(encoding="utf-8", errors="replace") if path.exists() else "") or revision
        write_whole(path, revision.encode())
        return before if before != revision else None

    def rows(self) -> list[dict[str, Any]]:
        """Every whole line, in the order written."""
        if not self._path.exists():
            return []
        parsed = []
        for line in self._path.read_bytes().split(b"\n"):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                parsed.append(row)
        return parsed

    def add(self, rows: list[Mapping[str, Any]]) -> None:
        """Appends rows; they are there for the next run even if this process is killed."""
        # A leading newline ends a line that a killed run may have left unfinished.
        self._append(self._path, "\n" + "".join(json.dumps(row) + "\n" for row in rows))

    def log(self, text: str) -> None:
        """A dated line in the run's log, and a log record (--verbose)."""
        logging.getLogger(__name__).info(text)
        self._append(self._log, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}\n")

    def _append(self, path: Path, text: str) -> None:
        try:
            append(path, text)
        except OSError as error:
            raise disk_fault(path, error) from error
