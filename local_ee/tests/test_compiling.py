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
def lines() -> list[str]:
    """What the notice told: the engine of other tests, which may compile meanwhile, has a notice of its own."""
    return []


@pytest.fixture
def clock(lines):
    """The clock of a notice that hears numba's events until the test ends."""
    clock = Clock()
    notice = CompilingNotice(clock, lines.append)
    event.register("numba:compile", notice)
    yield clock
    event.unregister("numba:compile", notice)


def compiled(clock: Clock, seconds: float) -> None:
    """As numba tells of a kernel that takes so long."""
    with event.trigger_event("numba:compile"):
        clock.now += seconds


def test_a_long_compilation_is_announced_once(clock, lines):
    for _ in range(4):
        compiled(clock, QUIET_SECONDS)
    assert lines == [NOTICE]


def test_progress_is_told_every_few_seconds_of_compiling(clock, lines):
    for _ in range(4):
        compiled(clock, STEP_SECONDS)
        clock.now += 1000  # of other work
    steps = [PROGRESS.format(count=n, seconds=n * STEP_SECONDS, most=KERNELS) for n in (2, 3)]
    assert lines == [NOTICE, *steps]


def test_a_short_compilation_is_not_announced(clock, lines):
    compiled(clock, QUIET_SECONDS / 4)
    clock.now += 1000
    compiled(clock, QUIET_SECONDS / 4)
    assert not lines


def test_kernels_that_a_kernel_calls_count_once(clock, lines):
    with event.trigger_event("numba:compile"):
        compiled(clock, QUIET_SECONDS / 2)
    compiled(clock, 0)
    assert not lines


def test_numba_tells_of_what_it_compiles(clock, lines):
    clock.now += QUIET_SECONDS
    compiled(clock, QUIET_SECONDS)
    numba.njit(lambda value: value + 1)(1)
    assert lines == [NOTICE]


def test_a_notice_is_a_warning_of_the_engine(caplog):
    CompilingNotice()._tell(NOTICE)
    assert [(record.name, record.levelno) for record in caplog.records if record.message == NOTICE] == [
        ("local_ee.compiling", logging.WARNING)
    ]
