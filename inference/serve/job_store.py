"""The jobs in one SQLite file: written in transactions, shared by the server and its workers.

A worker has a job only by its lease, which it renews while it works; a job whose lease ran out is taken again by
whoever asks next. Nothing that an earlier holder says afterwards counts, so no job is finished twice.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gee_export.base.errors import Fault
from inference.serve.job import ACCEPTED, DISMISSED, FAILED, OPEN, RUNNING, STATES, Job, canonical

VERSION = 1
BUSY_S = 30.0  # that a writer waits for another one
MOST_ATTEMPTS = 5  # begun and never ended: the job itself ends its workers
_COLUMNS = tuple(column.name for column in fields(Job))
_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, process TEXT NOT NULL, inputs TEXT NOT NULL, owner TEXT NOT NULL, status TEXT NOT NULL,
  message TEXT NOT NULL, progress INTEGER NOT NULL, attempt INTEGER NOT NULL, created_s REAL NOT NULL,
  updated_s REAL NOT NULL, started_s REAL, finished_s REAL, worker TEXT, lease_s REAL, results TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, created_s);
"""


@dataclass(frozen=True)
class JobStore:
    """Jobs by id. clock: seconds since 1970, of this machine, which all workers share."""

    path: Path
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def prepare(self) -> JobStore:
        """Makes the file and its table where there are none; Fault for a later or another file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._transaction() as base:
                (version,) = base.execute("PRAGMA user_version").fetchone()
                if version > VERSION:
                    raise Fault(
                        f"{self.path} is of version {version}, this isamap reads {VERSION}: install a newer one"
                    )
                for statement in _TABLE.split(";"):
                    base.execute(statement)
                base.execute(f"PRAGMA user_version = {VERSION}")
        except sqlite3.DatabaseError as error:
            raise Fault(f"{self.path} cannot be used as the file of jobs ({error}): move it away") from error
        return self

    def submit(self, job: Job, most_open: int) -> tuple[Job, bool]:
        """The job as it is stored, and whether it waits now because of this request.

        One that waits, runs or is done stays; one that failed or was dismissed waits again. OverflowError where its
        owner has `most_open` jobs under way already.
        """
        with self._transaction() as base:
            stored = _one(base, job.id)
            if stored is not None and stored.status not in (FAILED, DISMISSED):
                return stored, False
            if self._open_of(base, job.owner) >= most_open:
                raise OverflowError
            base.execute(f"INSERT OR REPLACE INTO jobs ({', '.join(_COLUMNS)}) VALUES ({_marks(_COLUMNS)})", _row(job))
            return job, True

    def job(self, id: str) -> Job | None:
        """The job of an id, or None."""
        with self._connection() as base:
            return _one(base, id)

    def jobs(self, *, status: str | None = None, process: str | None = None, limit: int = 100) -> list[Job]:
        """Jobs, the latest first."""
        wanted = {"status": status, "process": process}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        where = f"WHERE {' AND '.join(f'{name} = ?' for name in wanted)}" if wanted else ""
        with self._connection() as base:
            query = f"SELECT {', '.join(_COLUMNS)} FROM jobs {where} ORDER BY created_s DESC, id LIMIT ?"
            return [_job(row) for row in base.execute(query, (*wanted.values(), limit))]

    def counts(self) -> dict[str, int]:
        """Jobs by status."""
        with self._connection() as base:
            rows = dict(base.execute("SELECT status, COUNT(*) FROM jobs GROUP BY status"))
        return {status: rows.get(status, 0) for status in STATES}

    def take(self, worker: str, lease_s: float) -> Job | None:
        """The longest waiting job, now this worker's for so many seconds, or None; one that ended 5 workers fails."""
        with self._transaction() as base:
            now = self.clock()
            base.execute(
                "UPDATE jobs SET status = ?, message = ?, finished_s = ?, updated_s = ?, worker = NULL "
                "WHERE status = ? AND lease_s < ? AND attempt >= ?",
                (FAILED, f"{MOST_ATTEMPTS} workers ended while they worked on it: see its log", now, now, RUNNING, now,
                 MOST_ATTEMPTS),
            )  # fmt: skip
            row = base.execute(
                "SELECT id FROM jobs WHERE status = ? OR (status = ? AND lease_s < ?) ORDER BY created_s, id LIMIT 1",
                (ACCEPTED, RUNNING, now),
            ).fetchone()
            if row is None:
                return None
            base.execute(
                "UPDATE jobs SET status = ?, message = 'begun', worker = ?, lease_s = ?, attempt = attempt + 1, "
                "started_s = COALESCE(started_s, ?), updated_s = ? WHERE id = ?",
                (RUNNING, worker, now + lease_s, now, now, row[0]),
            )
            return _one(base, row[0])

    def renew(self, job: Job, lease_s: float, *, progress: int, message: str) -> bool:
        """Whether the job is still its holder's, whose lease is longer now; progress in percent."""
        now = self.clock()
        values = {"lease_s": now + lease_s, "progress": progress, "message": message, "updated_s": now}
        return self._change(job, values)

    def finish(self, job: Job, status: str, message: str, results: Mapping[str, Any] | None = None) -> bool:
        """Whether the job was its holder's until now, and has ended."""
        now = self.clock()
        values = {"status": status, "message": message, "finished_s": now, "updated_s": now, "worker": None}
        if status not in OPEN and results is not None:
            values |= {"results": canonical(results), "progress": 100}
        return self._change(job, values)

    def release(self, job: Job) -> bool:
        """Gives the job back for another worker, as one that ends in order does; that counts as no attempt."""
        now = self.clock()
        values = {"status": ACCEPTED, "message": "waits again", "worker": None, "lease_s": None, "updated_s": now}
        return self._change(job, values | {"attempt": job.attempt - 1})

    def dismiss(self, id: str, clear: Callable[[], None] = lambda: None) -> Job | None:
        """The job, ended by its user, or None where there is none.

        clear: called for a job on which nobody works, while nobody can begin it again.
        """
        with self._transaction() as base:
            now, job = self.clock(), _one(base, id)
            if job is not None and not job.is_open:
                clear()
            base.execute(
                "UPDATE jobs SET status = ?, message = 'dismissed', worker = NULL, updated_s = ?, results = '{}', "
                "finished_s = COALESCE(finished_s, ?) WHERE id = ? AND status != ?",
                (DISMISSED, now, now, id, DISMISSED),
            )
            return _one(base, id)

    def _change(self, job: Job, values: Mapping[str, Any]) -> bool:
        """Changes a job where it is still held by the same worker in the same attempt."""
        settings = ", ".join(f"{name} = ?" for name in values)
        with self._transaction() as base:
            changed = base.execute(
                f"UPDATE jobs SET {settings} WHERE id = ? AND status = ? AND worker = ? AND attempt = ?",
                (*values.values(), job.id, RUNNING, job.worker, job.attempt),
            )
            return changed.rowcount == 1

    @staticmethod
    def _open_of(base: sqlite3.Connection, owner: str) -> int:
        query = f"SELECT COUNT(*) FROM jobs WHERE owner = ? AND status IN ({_marks(OPEN)})"
        return int(base.execute(query, (owner, *OPEN)).fetchone()[0])

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        base = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        try:
            base.execute("PRAGMA journal_mode = WAL")  # readers never wait for the writer
            base.execute("PRAGMA synchronous = FULL")  # what was answered outlives a power cut
            yield base
        finally:
            base.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Changes that are all made or none; IMMEDIATE, so that what was read is still so when it is written."""
        with self._connection() as base:
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
            except BaseException:
                base.execute("ROLLBACK")
                raise
            base.execute("COMMIT")


def _one(base: sqlite3.Connection, id: str) -> Job | None:
    row = base.execute(f"SELECT {', '.join(_COLUMNS)} FROM jobs WHERE id = ?", (id,)).fetchone()
    return None if row is None else _job(row)


def _job(row: tuple[Any, ...]) -> Job:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Job(**values | {name: json.loads(values[name]) for name in ("inputs", "results")})


def _row(job: Job) -> tuple[Any, ...]:
    stored = {"inputs": canonical(job.inputs), "results": canonical(job.results)}
    return tuple(stored.get(name, getattr(job, name)) for name in _COLUMNS)


def _marks(values: Any) -> str:
    return ", ".join("?" for _ in values)
