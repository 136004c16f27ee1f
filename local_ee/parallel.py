"""Work shared with idle processors: one request alone uses them all, many requests leave each other alone."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import wait
from functools import cache
from typing import TypeVar

from local_ee import budget
from local_ee.threads import DaemonThreads

Item = TypeVar("Item")


def each(work: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Calls `work` on every item, in the calling thread and in others while the engine has places for them.

    The caller begins with the first item, the others with the last, so that neighbours are rarely in work at once. An
    error of any call ends the rest and is raised.
    """
    waiting = deque(items)
    computation = budget.current()

    def helping() -> None:
        with computation.spare_turn() as free:
            if free:
                computation.metered(lambda: _drain(waiting.pop, work))

    helpers = [_threads().submit(helping) for _ in range(min(len(waiting), _processors()) - 1)]
    try:
        _drain(waiting.popleft, work)
    finally:
        waiting.clear()
        started = [helper for helper in helpers if not helper.cancel()]
        wait(started)
    for helper in started:
        helper.result()


def _drain(take: Callable[[], Item], work: Callable[[Item], object]) -> None:
    while True:
        try:
            item = take()
        except IndexError:
            return
        work(item)


def _processors() -> int:
    return os.cpu_count() or 1


@cache
def _threads() -> DaemonThreads:
    return DaemonThreads(max(_processors() - 1, 1), "local-ee-helper")
