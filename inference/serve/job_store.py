"""The jobs in a file: written in transactions, shared by the servers and their workers.

A worker has a job only by its lease, which it renews while it works; a job whose lease ran out is taken again by
whoever asks next. Nothing that an earlier holder says afterwards counts, so no job is finished twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from isamap.gee_export.base.errors import Fault
from isamap.inference.serve.database import JobFile, Session
from isamap.inference.serve.job import ACCEPTED, DISMISSED, FAILED, OPEN, RUNNING, STATES, Job, canonical

# In the file's user_version: an older isamap must not write into a later table.
VERSION = 1
MOST_ATTEMPTS = 5  # begun and never ended: the job itself ends its workers
ENDED_WORKERS = f"{MOST_ATTEMPTS} workers ended while they worked on it: see its log"
FAR_LEASES = 10  # a lease that ends so many leases from now was given before the clock was set back
UNSUCCESSFUL = (FAILED, DISMISSED)
LONG, SHORT = ("answers", "geometry"), 2000  # inputs that lists leave out, where all have more letters together
_LONG_LEFT_OUT = "json_remove(inputs, " + ", ".join(f"'$.{name}'" for name in LONG) + ")"
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
    """Jobs by id. clock: seconds since 1970."""

    database: JobFile
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def prepare(self) -> JobStore:
        """Makes the table where there is none; Fault for a later version, or a file that holds something else."""
        self.database.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.database.transaction() as base:
                version = int(base.execute("PRAGMA user_version").fetchone()[0])
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

    def submit(self, job: Job, most_open: int) -> tuple[Job, bool]:
        """The job as it is stored, and whether it waits now because of this request.

        One that waits, runs or is done stays; one that failed or was dismissed waits again, and stays its first
        owner's, whose files it has. OverflowError where who asks has `most_open` jobs under way already.
        """
        with self.database.transaction() as base:
            stored = _one(base, job.id)
            # Before the count of open jobs: asking for one's own running job is no new job.
            if stored is not None and stored.status not in UNSUCCESSFUL:
                return stored, False
            if self._count(base, job.owner, OPEN) >= most_open:
                raise OverflowError
            job = job if stored is None else replace(job, owner=stored.owner)
            base.execute(_UPSERT, _row(job))
            return job, True

    def spare(self, owner: str, most: int) -> list[str]:
        """Ids of an owner's jobs beyond `most`, the longest unchanged first: of failed and dismissed ones alone."""
        with self.database.connection() as base:
            beyond = max(0, self._count(base, owner, STATES) - most)
            where = f"owner = ? AND status IN ({_marks(UNSUCCESSFUL)})"
            query = f"SELECT id FROM jobs WHERE {where} ORDER BY updated_s, id LIMIT ?"
            return [id for (id,) in base.execute(query, (owner, *UNSUCCESSFUL, beyond))]

    def count(self, owner: str) -> int:
        """Jobs of an owner, whatever became of them."""
        with self.database.connection() as base:
            return self._count(base, owner, STATES)

    def forget(self, id: str, clear: Callable[[], None]) -> bool:
        """Whether a failed or dismissed job was removed, with what `clear` removes while nobody can begin it again."""
        with self.database.transaction() as base:
            job = _one(base, id)
            if job is None or job.status not in UNSUCCESSFUL:
                return False
            clear()
            base.execute("DELETE FROM jobs WHERE id = ?", (id,))
            return True

    def job(self, id: str) -> Job | None:
        """The job of an id, or None."""
        with self.database.connection() as base:
            return _one(base, id)

    def jobs(self, *, status: str | None = None, process: str | None = None, limit: int = 100) -> list[Job]:
        """Jobs, the latest first; of inputs that are long, `LONG` ones are left out."""
        conditions = {"status": status, "process": process}
        conditions = {name: value for name, value in conditions.items() if value is not None}
        where = f"WHERE {' AND '.join(f'{name} = ?' for name in conditions)}" if conditions else ""
        with self.database.connection() as base:
            short = f"CASE WHEN length(inputs) > {SHORT} THEN {_LONG_LEFT_OUT} ELSE inputs END"
            columns = ", ".join(short if name == "inputs" else name for name in _COLUMNS)
            query = f"SELECT {columns} FROM jobs {where} ORDER BY created_s DESC, id LIMIT ?"
            return [_job(row) for row in base.execute(query, (*conditions.values(), limit))]

    def counts(self) -> dict[str, int]:
        """Jobs by status."""
        with self.database.connection() as base:
            rows = dict(base.execute("SELECT status, COUNT(*) FROM jobs GROUP BY status"))
        return {status: rows.get(status, 0) for status in STATES}

    def take(self, worker: str, lease_s: float) -> Job | None:
        """A waiting job, now this worker's for so many seconds, or None; one that ended 5 workers fails.

        One that was begun comes first, then the longest waiting one of the owner whose turn is longest ago. Each tenth
        of a job that is done lets it end one more worker, as a restart of the machine is not the job's fault.
        """
        with self.database.transaction() as base:
            now = self.clock()
            over = RUNNING, now, now + FAR_LEASES * lease_s
            lapsed = "status = ? AND (lease_s < ? OR lease_s > ?)"  # or of a clock that was set back since
            base.execute(
                "UPDATE jobs SET status = ?, message = ?, finished_s = ?, updated_s = ?, worker = NULL "
                f"WHERE {lapsed} AND attempt >= ? + progress / 10",
                (FAILED, ENDED_WORKERS, now, now, *over, MOST_ATTEMPTS),
            )
            row = base.execute(
                f"SELECT id FROM jobs WHERE status = ? OR ({lapsed}) ORDER BY CASE WHEN status = ? THEN 1 ELSE 0 END, "
                "(SELECT COALESCE(MAX(other.started_s), 0) FROM jobs AS other WHERE other.owner = jobs.owner), "
                f"created_s, id LIMIT 1",
                (ACCEPTED, *over, ACCEPTED),
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
            now, job = self.clock(), _one(base, id)
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
            values = values_at(self.clock())
            settings = ", ".join(f"{name} = ?" for name in values)
            changed = base.execute(
                # The attempt too: a worker that slept through its lease must not end another one's job.
                f"UPDATE jobs SET {settings} WHERE id = ? AND status = ? AND worker = ? AND attempt = ?",
                (*values.values(), job.id, RUNNING, job.worker, job.attempt),
            )
            return bool(changed.rowcount == 1)

    def _make_table(self, base: Session) -> None:
        for statement in filter(str.strip, _TABLE.split(";")):
            base.execute(statement)
        base.execute(f"PRAGMA user_version = {VERSION}")

    @staticmethod
    def _count(base: Session, owner: str, states: tuple[str, ...]) -> int:
        query = f"SELECT COUNT(*) FROM jobs WHERE owner = ? AND status IN ({_marks(states)})"
        return int(base.execute(query, (owner, *states)).fetchone()[0])


def _one(base: Session, id: str) -> Job | None:
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


_UPSERT = (
    f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({_marks(_COLUMNS)}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)}"
)
