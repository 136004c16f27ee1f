"""Work shared with idle processors: one request alone uses them all, many requests leave each other alone."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from typing import Generic, TypeVar

from local_ee import budget
from local_ee.budget import Budget
from local_ee.threads import DaemonThreads

Item = TypeVar("Item")


def each(work: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Calls `work` on every item, in the calling thread and in others while processors have nothing else to do.

    The caller begins with the first item, the others with the last, so that neighbours are rarely in work at once. An
    error of any call ends the rest and is raised. An item should take far longer than waking a thread (some 0.1 ms).
    """
    waiting = deque(items)
    helpers = min(len(waiting) - 1, _processors() - max(budget.computing(), 1))
    if helpers < 1:
        for item in waiting:
            work(item)
        return
    share = _Share(work, waiting)
    for _ in range(helpers):
        _threads().submit(share.help, budget.current())
    share.work_off()


def strips(work: Callable[[slice], object], length: int, step: int) -> None:
    """Calls `work` on slices of `step` (the last may be shorter) that cover a length: see `each`."""
    each(work, [slice(start, min(start + step, length)) for start in range(0, length, step)])


class _Share(Generic[Item]):
    """Items that wait for a thread, and how many are in work."""

    def __init__(self, work: Callable[[Item], object], waiting: deque[Item]) -> None:
        self._work = work
        self._waiting = waiting
        self._active = 0  # in work
        self._change = threading.Condition()
        self._error: BaseException | None = None

    def work_off(self) -> None:
        """Works from the first item on; returns when none is in work, whoever has it."""
        self._drain(self._waiting.popleft)
        with self._change:
            self._change.wait_for(lambda: self._active == 0)
        if self._error is not None:
            raise self._error

    def help(self, computation: Budget) -> None:
        """Works from the last item on, if a place for reading pixels is free and items are left."""
        if not self._waiting:
            return
        with computation.spare_turn() as free:
            if free:
                computation.metered(lambda: self._drain(self._waiting.pop))

    def _drain(self, take: Callable[[], Item]) -> None:
        while (item := self._next(take)) is not None:
            try:
                self._work(item[0])
            except BaseException as error:
                self._end(error)
            with self._change:
                self._active -= 1
                self._change.notify_all()

    def _next(self, take: Callable[[], Item]) -> tuple[Item] | None:
        with self._change:
            if not self._waiting:
                return None
            self._active += 1
            return (take(),)

    def _end(self, error: BaseException) -> None:
        with self._change:
            self._waiting.clear()
            self._error = self._error or error


@cache
def _processors() -> int:
    return os.cpu_count() or 1


@cache
def _threads() -> DaemonThreads:
    return DaemonThreads(max(_processors() - 1, 1), "local-ee-helper")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not live on in a forked process
