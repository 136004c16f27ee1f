"""Work shared with idle processors."""

from __future__ import annotations

import os
import threading
import time

import pytest

from local_ee import parallel
from local_ee.budget import Budget

WAIT_SECONDS = 120.0  # far longer than any step here needs


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    parallel._threads.cache_clear()
    monkeypatch.setattr(parallel, "_processors", lambda: 2)
    yield
    parallel._threads().shutdown()
    parallel._threads.cache_clear()


def threads_of(work_count: int, turns: threading.Semaphore | None) -> set[str]:
    """The names of the threads that worked, each call long enough that a second thread would come."""
    names = set()

    def work(number: int) -> None:
        time.sleep(0.02)
        names.add(threading.current_thread().name)

    with Budget(turns=turns).running():
        parallel.each(work, range(work_count))
    return names


def test_every_item_is_worked_on_once():
    done: list[int] = []
    parallel.each(done.append, range(1000))
    assert sorted(done) == list(range(1000))


def test_no_items_are_no_work():
    parallel.each(pytest.fail, [])


def test_two_processors_work_at_the_same_time():
    meeting = threading.Barrier(2)
    parallel.each(lambda number: meeting.wait(WAIT_SECONDS), range(2))


def test_a_free_place_for_reading_is_used_and_given_back():
    turns = threading.Semaphore(1)
    with Budget(turns=turns).running():
        meeting = threading.Barrier(2)
        parallel.each(lambda number: meeting.wait(WAIT_SECONDS), range(2))
    assert turns.acquire(timeout=WAIT_SECONDS)


def test_nobody_helps_where_other_requests_have_all_places():
    assert threads_of(4, threading.Semaphore(0)) == {threading.current_thread().name}


def test_nobody_helps_where_another_computation_is_under_way():
    with Budget().running():
        assert threads_of(4, None) == {threading.current_thread().name}


def test_an_error_in_any_thread_is_raised():
    meeting = threading.Barrier(2)

    def work(number: int) -> None:
        meeting.wait(WAIT_SECONDS)
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("from the helper")

    with pytest.raises(ValueError, match="from the helper"):
        parallel.each(work, range(2))


def test_an_error_ends_the_work_that_has_not_begun():
    done: list[int] = []

    def work(number: int) -> None:
        done.append(number)
        raise ValueError

    with pytest.raises(ValueError):
        parallel.each(work, range(1000))
    assert len(done) <= 2


def test_processor_time_of_helpers_is_the_computations():
    meeting = threading.Barrier(2)

    def work(number: int) -> None:
        meeting.wait(WAIT_SECONDS)
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    computation = Budget()
    with computation.running():
        parallel.each(work, range(2))
    assert computation.cpu_seconds >= 0.1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_helpers_of_its_own():
    parallel.each(lambda number: None, range(2))
    child = os.fork()
    if child == 0:
        meeting = threading.Barrier(2)
        try:
            parallel.each(lambda number: meeting.wait(WAIT_SECONDS), range(2))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_helpers_may_share_their_own_work():
    done: list[tuple[int, int]] = []
    parallel.each(lambda row: parallel.each(lambda col: done.append((row, col)), range(20)), range(20))
    assert sorted(done) == [(row, col) for row in range(20) for col in range(20)]
