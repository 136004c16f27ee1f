"""Jobs in SQLite: equal requests are one job, leases run out, former holders do not count."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isamap.gee_export.base.errors import Fault
from isamap.inference.serve.database import JobFile
from isamap.inference.serve.job import ACCEPTED, DISMISSED, FAILED, RUNNING, SUCCESSFUL, Job, canonical, job_id
from isamap.inference.serve.job_store import MOST_ATTEMPTS, JobStore

LEASE_S = 10.0


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path) -> JobFile:
    return JobFile(tmp_path / "jobs.sqlite")


@pytest.fixture
def store(database, clock) -> JobStore:
    return JobStore(database, clock).prepare()


@pytest.fixture
def timed(database) -> JobStore:
    """Jobs by the clock of the world."""
    return JobStore(database).prepare()


def job(number: int = 0, owner: str = "") -> Job:
    inputs = {"number": number}
    return Job(job_id("map", inputs), "map", inputs, owner, ACCEPTED, "waits", 0, 0, 1.0 + number, 1.0)


def test_a_job_is_read_as_it_was_submitted(store):
    store.submit(job(), 10)
    assert store.job(job().id) == job()


def test_a_job_that_is_done_stays_done_when_it_is_asked_for_again(store):
    store.submit(job(), 10)
    store.finish(store.take("a", LEASE_S), SUCCESSFUL, "done", {"map": {"href": "/maps/x"}})
    stored, is_new = store.submit(job(), 10)
    assert (stored.status, stored.progress, is_new) == (SUCCESSFUL, 100, False)
    assert stored.results == {"map": {"href": "/maps/x"}}


@pytest.mark.parametrize("ending", ["failed", "dismissed"])
def test_a_job_that_failed_or_was_dismissed_waits_again_when_it_is_asked_for_again(store, ending):
    store.submit(job(), 10)
    if ending == "failed":
        store.finish(store.take("a", LEASE_S), FAILED, "the server is down")
    else:
        store.dismiss(job().id)
    assert store.submit(job(), 10)[1] is True
    assert store.job(job().id).status == ACCEPTED


def test_an_owner_has_only_so_many_open_jobs(store):
    for number in range(2):
        store.submit(job(number, "anna"), 2)
    with pytest.raises(OverflowError):
        store.submit(job(2, "anna"), 2)
    assert store.submit(job(3, "ben"), 2)[1] is True


def test_the_longest_waiting_job_is_taken_first(store):
    for number in (2, 1, 3):
        store.submit(job(number), 10)
    assert [store.take("a", LEASE_S).inputs["number"] for _ in range(3)] == [1, 2, 3]
    assert store.take("a", LEASE_S) is None


def test_a_job_whose_worker_is_silent_is_another_ones_after_its_lease(store, clock):
    store.submit(job(), 10)
    first = store.take("a", LEASE_S)
    clock.now_s += LEASE_S - 1
    assert store.take("b", LEASE_S) is None
    clock.now_s += 2
    second = store.take("b", LEASE_S)
    assert (second.id, second.worker, second.attempt) == (first.id, "b", 2)


def test_a_lease_that_is_renewed_does_not_run_out(store, clock):
    store.submit(job(), 10)
    held = store.take("a", LEASE_S)
    for _ in range(3):
        clock.now_s += LEASE_S - 1
        assert store.renew(held, LEASE_S, progress=40, message="4 of 10 tiles")
    assert store.take("b", LEASE_S) is None
    assert (store.job(held.id).progress, store.job(held.id).message) == (40, "4 of 10 tiles")


@pytest.mark.parametrize("word", ["renew", "finish", "release"])
def test_what_a_former_holder_says_does_not_count(store, clock, word):
    store.submit(job(), 10)
    first = store.take("a", LEASE_S)
    clock.now_s += LEASE_S + 1
    second = store.take("b", LEASE_S)
    calls = {
        "renew": lambda: store.renew(first, LEASE_S, progress=99, message="old"),
        "finish": lambda: store.finish(first, SUCCESSFUL, "old", {}),
        "release": lambda: store.release(first),
    }
    assert calls[word]() is False
    assert store.job(first.id) == second


def test_the_same_worker_in_a_later_attempt_is_another_holder(store, clock):
    store.submit(job(), 10)
    first = store.take("a", LEASE_S)
    clock.now_s += LEASE_S + 1
    store.take("a", LEASE_S)
    assert store.finish(first, SUCCESSFUL, "old", {}) is False


def test_a_job_that_ends_its_workers_fails_at_last(store, clock):
    store.submit(job(), 10)
    for _ in range(MOST_ATTEMPTS):
        assert store.take("a", LEASE_S) is not None
        clock.now_s += LEASE_S + 1
    assert store.take("a", LEASE_S) is None
    assert store.job(job().id).status == FAILED
    assert "5 workers ended" in store.job(job().id).message


def test_a_job_that_comes_on_is_not_failed_by_restarts(store, clock):
    store.submit(job(), 9)
    for turn in range(MOST_ATTEMPTS + 3):
        taken = store.take("w", LEASE_S)
        assert taken is not None, turn
        store.renew(taken, LEASE_S, progress=30, message="30 %")
        clock.now_s += LEASE_S + 1
    assert store.take("w", LEASE_S) is None and store.job(taken.id).status == FAILED


def test_a_dead_workers_job_does_not_wait_for_a_clock_that_was_set_back(store, clock):
    store.submit(job(), 9)
    store.take("dead", LEASE_S)
    clock.now_s -= 3600
    assert store.take("alive", LEASE_S).worker == "alive"


def test_owners_take_turns(store, clock):
    for number, owner in enumerate(["anna", "anna", "anna", "bert", "cara"]):
        store.submit(job(number, owner), 9)
    taken = []
    for _ in range(5):
        clock.now_s += 1
        taken.append(store.take("w", 1000.0).owner)
    assert taken == ["anna", "bert", "cara", "anna", "anna"]


def test_a_job_that_is_given_back_costs_no_attempt(store):
    store.submit(job(), 10)
    store.release(store.take("a", LEASE_S))
    assert (store.job(job().id).status, store.job(job().id).attempt) == (ACCEPTED, 0)


def test_a_dismissed_job_is_its_workers_no_more(store):
    store.submit(job(), 10)
    held = store.take("a", LEASE_S)
    assert store.dismiss(held.id).status == DISMISSED
    assert store.renew(held, LEASE_S, progress=1, message="") is False
    assert store.take("b", LEASE_S) is None


def test_only_what_nobody_works_on_is_cleared(store):
    cleared = []
    store.submit(job(), 10)
    store.take("a", LEASE_S)
    store.dismiss(job().id, lambda: cleared.append("running"))
    store.dismiss(job().id, lambda: cleared.append("dismissed"))
    assert cleared == ["dismissed"]


def test_jobs_are_counted_by_status(store):
    for number in range(3):
        store.submit(job(number), 10)
    store.take("a", LEASE_S)
    counts = store.counts()
    assert (counts[ACCEPTED], counts[RUNNING], counts[FAILED]) == (2, 1, 0)


def at_once(count: int, work: Callable[[int], object]) -> None:
    """Work by its number in so many threads."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.long
