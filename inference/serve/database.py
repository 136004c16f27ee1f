"""Where the jobs lie: one SQLite file of this machine."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from isamap.gee_export.base.errors import Fault

BUSY_S = 30  # that a writer waits for another one
Session = sqlite3.Connection


class Unreachable(Fault):
    """The file cannot be used now; it may later."""


@dataclass(frozen=True)
class JobFile:
    """Connections to the file of jobs. Writers wait for each other, so that no row needs a lock of its own."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @contextmanager
    def connection(self) -> Iterator[Session]:
        """A connection to read with. Statements have `?` for each value."""
        # A connection for each use: SQLite's may not be shared by threads, and one that is kept holds the file open.
        base = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        try:
            _write_ahead(base)
            base.execute("PRAGMA synchronous = FULL")  # what was answered outlives a power cut
            yield base
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in _TROUBLES:
                raise
            raise Unreachable(f"{self.path} cannot be used now ({error}): see what holds it, and the disk") from error
        finally:
            base.close()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Changes that are all made or none. IMMEDIATE, so that what was read is still so when it is written."""
        with self.connection() as base:
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
            except BaseException:
                if base.in_transaction:  # a full disk has ended it already
                    base.execute("ROLLBACK")
                raise
            base.execute("COMMIT")

    def damage(self, error: Exception) -> Fault | None:
        """The refusal of a file that holds something else; None for an error of another sort."""
        cause = error.__cause__ if isinstance(error, Unreachable) else error
        if not isinstance(cause, sqlite3.DatabaseError):
            return None
        return Fault(f"{self.path} cannot be used as the file of jobs ({cause}): move it away")


# https://www.sqlite.org/rescode.html: what others or the disk do, and not a statement
_TROUBLES = (
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOTADB,
)  # fmt: skip


def _write_ahead(base: sqlite3.Connection) -> None:
    """Readers never wait for the writer. Unlike other statements, the first change to it does not wait for its turn."""
    end = time.monotonic() + BUSY_S
    while True:
        try:
            base.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
