"""The pool that lets a process end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest

from local_ee import budget
from local_ee.budget import Budget
from local_ee.threads import Closed, DaemonThreads, join


def test_calls_run_and_errors_come_back():
    threads = DaemonThreads(2, "t")
    assert list(threads.map(lambda x: x * x, range(10))) == [x * x for x in range(10)]
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(60)
    threads.shutdown()


def test_no_more_calls_than_threads_run_at_once():
    threads, lock, now, most = DaemonThreads(3, "t"), threading.Lock(), [0], [0]

    def call() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        with lock:
            now[0] -= 1

    for future in [threads.submit(call) for _ in range(20)]:
        future.result(60)
    threads.shutdown()
    assert most[0] == 3


def test_threads_start_only_when_no_other_is_idle():
    threads, gate = DaemonThreads(16, "grows"), threading.Event()

    def number() -> int:
        return sum(thread.name.startswith("grows-") for thread in threading.enumerate())

    assert number() == 0
    waiting = [threads.submit(gate.wait, 60) for _ in range(3)]
    assert number() == 3
    gate.set()
    assert all(future.result(60) for future in waiting)
    for _ in range(12):
        threads.submit(int).result(60)
    assert number() < 8  # a thread is idle only just after its result
    threads.shutdown()


def wait_for_start(future: Future) -> None:
    """Returns once a thread has taken the call: on a busy machine that takes a while."""
    end_s = time.monotonic() + 60
    while not future.running() and time.monotonic() < end_s:
        time.sleep(0.005)


def test_after_shutdown_what_waits_is_cancelled_and_nothing_is_taken():
    threads, gate = DaemonThreads(1, "t"), threading.Event()
    running = threads.submit(gate.wait, 60)
    wait_for_start(running)
    waiting = threads.submit(lambda: None)
    # a timer could be earlier than the shutdown, on a busy machine
    threading.Thread(target=lambda: threads._closed.wait(60) and gate.set()).start()
    threads.shutdown()
    assert running.result(60)
    with pytest.raises(CancelledError):
        waiting.result(60)
    with pytest.raises(Closed):
        threads.submit(print)


def test_a_process_ends_while_calls_are_waiting():
    program = (
        "import time\nfrom local_ee.threads import DaemonThreads\n"
        "threads = DaemonThreads(1, 't')\nfor _ in range(100):\n    threads.submit(time.sleep, 600)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], timeout=300, check=True)


def test_calls_run_within_the_budget_of_who_submits_them():
    threads, own = DaemonThreads(1, "t"), Budget()
    with own.running():
        assert threads.submit(budget.current).result(60) is own
    assert threads.submit(budget.current).result(60) is not own
    threads.shutdown()


def test_several_pools_end_together():
    gates = [threading.Event() for _ in range(3)]
    pools = [DaemonThreads(1, "t") for _ in gates]
    futures = [pool.submit(gate.wait, 60) for pool, gate in zip(pools, gates, strict=True)]
    for future in futures:
        wait_for_start(future)
    for gate in gates:
        threading.Timer(0.5, gate.set).start()
    join(pools)
    assert all(future.result(60) for future in futures)
    for pool in pools:
        with pytest.raises(Closed):
            pool.submit(print)
