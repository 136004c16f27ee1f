"""The run's own folder: a lock, the settings it was started with, the ledger of what is done, and the log."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs

from gee_export.base.errors import Fault
from gee_export.base.storage import HIDDEN, disk_fault, is_remote, write_whole
from gee_export.datasets import manifest
from gee_export.datasets.manifest import DatasetManifest


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
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "lock").open("ab")
        except OSError as error:
            raise disk_fault(self.folder, error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Fault(f"{self.folder.parent} is being written by another export: wait for it") from error
            yield

    def head(self) -> DatasetManifest | None:
        """The manifest head that the run was started with, or None."""
        path = self.folder / "head.json"
        return manifest.decode(path.read_bytes(), str(path)) if path.exists() else None

    def begin(self, head: DatasetManifest) -> None:
        """Notes what the run was started with."""
        write_whole(self.folder / "head.json", manifest.encode(head))

    def note_revision(self, revision: str) -> str | None:
        """Notes which isamap goes on here; the one before where it was another."""
        path = self.folder / "revision"
        before = path.read_text(encoding="utf-8") if path.exists() else revision
        write_whole(path, revision.encode())
        return before if before != revision else None

    def rows(self) -> list[dict[str, Any]]:
        """Every whole line, in the order written."""
        if not self._path.exists():
            return []
        found = []
        for line in self._path.read_bytes().split(b"\n"):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                found.append(row)
        return found

    def add(self, rows: list[Mapping[str, Any]]) -> None:
        """Appends rows; they are there for the next run even if this process is killed."""
        # A leading newline ends a line that a killed run may have left unfinished.
        self._append(self._path, "\n" + "".join(json.dumps(row) + "\n" for row in rows))

    def log(self, text: str) -> None:
        """A dated line in the run's log."""
        self._append(self._log, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}\n")

    def _append(self, path: Path, text: str) -> None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise disk_fault(path, error) from error
