"""What a computation may use."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from local_ee import budget
from local_ee.budget import Budget, Cancelled, Pace
from local_ee.errors import EngineError


def refused(call) -> str:
    with pytest.raises(EngineError) as error:
        call()
    return str(error.value)


def test_a_computation_within_its_budget_goes_on():
    with Budget(600).running():
        budget.check()
        budget.allocate(1000)
        budget.check_value(budget.VALUE_BYTES)


def test_the_deadline_is_told_in_earth_engines_words():
    with Budget(0.05).running():
        time.sleep(0.1)
        assert refused(budget.check) == "Computation timed out."


def test_the_deadline_is_not_said_by_an_algorithm():
    """Clients compare the whole sentence."""
    with Budget(0.05).running():
        time.sleep(0.1)
        with pytest.raises(EngineError) as error:
            budget.check()
    assert str(error.value.within("Image.reduceRegion")) == "Computation timed out."


def test_another_thread_cancels():
    own = Budget()
    with pytest.raises(Cancelled), own.running():
        threading.Timer(0.05, own.cancel).start()
        while True:
            budget.check()


def test_a_cancelled_computation_does_not_begin():
    own = Budget()
    own.cancel()
    with pytest.raises(Cancelled), own.running():
        pytest.fail("it began")


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The time, which only the test moves."""
    now = [1000.0]
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: now[0], thread_time=time.thread_time))
    return now


def test_the_time_starts_with_the_computation_and_not_before(now):
    own = Budget(600)
    now[0] += 50
    with own.running():
        assert own.remaining == 600


def test_one_array_above_the_limit_is_refused():
    with Budget(memory_bytes=1000).running():
        budget.allocate(1000)
        assert refused(lambda: budget.allocate(1001)) == "User memory limit exceeded."


def test_memory_that_grows_beyond_the_limit_is_refused():
    own = Budget(memory_bytes=64 << 20)
    with own.running():
        held = bytearray(200 << 20)
        held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
        time.sleep(0.05)
        assert refused(budget.check) == "User memory limit exceeded."


def test_of_two_computations_the_larger_one_is_refused():
    small, large = Budget(memory_bytes=64 << 20), Budget(memory_bytes=64 << 20)
    with large.running():
        budget.allocate(1000)
        with small.running():
            held = bytearray(200 << 20)
            held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
            time.sleep(0.05)
            small.check()
            assert refused(large.check) == "User memory limit exceeded."


def test_a_value_of_more_than_100_mib_is_too_large():
    assert refused(lambda: budget.check_value(100 * 2**20 + 1)) == "Computed value is too large."


def test_a_list_counts_its_elements_and_a_text_its_characters():
    assert budget.size_of([0] * 10) == 10 * budget.ELEMENT_BYTES
    assert budget.size_of("abc") == 3


class LateTurns(threading.Semaphore):
    """Places of which each takes a minute to become free."""

    def __init__(self, now: list[float]) -> None:
        super().__init__(1)
        self._now = now

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        self._now[0] += 60
        return super().acquire(blocking, timeout)


def test_waiting_for_a_turn_does_not_count_against_the_deadline(now):
    own = Budget(600, turns=LateTurns(now))
    with own.running():
        with budget.turn():
            assert own.remaining == 600
        now[0] += 5
        assert own.remaining == 595


def test_two_threads_that_wait_at_once_stop_the_clock_once(now):
    own = Budget(100)
    with own.running():
        with own.waiting(), own.waiting():
            now[0] += 50
        assert own.remaining == 100
        now[0] += 5
        assert own.remaining == 95


def test_who_waits_for_a_turn_can_be_cancelled():
    own = Budget(turns=threading.Semaphore(0))
    with pytest.raises(Cancelled), own.running():
        threading.Timer(0.05, own.cancel).start()
        with budget.turn():
            pytest.fail("there is no turn")


def steps(clock: list[float], seconds: float, count: int, total: int) -> None:
    pace = Pace(total)
    for _ in range(count):
        pace.step()
        clock[0] += seconds


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """A thread's processor time that only the test moves."""
    now = [1000.0]
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=time.monotonic, thread_time=lambda: now[0]))
    return now


def test_a_busy_machine_foretells_nothing(now):
    """Steps that wait for a processor cost no processor time: what is left of the deadline does not matter."""
    with Budget(300).running():
        steps(now, 20, 12, 10_000)
        budget.check_pixels(1e10)


def test_a_loop_that_would_take_hours_ends_after_some_steps(clock):
    with Budget(300).running():
        assert refused(lambda: steps(clock, 2, 5, 10_000)) == "Computation timed out."
    assert clock[0] < 1010


def test_a_loop_that_fits_goes_on(clock):
    with Budget(300).running():
        steps(clock, 2, 100, 100)


def test_the_first_step_may_take_long(clock):
    with Budget(300).running():
        pace = Pace(1000)
        pace.step()
        clock[0] += 60
        for _ in range(50):
            pace.step()
            clock[0] += 0.1


def test_a_loop_without_a_deadline_takes_as_long_as_it_does(clock):
    with Budget().running():
        steps(clock, 1000, 50, 10**9)


def test_a_library_that_cannot_be_interrupted_is_left_behind():
    gate = threading.Event()
    with Budget(0.1).running():
        assert refused(lambda: budget.abandonable(lambda: gate.wait(60))) == "Computation timed out."
    gate.set()


def test_a_library_gives_its_value_and_its_error():
    with Budget(600).running():
        assert budget.abandonable(lambda: 3) == 3
        with pytest.raises(ZeroDivisionError):
            budget.abandonable(lambda: 1 / 0)


def test_pixels_that_no_machine_reduces_in_time_are_refused_before():
    with Budget(300).running():
        budget.check_pixels(1e10)
        assert refused(lambda: budget.check_pixels(1e15)).startswith("Computation timed out. 1000000000000000 pixels")
