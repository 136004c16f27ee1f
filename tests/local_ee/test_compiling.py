"""A user hears of kernels that are compiled for a while, once, and of nothing else."""

from __future__ import annotations

import logging

import numba
import pytest
from numba.core import event

from local_ee.compiling import KERNELS, NOTICE, PROGRESS, QUIET_SECONDS, STEP_SECONDS, CompilingNotice


class Clock:
    """A time that passes only where a test lets it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    """The clock of a notice that hears numba's events until the test ends."""
    clock = Clock()
    notice = CompilingNotice(clock)
    event.register("numba:compile", notice)
    yield clock
    event.unregister("numba:compile", notice)


def compiled(clock: Clock, seconds: float) -> None:
    """As numba tells of a kernel that takes so long."""
    with event.trigger_event("numba:compile"):
        clock.now += seconds


def test_a_long_compilation_is_announced_once(clock, caplog):
    for _ in range(4):
        compiled(clock, QUIET_SECONDS)
    assert [record.message for record in caplog.records] == [NOTICE]
    assert caplog.records[0].levelno == logging.WARNING


def test_progress_is_told_every_few_seconds_of_compiling(clock, caplog):
    for _ in range(4):
        compiled(clock, STEP_SECONDS)
        clock.now += 1000  # of other work
    steps = [PROGRESS.format(count=n, seconds=n * STEP_SECONDS, most=KERNELS) for n in (2, 3)]
    assert [record.message for record in caplog.records] == [NOTICE, *steps]


def test_a_short_compilation_is_not_announced(clock, caplog):
    compiled(clock, QUIET_SECONDS / 4)
    clock.now += 1000
    compiled(clock, QUIET_SECONDS / 4)
    assert not caplog.records


def test_kernels_that_a_kernel_calls_count_once(clock, caplog):
    with event.trigger_event("numba:compile"):
        compiled(clock, QUIET_SECONDS / 2)
    compiled(clock, 0)
    assert not caplog.records


def test_numba_tells_of_what_it_compiles(clock, caplog):
    clock.now += QUIET_SECONDS
    compiled(clock, QUIET_SECONDS)
    numba.njit(lambda value: value + 1)(1)
    assert [record.message for record in caplog.records] == [NOTICE]
