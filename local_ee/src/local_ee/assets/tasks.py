"""Long-running operations: a queue of jobs, their states on disk for every process of the home to see.

States and fields: https://developers.google.com/earth-engine/reference/rest/v1/projects.operations.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from local_ee.assets.times import now
from local_ee.budget import TOO_DEEP, Budget, Cancelled
from local_ee.errors import EngineError
from local_ee.home import Home, held, hold, locked, read_json, write_json
from local_ee.limits import CONCURRENT_EXPORTS, Limits
from local_ee.threads import DaemonThreads
from local_ee.usage import UNTAGGED, Usage

METADATA_TYPE = "type.googleapis.com/google.earthengine.v1alpha.OperationMetadata"
PROGRESS_SECONDS = 0.5  # between two notes of progress on disk
POLL_SECONDS = 0.05
_NAME = re.compile(r"[A-Za-z0-9]{1,100}")
WAIT_SECONDS = 60.0  # the longest an operations.wait without a timeout takes here

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Submission:
    """What the client said of a task."""

    project: str
    kind: str  # EXPORT_IMAGE, INGEST_IMAGE, EXPORT_FEATURES or INGEST_TABLE
    description: str
    request_id: str | None = None
    priority: int = 100
    workload_tag: str = UNTAGGED


class Progress:
    """What a running job is given: it reports the share done and hears whether it should end."""

    def __init__(self, tasks: TaskStore, operation: str) -> None:
        self._tasks = tasks
        self._operation = operation
        self._noted = time.monotonic()

    def report(self, share: float) -> None:
        """Notes the share done [0, 1]; Cancelled where the job should end."""
        if self._tasks.is_cancelled(self._operation):
            raise Cancelled
        if time.monotonic() - self._noted >= PROGRESS_SECONDS:
            self._noted = time.monotonic()
            self._tasks.note(self._operation, progress=round(share, 4))


@dataclass(frozen=True)
class Outcome:
    """How a job ended. cpu_seconds: of this machine's processors, which stand for Google's EECU seconds."""

    state: str
    error: dict[str, Any] | None = None
    uris: tuple[str, ...] = ()
    cpu_seconds: float = 0.0


Job = Callable[[Progress], Sequence[str]]  # gives the URIs of what it made


class TaskStore:
    """The operations of a home, and the queue of this process."""

    def __init__(self, home: Home, limits: Limits, usage: Usage | None = None) -> None:
        self._home = home
        self._limits = limits
        self._usage = usage or Usage()
        # The system gives the number of an ended process to another one; the token it does not.
        self._owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._threads = DaemonThreads(CONCURRENT_EXPORTS, "isamap-task")
        self._futures: dict[str, Future[None]] = {}
        self._budgets: dict[str, Budget] = {}  # of the jobs that run
        self._stopping = threading.Event()
        self._life = ExitStack()
        self._life.enter_context(hold(self._owner_path(self._owner)))

    def submit(self, submission: Submission, job: Job) -> dict[str, Any]:
        """The operation of a new task, or that of an earlier request with the same id; 429 where the queue is full."""
        operation = _operation_id(submission)
        with locked(self._home, "operations"):
            existing = self._read(operation)
            if existing is not None:
                return _public(existing)
            # Jobs that have ended are forgotten here: the list would grow as long as the engine runs.
            self._futures = {name: future for name, future in self._futures.items() if not future.done()}
            waiting = sum(not future.running() for future in self._futures.values())
            self._limits.check_queue(waiting)
            record = self._new_record(operation, submission)
            self._write(operation, record)
        # After its record is written, which the job's first note changes.
        self._futures[operation] = self._threads.submit(self._run, operation, job, submission.workload_tag)
        return _public(record)

    def get(self, operation: str) -> dict[str, Any]:
        """One operation; EngineError 404 where there is none."""
        record = self._read(operation)
        if record is None:
            raise EngineError(f"Operation '{operation}' not found.", 404, "NOT_FOUND")
        return _public(record)

    def list(self, project: str) -> list[dict[str, Any]]:
        """A project's operations, the latest first."""
        if not self._home.operations.is_dir():
            return []
        ids = [path.stem for path in self._home.operations.glob("*.json") if not path.name.startswith(".")]
        records = [record for record in map(self._read, ids) if record and record["project"] == project]
        records.sort(key=lambda record: record["metadata"]["createTime"], reverse=True)
        return [_public(record) for record in records]

    def cancel(self, operation: str) -> None:
        """Asks a task to end, whichever process runs it; does nothing where it has ended."""
        if self.get(operation).get("done"):
            return
        # A file, because another process of the home may run the task.
        self._cancel_path(operation).touch()
        future = self._futures.get(operation)
        if future is not None and future.cancel():
            self._end(operation, CANCELLED)
        else:
            self.note(operation, state="CANCELLING")
            self._stop(operation)

    def wait(self, operation: str, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """The operation once it has ended, or as it is when the time is over."""
        deadline = time.monotonic() + min(seconds, WAIT_SECONDS)
        while not self._stopping.is_set():
            record = self.get(operation)
            if record.get("done") or time.monotonic() >= deadline:
                return record
            # Another process may end the task, which wakes nobody here.
            time.sleep(POLL_SECONDS)
        return self.get(operation)

    def delete(self, operation: str) -> None:
        """Forgets an operation that has ended."""
        if not self.get(operation).get("done"):
            raise EngineError(f"Operation '{operation}' has not ended: cancel it first.")
        self._path(operation).unlink(missing_ok=True)
        self._cancel_path(operation).unlink(missing_ok=True)

    def is_cancelled(self, operation: str) -> bool:
        """Whether the task was asked to end, by a client or by the end of this engine."""
        return self._stopping.is_set() or self._cancel_path(operation).exists()

    def note(self, operation: str, **metadata: Any) -> None:
        """Changes what is known of an operation that has not ended."""
        with locked(self._home, f"operation-{operation[:1]}"):
            record = read_json(self._path(operation))
            if record and not record.get("done"):
                # A job that begins just as it is cancelled must not look as if it ran on.
                if record["metadata"]["state"] == "CANCELLING":
                    metadata.pop("state", None)
                record["metadata"].update(metadata, updateTime=now())
                self._write(operation, record)

    def close(self) -> None:
        """Ends the queue: what has not ended is recorded as failed."""
        self._stopping.set()
        for operation in list(self._budgets):
            self._stop(operation)
        self._threads.shutdown()
        self._life.close()
        for operation in self._futures:
            self._read(operation)  # finds its owner gone

    def _stop(self, operation: str) -> None:
        """Ends the computing of a job that runs here at its next check."""
        budget = self._budgets.get(operation)
        if budget is not None:
            budget.cancel()

    def _run(self, operation: str, job: Job, tag: str) -> None:
        if self.is_cancelled(operation):
            if not self._stopping.is_set():
                self._end(operation, CANCELLED)
            return
        self.note(operation, state="RUNNING", startTime=now(), attempt=1)
        budget = self._budgets[operation] = Budget(memory_bytes=self._limits.memory_bytes)
        # `close` may have gone through the budgets just before this one was among them.
        if self._stopping.is_set():
            budget.cancel()
        try:
            outcome = _outcome(operation, lambda: job(Progress(self, operation)), budget)
            # What ends with the engine nobody cancelled: `close` records it as failed.
            if outcome.state != "CANCELLED" or not self._stopping.is_set():
                self._end(operation, outcome)
        finally:
            budget.cancel()  # pieces that are still computed have no reader
            self._usage.add(tag, budget.cpu_seconds)
            del self._budgets[operation]

    def _end(self, operation: str, outcome: Outcome) -> None:
        with locked(self._home, f"operation-{operation[:1]}"):
            record = read_json(self._path(operation))
            if record is None or record.get("done"):
                return
            self._write(operation, _ended(record, outcome))
        self._cancel_path(operation).unlink(missing_ok=True)

    def _read(self, operation: str) -> dict[str, Any] | None:
        """An operation's record; one whose process has died is ended first."""
        record = read_json(self._path(operation)) if _NAME.fullmatch(operation) else None
        if record is not None and record.get("done"):
            with locked(self._home, f"operation-{operation[:1]}"):
                return record  # whose writer has synced its folder by now: nobody is told of an end that a cut undoes
        if record is None or held(self._owner_path(record["owner"])):
            return record
        reason = f"The process that ran this operation ({record['owner'].partition('-')[0]}) ended before it was done."
        self._end(operation, Outcome("FAILED", _error(10, reason)))
        return read_json(self._path(operation))

    def _new_record(self, operation: str, submission: Submission) -> dict[str, Any]:
        created = now()
        return {
            "name": f"projects/{submission.project}/operations/{operation}",
            "project": submission.project,
            "owner": self._owner,
            "metadata": {
                "@type": METADATA_TYPE,
                "state": "PENDING",
                "description": submission.description,
                "priority": submission.priority,
                "createTime": created,
                "updateTime": created,
                "type": submission.kind,
                "progress": 0,
            },
        }

    def _write(self, operation: str, record: dict[str, Any]) -> None:
        write_json(self._path(operation), record)

    def _path(self, operation: str) -> Path:
        return self._home.operations / f"{operation}.json"

    def _cancel_path(self, operation: str) -> Path:
        return self._home.operations / f"{operation}.cancel"

    def _owner_path(self, owner: str) -> Path:
        return self._home.locks / f"process-{owner}"


def _operation_id(submission: Submission) -> str:
    if not submission.request_id:
        return secrets.token_hex(12).upper()
    key = f"{submission.project}/{submission.kind}/{submission.request_id}"
    # The same for the same request: one that is sent again, its reply lost, finds its task.
    return hashlib.sha256(key.encode()).hexdigest()[:24].upper()


def _public(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in ("owner", "project")}


def _outcome(operation: str, job: Callable[[], Sequence[str]], budget: Budget) -> Outcome:
    """How a job ended, whatever it raised, with the processor time that it took."""
    try:
        with budget.running():
            uris = job()
        outcome = Outcome("SUCCEEDED", uris=tuple(uris))
    except Cancelled:
        outcome = CANCELLED
    except (EngineError, ValueError) as error:
        outcome = Outcome("FAILED", _error(3, str(error)))
    except RecursionError:
        outcome = Outcome("FAILED", _error(3, TOO_DEEP))
    except MemoryError:
        outcome = Outcome("FAILED", _error(8, "User memory limit exceeded."))
    except OSError as error:
        outcome = Outcome("FAILED", _error(13, f"The local engine cannot use its files: {error}"))
    except Exception as error:
        log.exception("operation %s", operation)
        outcome = Outcome("FAILED", _error(13, f"Internal error of the local engine: {type(error).__name__}: {error}"))
    return replace(outcome, cpu_seconds=budget.cpu_seconds)


def _ended(record: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    ended = now()
    metadata: dict[str, Any] = {"state": outcome.state, "endTime": ended, "updateTime": ended}
    metadata["batchEecuUsageSeconds"] = round(outcome.cpu_seconds, 3)
    if outcome.state == "SUCCEEDED":
        metadata |= {"progress": 1, "destinationUris": list(outcome.uris)}
    record["metadata"].update(metadata)
    record["done"] = True
    if outcome.error:
        record["error"] = outcome.error
    else:
        record["response"] = {"@type": "type.googleapis.com/google.protobuf.Empty"}
    return record


def _error(code: int, message: str) -> dict[str, Any]:
    """google.rpc.Status (https://cloud.google.com/apis/design/errors)."""
    # https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto: 3 invalid, 8 exhausted, 10 aborted,
    # 13 internal
    return {"code": code, "message": message}


CANCELLED = Outcome("CANCELLED", _error(1, "Cancelled."))
