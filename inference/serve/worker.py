"""One worker: takes a job, runs its commands in the job's folder, and says every second how far it is."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from isamap.inference.serve.database import Unreachable
from isamap.inference.serve.folder_lock import end_group, locked, note_holder
from isamap.inference.serve.job import FAILED, SUCCESSFUL, Job
from isamap.inference.serve.job_store import JobStore
from isamap.inference.serve.library import Library
from isamap.inference.serve.processes import PROCESSES, Request
from isamap.inference.serve.settings import ServiceSettings

LOG = "log.txt"
POLL_S, HEARTBEAT_S, SILENCE_S = 0.5, 1.0, 5.0
# By its path: the job's folder is the working directory, in which `-m isamap` would import what lies there.
ISAMAP = Path(import_module("isamap").__file__ or "").with_name("__main__.py")
LINE_LETTERS = 1000  # of a message
log = logging.getLogger(__name__)


def work(settings: ServiceSettings, parent: int) -> None:
    """Works on jobs until SIGTERM, or until the server that started it (process `parent`) is gone."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the server, which ends its workers in order
    worker = Worker(settings, f"{os.getpid()}@{time.time():.3f}", lambda: stop.is_set() or os.getppid() != parent)
    while not worker.is_ended():
        try:
            wait_s = 0.0 if worker.work_once() else POLL_S
        except Unreachable as error:  # it may come back; a job that was begun waits for its lease to run out
            log.warning("%s", error)
            wait_s = SILENCE_S
        stop.wait(wait_s)


class Gone(Exception):
    """The job is not this worker's any more: dismissed, or another's after too long a silence."""


class Ended(Exception):
    """The worker itself must end; the job waits for another."""


@dataclass
class Lease:
    """A worker's lease of a job that was just taken for so many seconds; it outlasts a short silence of the database.

    clock: of this machine, which only goes forward.
    """

    store: JobStore
    job: Job
    seconds: float
    clock: Callable[[], float] = time.monotonic
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        self._until = self.clock() + self.seconds

    def renew(self, progress: int, message: str) -> bool:
        """Whether the job is still this worker's. Unreachable: the database was silent until the lease ran out."""
        begun = self.clock()
        try:
            is_kept = self.store.renew(self.job, self.seconds, progress=progress, message=message)
        except Unreachable:
            if self.clock() >= self._until:
                raise
            return True
        # Counted from before the question: the store began the lease later, so that this end is never too late.
        self._until = begun + self.seconds
        return is_kept


@dataclass(frozen=True)
class Worker:
    """name: of its leases. is_ended: whether it must end."""

    settings: ServiceSettings
    name: str
    is_ended: Any = field(repr=False)

    @property
    def store(self) -> JobStore:
        """The jobs."""
        return self.settings.jobs

    def work_once(self) -> bool:
        """Whether there was a job; it has ended, or is another's by now."""
        job = self.store.take(self.name, self.settings.lease_s)
        if job is None:
            return False
        try:
            self._finish(job)
        except Gone:
            log.info("job %s is no longer of this worker", job.id)
        except Ended:
            self.store.release(job)
        except Unreachable:  # no fault of the job
            raise
        except Exception as error:  # whatever a job does, the worker takes the next one
            self._note(job, traceback.format_exc())
            self.store.finish(job, FAILED, self._without_folders(_sentence(error), self.settings.work(job.id)))
        return True

    def _finish(self, job: Job) -> None:
        folder, lease = self.settings.work(job.id), Lease(self.store, job, self.settings.lease_s)
        folder.mkdir(parents=True, exist_ok=True)
        request = PROCESSES[job.process].read(job.inputs, Library(self.settings))
        with locked(folder, lambda: self._go_on(lease, 0, "waits for a command of a killed worker to end")) as lock:
            if lock is None:
                raise Gone
            for command in request.commands(folder):
                code = self._run(lease, request, command, lock)
                if code != 0:
                    reason = _last_error(folder / LOG) or f"`isamap {command[0]}` ended with {code}"
                    self.store.finish(job, FAILED, self._without_folders(reason, folder))
                    return
            # Before the job is called done: who reads "successful" must find the map.
            results = request.results(job, folder)
            if self.store.finish(job, SUCCESSFUL, "done", results):
                self._note(job, "finished\n")

    def _run(self, lease: Lease, request: Request, command: tuple[str, ...], lock: int) -> int:
        """The exit code of `isamap` with these words, in the job's folder, its words appended to the job's log."""
        folder = self.settings.work(lease.job.id)
        with (folder / LOG).open("ab") as out:
            out.write(f"$ isamap {command[0]} (attempt {lease.job.attempt})\n".encode())
            out.flush()
            process = subprocess.Popen(
                [sys.executable, str(ISAMAP), *command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # A group of its own, so that all it started ends with it, and no Ctrl-C reaches it.
                start_new_session=True,
                pass_fds=(lock,),
            )
        note_holder(lock, process.pid)
        try:
            while True:
                try:
                    return process.wait(HEARTBEAT_S)
                except subprocess.TimeoutExpired:
                    progress, message = request.progress(folder)
                    if not self._go_on(lease, progress, message):
                        raise Gone from None
        finally:
            end_group(process.pid)
            process.wait()

    def _go_on(self, lease: Lease, progress: int, message: str) -> bool:
        """Whether the job is still this worker's, whose lease is renewed; Ended where the worker must end."""
        if self.is_ended():
            raise Ended
        return lease.renew(progress, message)

    def _without_folders(self, text: str, folder: Path) -> str:
        """A message for all who have a token, to whom it is nothing where the service lies."""
        return text.replace(f"{folder}/", "").replace(f"{self.settings.folder}/", "")

    def _note(self, job: Job, text: str) -> None:
        folder = self.settings.work(job.id)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOG).open("a", encoding="utf-8") as out:
            out.write(text)


def _last_error(path: Path) -> str:
    """The sentence with which the last command ended, "" where it left none."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    last_command = max((at for at, line in enumerate(lines) if line.startswith("$ isamap ")), default=0)
    errors = [line.removeprefix("error: ") for line in lines[last_command:] if line.startswith("error: ")]
    return errors[-1][:LINE_LETTERS] if errors else ""


def _sentence(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:LINE_LETTERS]
