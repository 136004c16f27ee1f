"""Workers: what becomes of a job whose command ends well, fails, is dismissed, or is left behind by a killed worker."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from isamap.inference.serve import folder_lock, worker
from isamap.inference.serve.job import ACCEPTED, DISMISSED, FAILED, RUNNING, SUCCESSFUL, Job
from isamap.inference.serve.job_store import JobStore
from isamap.inference.serve.processes import PROCESSES, Process
from isamap.inference.serve.worker import LOG, Worker
from tests.inference.serve.test_server import until

ISAMAP = """\
import pathlib, sys, time
word = sys.argv[1]
print("says", word, flush=True)
if word == "fail":
    print("error: the server is down; try later", file=sys.stderr)
    sys.exit(1)
if word == "fail with a path":
    sys.exit(f"error: {pathlib.Path.cwd() / 'tile.tif'} is torn")
if word == "sleep":
    pathlib.Path("begun").touch()
    time.sleep(120)
with open("done", "a") as file:
    file.write(word + "\\n")
"""


@dataclass(frozen=True)
class ToyRequest:
    """A request whose commands are its inputs' words."""

    words: tuple[str, ...]

    @property
    def inputs(self) -> dict[str, Any]:
        return {"words": list(self.words)}

    identity = inputs

    def commands(self, folder: Path) -> tuple[tuple[str, ...], ...]:
        return tuple((word,) for word in self.words)

    def progress(self, folder: Path) -> tuple[int, str]:
        return 42, "sleeps"

    def results(self, job: Job, folder: Path) -> dict[str, Any]:
        return {"done": (folder / "done").read_text()}


@pytest.fixture(autouse=True)
def toy(tmp_path, monkeypatch):
    """A process `toy`, and a program in the place of isamap."""
    script = tmp_path / "isamap.py"
    script.write_text(ISAMAP)
    monkeypatch.setattr(worker, "ISAMAP", script)
    monkeypatch.setattr(worker, "HEARTBEAT_S", 0.05)
    read = lambda inputs, library: ToyRequest(tuple(inputs["words"]))  # noqa: E731
    monkeypatch.setitem(PROCESSES, "toy", Process("toy", "Toy", "", {}, {}, read))


@pytest.fixture
def store(settings) -> JobStore:
    return settings.jobs


def waiting(store: JobStore, *words: str) -> Job:
    job = Job("0" * 32, "toy", {"words": list(words)}, "", ACCEPTED, "waits", 0, 0, 1.0, 1.0)
    return store.submit(job, 10)[0]


def made(settings, ended=lambda: False) -> Worker:
    return Worker(settings, "w", ended)


def test_without_a_job_a_worker_has_nothing_to_do(settings):
    assert made(settings).work_once() is False


def test_a_job_is_done_with_its_results_and_its_log(settings, store):
    job = waiting(store, "first", "second")
    assert made(settings).work_once() is True
    done = store.job(job.id)
    assert (done.status, done.progress, done.results) == (SUCCESSFUL, 100, {"done": "first\nsecond\n"})
    log = (settings.work(job.id) / LOG).read_text()
    assert log == "$ isamap first (attempt 1)\nsays first\n$ isamap second (attempt 1)\nsays second\nfinished\n"


def test_a_command_that_fails_ends_the_job_with_its_sentence(settings, store):
    job = waiting(store, "fail", "second")
    made(settings).work_once()
    assert (store.job(job.id).status, store.job(job.id).message) == (FAILED, "the server is down; try later")
    assert not (settings.work(job.id) / "done").exists()


def test_a_failed_jobs_message_names_no_folder_of_the_server(settings, store):
    job = waiting(store, "fail with a path")
    made(settings).work_once()
    assert (store.job(job.id).status, store.job(job.id).message) == (FAILED, "tile.tif is torn")


def test_a_request_that_is_no_longer_right_fails(settings, store):
    job = store.submit(Job("1" * 32, "map", {"checkpoint": "gone"}, "", ACCEPTED, "", 0, 0, 1.0, 1.0), 10)[0]
    made(settings).work_once()
    assert (store.job(job.id).status, store.job(job.id).message) == (FAILED, "input 'period' is missing")


def test_a_dismissed_job_ends_its_command(settings, store):
    job = waiting(store, "sleep")
    thread = threading.Thread(target=made(settings).work_once)
    thread.start()
    until(lambda: (settings.work(job.id) / "begun").exists())
    until(lambda: store.job(job.id).progress == 42)
    store.dismiss(job.id)
    thread.join(60)
    assert not thread.is_alive() and store.job(job.id).status == DISMISSED
    assert not (settings.work(job.id) / "done").exists()


def test_a_worker_that_must_end_gives_its_job_back(settings, store):
    job, end = waiting(store, "sleep"), threading.Event()
    thread = threading.Thread(target=made(settings, end.is_set).work_once)
    thread.start()
    until(lambda: (settings.work(job.id) / "begun").exists())
    end.set()
    thread.join(60)
    assert (store.job(job.id).status, store.job(job.id).attempt) == (ACCEPTED, 0)


@pytest.mark.long
def test_a_long_command_keeps_its_lease(settings, store):
    """The lease is far shorter than the command."""
    short = replace(settings, lease_s=0.5)
    job = waiting(store, "sleep")
    thread = threading.Thread(target=made(short).work_once)
    thread.start()
    until(lambda: (settings.work(job.id) / "begun").exists())
    first_s = store.job(job.id).updated_s
    until(lambda: store.job(job.id).updated_s > first_s + 1)
    assert (store.job(job.id).status, store.job(job.id).attempt) == (RUNNING, 1)
    store.dismiss(job.id)
    thread.join(60)


@pytest.fixture
def orphan(settings, store):
    """A command that a killed worker left in a job's folder, still holding its lock."""
    job = waiting(store, "first")
    folder = settings.work(job.id)
    folder.mkdir(parents=True)
    with folder_lock.locked(folder, lambda: False) as lock:
        process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(300)"], cwd=folder, pass_fds=(lock,), start_new_session=True
        )
        folder_lock.note_holder(lock, process.pid)
    yield process
    process.kill()
    process.wait()


def test_the_command_of_a_killed_worker_is_ended_before_its_job_goes_on(settings, store, orphan):
    made(settings).work_once()
    assert orphan.wait(60) == -9
    assert store.job("0" * 32).status == SUCCESSFUL


def test_a_stranger_of_the_same_number_is_left_alone(settings, tmp_path):
    """A noted number may be another process's by now: one that works elsewhere is not ended."""
    folder = settings.work("0" * 32)
    folder.mkdir(parents=True)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], cwd=tmp_path,
                                start_new_session=True)  # fmt: skip
    number = os.open(folder / folder_lock.LOCK, os.O_RDWR | os.O_CREAT)
    try:
        folder_lock.note_holder(number, stranger.pid)
        asked = iter([True, True, False])
        with folder_lock.locked(folder, lambda: False) as lock:
            assert lock is not None
            with folder_lock.locked(folder, lambda: next(asked)) as second:
                assert second is None
        assert stranger.poll() is None
    finally:
        os.close(number)
        stranger.kill()
        stranger.wait()