def test_workers_at_once_never_take_one_job_twice(timed):
    for number in range(24):
        timed.submit(job(number), 100)
    taken: list[str] = []

    def work(number: int) -> None:
        while (held := timed.take(f"w{number}", 60)) is not None:
            taken.append(held.id)
            timed.finish(held, SUCCESSFUL, "done", {})

    at_once(4, work)
    assert len(taken) == len(set(taken)) == 24


def test_two_requests_at_once_are_one_job(timed):
    new: list[bool] = []
    at_once(6, lambda _: new.append(timed.submit(job(), 100)[1]))
    assert sorted(new) == [False] * 5 + [True]


def test_an_owners_requests_at_once_do_not_pass_the_limit(timed):
    refused: list[int] = []

    def ask(number: int) -> None:
        try:
            timed.submit(job(number, "anna"), 3)
        except OverflowError:
            refused.append(number)

    at_once(8, ask)
    assert len(timed.jobs()) == 3 and len(refused) == 5


def test_servers_that_start_at_once_make_one_table(database):
    with ThreadPoolExecutor(4) as threads:
        starts = [threads.submit(JobStore(database).prepare) for _ in range(4)]
    assert [start.result().jobs() for start in starts] == [[]] * 4


def test_jobs_outlive_a_second_start(store, database):
    store.submit(job(), 10)
    assert JobStore(database).prepare().job(job().id) == job()


def test_text_of_all_the_world_is_kept(store):
    stored = replace(job(), inputs={"name": "武汉 \0 ü ? %s"}, message="100 % ?")
    store.submit(stored, 10)
    assert store.job(stored.id) == stored


def test_a_message_with_nul_ends_a_job_all_the_same(store):
    store.submit(job(), 10)
    assert store.finish(store.take("a", LEASE_S), FAILED, "broken\0text")
    assert store.job(job().id).message.startswith("broken")


def test_while_a_job_is_cleared_it_cannot_begin_again(timed):
    timed.submit(job(), 10)
    timed.dismiss(job().id)
    order: list[str] = []
    again = threading.Thread(target=lambda: order.append(f"submitted {timed.submit(job(), 10)[1]}"))

    def clear() -> None:
        again.start()
        again.join(0.3)
        order.append("cleared")

    timed.dismiss(job().id, clear)
    again.join()
    assert order == ["cleared", "submitted True"]


def test_a_file_of_a_later_version_is_refused(tmp_path):
    path = tmp_path / "jobs.sqlite"
    JobStore(JobFile(path)).prepare()
    with sqlite3.connect(path) as base:
        base.execute("PRAGMA user_version = 99")
    with pytest.raises(Fault, match="version 99"):
        JobStore(JobFile(path)).prepare()


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"no database" * 200)
    with pytest.raises(Fault, match="move it away"):
        JobStore(JobFile(path)).prepare()


@pytest.mark.long
@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_the_order_of_a_requests_members_changes_no_id(inputs):
    turned = dict(reversed(inputs.items()))
    assert job_id("map", inputs) == job_id("map", turned)
    assert canonical(inputs) == canonical(turned)


def test_other_inputs_and_processes_are_other_jobs():
    ids = {job_id("map", {"a": 1}), job_id("map", {"a": 2}), job_id("publish", {"a": 1}), job_id("map", {"a": "1"})}
    assert len(ids) == 4


def test_times_are_in_utc():
    info = replace(job(), created_s=0.0, finished_s=1_700_000_000.0).info()
    assert (info["created"], info["finished"]) == ("1970-01-01T00:00:00Z", "2023-11-14T22:13:20Z")
