"""The jobs in a database: written in transactions, shared by the servers and their workers.

A worker has a job only by its lease, which it renews while it works; a job whose lease ran out is taken again by
whoever asks next. Nothing that an earlier holder says afterwards counts, so no job is finished twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from gee_export.base.errors import Fault
from inference.serve.database import Database, Session
from inference.serve.job import ACCEPTED, DISMISSED, FAILED, OPEN, RUNNING, STATES, Job, canonical

VERSION = 1
MOST_ATTEMPTS = 5  # begun and never ended: the job itself ends its workers
_COLUMNS = tuple(column.name for column in fields(Job))
_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, process TEXT NOT NULL, inputs TEXT NOT NULL, owner TEXT NOT NULL, status TEXT NOT NULL,
  message TEXT NOT NULL, progress INTEGER NOT NULL, attempt INTEGER NOT NULL, created_s DOUBLE PRECISION NOT NULL,
  updated_s DOUBLE PRECISION NOT NULL, started_s DOUBLE PRECISION, finished_s DOUBLE PRECISION, worker TEXT,
  lease_s DOUBLE PRECISION, results TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, created_s);
"""


@dataclass(frozen=True)
class JobStore:
    """Jobs by id. clock: seconds since 1970, in place of the one that the workers of the database share."""

    database: Database
    clock: Callable[[], float] | None = field(default=None, repr=False)

    def prepare(self) -> JobStore:
        """Makes the table where there is none; Fault for a later version, or a place that holds something else."""
        self.database.make_room()
        try:
            with self.database.transaction() as base:
                self.database.one_writer(base)
                version = self.database.version(base)
                if version > VERSION:
                    raise Fault(
                        f"{self.database} is of version {version}, this isamap reads {VERSION}: install a newer one"
                    )
                if version < VERSION:
                    self._make_table(base)
                base.execute(f"SELECT {', '.join(_COLUMNS)} FROM jobs LIMIT 1").fetchone()
        except Exception as error:
            refusal = self.database.damage(error)
            if refusal is None:
                raise
            raise refusal from error
        return self

    def now(self) -> float:
        """Seconds since 1970 by the clock of the jobs."""
        with self.database.connection() as base:
            return self._now(base)

    def submit(self, job: Job, most_open: int) -> tuple[Job, bool]:
        """The job as it is stored, and whether it waits now because of this request.

        One that waits, runs or is done stays; one that failed or was dismissed waits again. OverflowError where its
        owner has `most_open` jobs under way already.
        """
        with self.database.transaction() as base:
            self.database.one_writer(base)
            stored = self._locked(base, job.id)
            if stored is not None and stored.status not in (FAILED, DISMISSED):
                return stored, False
            if self._open_of(base, job.owner) >= most_open:
                raise OverflowError
            base.execute(_UPSERT, _row(job))
            return job, True

    def job(self, id: str) -> Job | None:
        """The job of an id, or None."""
        with self.database.connection() as base:
            return _one(base, id)

    def jobs(self, *, status: str | None = None, process: str | None = None, limit: int = 100) -> list[Job]:
        """Jobs, the latest first."""
        wanted = {"status": status, "process": process}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        where = f"WHERE {' AND '.join(f'{name} = ?' for name in wanted)}" if wanted else ""
        with self.database.connection() as base:
            query = f"SELECT {', '.join(_COLUMNS)} FROM jobs {where} ORDER BY created_s DESC, id LIMIT ?"
            return [_job(row) for row in base.execute(query, (*wanted.values(), limit))]

    def counts(self) -> dict[str, int]:
        """Jobs by status."""
        with self.database.connection() as base:
            rows = dict(base.execute("SELECT status, COUNT(*) FROM jobs GROUP BY status"))
        return {status: rows.get(status, 0) for status in STATES}

    def take(self, worker: str, lease_s: float) -> Job | None:
        """The longest waiting job, now this worker's for so many seconds, or None; one that ended 5 workers fails."""
        with self.database.transaction() as base:
            now = self._now(base)
            base.execute(
                "UPDATE jobs SET status = ?, message = ?, finished_s = ?, updated_s = ?, worker = NULL "
                "WHERE status = ? AND lease_s < ? AND attempt >= ?",
                (FAILED, f"{MOST_ATTEMPTS} workers ended while they worked on it: see its log", now, now, RUNNING, now,
                 MOST_ATTEMPTS),
            )  # fmt: skip
            row = base.execute(
                "SELECT id FROM jobs WHERE status = ? OR (status = ? AND lease_s < ?) ORDER BY created_s, id LIMIT 1"
                f"{self.database.skip_locked}",
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
        return self._change(
            job,
            lambda now: {"lease_s": now + lease_s, "progress": progress, "message": message, "updated_s": now},
        )

    def finish(self, job: Job, status: str, message: str, results: Mapping[str, Any] | None = None) -> bool:
        """Whether the job was its holder's until now, and has ended."""
        values: dict[str, Any] = {"status": status, "message": message, "worker": None}
        if status not in OPEN and results is not None:
            values |= {"results": canonical(results), "progress": 100}
        return self._change(job, lambda now: values | {"finished_s": now, "updated_s": now})

    def release(self, job: Job) -> bool:
        """Gives the job back for another worker, as one that ends in order does; that counts as no attempt."""
        values = {"status": ACCEPTED, "message": "waits again", "worker": None, "lease_s": None}
        return self._change(job, lambda now: values | {"updated_s": now, "attempt": job.attempt - 1})

    def dismiss(
        self, id: str, clear: Callable[[], None] = lambda: None, *, may_end: Callable[[Job], bool] = lambda job: True
    ) -> Job | None:
        """The job, ended by its user, or None where there is none; PermissionError where `may_end` says no.

        clear: called for a job on which nobody works, while nobody can begin it again.
        """
        with self.database.transaction() as base:
            now, job = self._now(base), self._locked(base, id)
            if job is not None and not may_end(job):
                raise PermissionError
            if job is not None and not job.is_open:
                clear()
            base.execute(
                "UPDATE jobs SET status = ?, message = 'dismissed', worker = NULL, updated_s = ?, results = '{}', "
                "finished_s = COALESCE(finished_s, ?) WHERE id = ? AND status != ?",
                (DISMISSED, now, now, id, DISMISSED),
            )
            return _one(base, id)

    def _change(self, job: Job, values_at: Callable[[float], Mapping[str, Any]]) -> bool:
        """Changes a job where it is still held by the same worker in the same attempt."""
        with self.database.transaction() as base:
            values = values_at(self._now(base))
            settings = ", ".join(f"{name} = ?" for name in values)
            changed = base.execute(
                f"UPDATE jobs SET {settings} WHERE id = ? AND status = ? AND worker = ? AND attempt = ?",
                (*values.values(), job.id, RUNNING, job.worker, job.attempt),
            )
            return bool(changed.rowcount == 1)

    def _make_table(self, base: Session) -> None:
        for statement in filter(str.strip, _TABLE.split(";")):
            base.execute(statement)
        self.database.set_version(base, VERSION)

    def _now(self, base: Session) -> float:
        return self.database.now(base) if self.clock is None else self.clock()

    def _locked(self, base: Session, id: str) -> Job | None:
        """The job, which nobody else changes until the transaction ends."""
        return _one(base, id, self.database.for_update)

    @staticmethod
    def _open_of(base: Session, owner: str) -> int:
        query = f"SELECT COUNT(*) FROM jobs WHERE owner = ? AND status IN ({_marks(OPEN)})"
        return int(base.execute(query, (owner, *OPEN)).fetchone()[0])


def _one(base: Session, id: str, lock: str = "") -> Job | None:
    row = base.execute(f"SELECT {', '.join(_COLUMNS)} FROM jobs WHERE id = ?{lock}", (id,)).fetchone()
    return None if row is None else _job(row)


def _job(row: tuple[Any, ...]) -> Job:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Job(**values | {name: json.loads(values[name]) for name in ("inputs", "results")})


def _row(job: Job) -> tuple[Any, ...]:
    stored = {"inputs": canonical(job.inputs), "results": canonical(job.results)}
    return tuple(stored.get(name, getattr(job, name)) for name in _COLUMNS)


def _marks(values: Any) -> str:
    return ", ".join("?" for _ in values)


_UPSERT = (
    f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({_marks(_COLUMNS)}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)}"
)
