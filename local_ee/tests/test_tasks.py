"""Operations: states, cancellation, the queue's bound, and processes that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_ee import budget
from local_ee.assets.tasks import Submission, TaskStore
from local_ee.errors import EngineError
from local_ee.home import Home
from local_ee.limits import Limits

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def tasks(tmp_path) -> Iterator[TaskStore]:
    store = TaskStore(Home(tmp_path), Limits(queued_tasks=3))
    yield store
    store.close()


def submission(request_id: str | None = None, description: str = "a task") -> Submission:
    return Submission("local", "EXPORT_IMAGE", description, request_id)


def identity(operation: dict) -> str:
    return operation["name"].rpartition("/")[2]


def finished(tasks: TaskStore, operation: dict) -> dict:
    ended = tasks.wait(identity(operation))
    assert ended.get("done"), ended
    return ended


def test_a_task_that_ends_well_tells_what_it_made(tasks):
    ended = finished(tasks, tasks.submit(submission(), lambda progress: ["gs://b/p"]))
    assert ended["metadata"]["state"] == "SUCCEEDED" and ended["metadata"]["destinationUris"] == ["gs://b/p"]
    assert "response" in ended and "error" not in ended
    assert ended["metadata"]["createTime"] <= ended["metadata"]["startTime"] <= ended["metadata"]["endTime"]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (EngineError("Unable to export unbounded image."), 3, "Unable to export unbounded image."),
        (ValueError("no such band"), 3, "no such band"),
        (MemoryError(), 8, "User memory limit exceeded."),
        (OSError("No space left on device"), 13, "No space left on device"),
        (KeyError("bug"), 13, "Internal error of the local engine: KeyError"),
    ],
)
def test_a_task_that_fails_says_why(tasks, error, code, words):
    def job(progress):
        raise error

    ended = finished(tasks, tasks.submit(submission(), job))
    assert ended["metadata"]["state"] == "FAILED" and ended["error"]["code"] == code
    assert words in ended["error"]["message"]


def test_the_same_request_is_one_task(tasks):
    runs = []
    job = lambda progress: runs.append(1) or []  # noqa: E731
    first = tasks.submit(submission("request-1"), job)
    finished(tasks, first)
    assert tasks.submit(submission("request-1"), job)["name"] == first["name"] and len(runs) == 1
    assert tasks.submit(submission("request-2"), job)["name"] != first["name"]


def test_a_running_task_is_cancelled_at_its_next_report(tasks):
    started = threading.Event()

    def job(progress):
        for _ in range(2000):
            started.set()
            progress.report(0.5)
            time.sleep(0.005)
        return []

    operation = tasks.submit(submission(), job)
    assert started.wait(60)
    tasks.cancel(identity(operation))
    assert finished(tasks, operation)["metadata"]["state"] == "CANCELLED"


def endless(started: threading.Event):
    """A job that computes one piece for ever, without a report."""

    def job(progress):
        started.set()
        while True:
            budget.check()

    return job


def test_a_running_task_is_cancelled_within_a_piece(tasks):
    started = threading.Event()
    operation = tasks.submit(submission(), endless(started))
    assert started.wait(60)
    tasks.cancel(identity(operation))
    assert finished(tasks, operation)["metadata"]["state"] == "CANCELLED"


def test_the_end_of_the_engine_ends_a_running_task(tmp_path):
    store, started = TaskStore(Home(tmp_path), Limits()), threading.Event()
    before = {thread for thread in threading.enumerate() if thread.name.startswith("isamap-task")}
    operation = store.submit(submission(), endless(started))
    assert started.wait(60)
    store.close()
    assert store.get(identity(operation))["metadata"]["state"] == "FAILED"
    running = {thread for thread in threading.enumerate() if thread.name.startswith("isamap-task")}
    for thread in running - before:  # the end waits two seconds for them, in which a busy machine may do nothing
        thread.join(60)
        assert not thread.is_alive()


def test_a_waiting_task_is_cancelled_before_it_runs_and_the_queue_has_an_end(tasks):
    gate, runs = threading.Event(), []

    def job(progress):
        gate.wait(60)
        runs.append(1)
        return []

    running = [tasks.submit(submission(), job) for _ in range(2)]
    while any(tasks.get(identity(task))["metadata"]["state"] == "PENDING" for task in running):
        time.sleep(0.01)
    waiting = [tasks.submit(submission(), job) for _ in range(3)]
    with pytest.raises(EngineError, match=r"Too many tasks already in the queue \(3\)") as refusal:
        tasks.submit(submission(), job)
    assert refusal.value.status == 429
    tasks.cancel(identity(waiting[0]))
    assert tasks.get(identity(waiting[0]))["metadata"]["state"] == "CANCELLED"
    gate.set()
    assert [finished(tasks, task)["metadata"]["state"] for task in running + waiting[1:]] == ["SUCCEEDED"] * 4
    assert len(runs) == 4


def test_progress_is_seen_from_another_process(tasks, tmp_path):
    gate = threading.Event()

    def job(progress):
        time.sleep(0.6)
        progress.report(0.25)
        gate.wait(60)
        return []

    operation = tasks.submit(submission(), job)
    other = TaskStore(Home(tmp_path), Limits())
    deadline = time.monotonic() + 60
    while other.get(identity(operation))["metadata"]["progress"] != 0.25 and time.monotonic() < deadline:
        time.sleep(0.02)
    seen = other.get(identity(operation))
    gate.set()
    other.close()
    assert seen["metadata"]["state"] == "RUNNING" and seen["metadata"]["progress"] == 0.25


def test_tasks_are_listed_latest_first_by_project(tasks):
    names = [finished(tasks, tasks.submit(submission(), lambda progress: []))["name"] for _ in range(3)]
    assert [operation["name"] for operation in tasks.list("local")] == names[::-1]
    assert tasks.list("other") == []


def test_an_unknown_operation_is_404(tasks):
    for name in ("ABC", "../../etc/passwd", "", "a" * 3000):
        with pytest.raises(EngineError, match="not found") as error:
            tasks.get(name)
        assert error.value.status == 404


def test_a_task_that_has_ended_can_be_forgotten(tasks):
    operation = tasks.submit(submission(), lambda progress: [])
    finished(tasks, operation)
    tasks.delete(identity(operation))
    assert tasks.list("local") == []


def test_closing_the_store_ends_its_tasks_as_failed(tmp_path):
    store = TaskStore(Home(tmp_path), Limits())
    started = threading.Event()

    def job(progress):
        started.set()
        while True:
            progress.report(0.1)
            time.sleep(0.005)

    tasks = [store.submit(submission(), job) for _ in range(3)]
    assert started.wait(60)
    store.close()
    reader = TaskStore(Home(tmp_path), Limits())
    states = [reader.get(identity(task))["metadata"]["state"] for task in tasks]
    reader.close()
    assert states == ["FAILED"] * 3


def test_an_operation_of_a_killed_process_is_shown_as_failed_with_the_reason(tmp_path):
    program = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from local_ee.home import Home
        from local_ee.limits import Limits
        from local_ee.assets.tasks import Submission, TaskStore
        store = TaskStore(Home(Path({str(tmp_path)!r})), Limits())
        def job(progress):
            time.sleep(600)
        print(store.submit(Submission("local", "EXPORT_IMAGE", "long"), job)["name"], flush=True)
        time.sleep(600)
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    name = process.stdout.readline().strip().rpartition("/")[2]
    store = TaskStore(Home(tmp_path), Limits())
    deadline = time.monotonic() + 60
    while (alive := store.get(name))["metadata"]["state"] != "RUNNING" and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    dead = store.get(name)
    store.close()
    assert alive["metadata"]["state"] == "RUNNING" and not alive.get("done")
    assert dead["metadata"]["state"] == "FAILED" and dead["done"]
    assert f"({process.pid}) ended before it was done" in dead["error"]["message"]
