"""How many requests are under way: a bound that falls when the server says 429 and rises slowly again (AIMD)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

DEFAULT_WORKERS = 20  # half of the 40 concurrent requests of a project (earth-engine.md section 3.3)


class Throttle:
    """A counting gate of at most `most` holders; `slower` halves it, every pass through it widens it a little."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._limit = float(most)
        self._active = 0
        self._cuts = 0
        self._gate = threading.Condition()

    @property
    def limit(self) -> int:
        """Requests allowed at once now."""
        return max(1, int(self._limit))

    @contextmanager
    def slot(self) -> Iterator[int]:
        """Waits for a place; yields the number of cuts so far, which `slower` wants back."""
        with self._gate:
            self._gate.wait_for(lambda: self._active < self.limit)
            self._active += 1
            cuts = self._cuts
        try:
            yield cuts
        finally:
            with self._gate:
                self._active -= 1
                self._gate.notify_all()

    def slower(self, cuts: int) -> None:
        """Halves the bound, once for all requests that were sent under the bound that proved too wide."""
        with self._gate:
            if cuts == self._cuts:
                self._limit = max(1.0, self._limit / 2)
                self._cuts += 1

    def faster(self) -> None:
        """Widens the bound by one after as many successes as it is wide."""
        with self._gate:
            self._limit = min(float(self.most), self._limit + 1 / self._limit)
            self._gate.notify_all()


def stream(jobs: Iterable[Job], work: Callable[[Job], Result], workers: int) -> Iterator[tuple[Job, Result]]:
    """Jobs with their results as they finish; at most workers + 2 wait or run, so memory is bounded.

    The first failure is raised once the running jobs have ended and given their results; the others are not started.
    """
    queue = iter(jobs)
    pending: dict[Future, Job] = {}
    failure: BaseException | None = None
    with ThreadPoolExecutor(workers, thread_name_prefix="fetch") as pool:
        try:
            while True:
                for job in queue if failure is None else ():
                    pending[pool.submit(work, job)] = job
                    if len(pending) >= workers + 2:
                        break
                if not pending:
                    break
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    job = pending.pop(future)
                    if future.cancelled():
                        continue
                    if error := future.exception():
                        failure = failure or error
                        for waiting in pending:
                            waiting.cancel()
                    else:
                        yield job, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    if failure is not None:
        raise failure
