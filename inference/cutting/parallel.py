"""Threads that keep order: read ahead, compute beside, and hand over as if one thread had done it."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

from isamap.gee_export.base import ending

T = TypeVar("T")
R = TypeVar("R")

_END = object()


def read_ahead(items: Iterable[T], depth: int = 1) -> Generator[T, None, None]:
    """The same items, made up to `depth` ahead in a thread of their own, whose errors are raised here.

    Closed early, it waits until the item under way is made, unless the process is about to end.
    """
    ready: queue.Queue = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def offer(item: object) -> bool:
        while not stop.is_set():
            try:
                # A timeout instead of waiting for ever: a closed reader never takes the item.
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not offer((item, None)):
                    return
            offer((_END, None))
        except BaseException as error:
            offer((_END, error))

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        ending.join(thread)


def in_order(pool: Executor, function: Callable[[T], R], jobs: Iterable[T], ahead: int) -> Iterator[tuple[T, R]]:
    """Each job with its result, in the jobs' order, at most `ahead` under way at once."""
    pending: deque[tuple[T, Future[R]]] = deque()
    try:
        for job in jobs:
            pending.append((job, pool.submit(function, job)))
            # Finished jobs are handed over at once, so that their memory goes as early as it can.
            while len(pending) > ahead or (pending and pending[0][1].done()):
                yield _taken(pending)
        while pending:
            yield _taken(pending)
    finally:
        # Those that run cannot be stopped; those that wait need not begin.
        for _, future in pending:
            future.cancel()


class WriteBehind:
    """Calls `write(item)` in a thread of its own, in order; an error there is raised at the next call or at the end."""

    def __init__(self, write: Callable[[T], None], depth: int = 2) -> None:
        self._write = write
        # Bounded: a disk slower than the network must slow it, not fill the memory.
        self._waiting: queue.Queue = queue.Queue(maxsize=depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="write-behind", daemon=True)

    def __enter__(self) -> WriteBehind:
        self._thread.start()
        return self

    def put(self, item: T) -> None:
        """Hands an item over; waits while `depth` items are not written yet."""
        self._raise()
        self._waiting.put(item)

    def __exit__(self, error_type: type | None, *_: object) -> None:
        self._waiting.put(_END)
        self._thread.join()
        if error_type is None:
            self._raise()

    def _work(self) -> None:
        while (item := self._waiting.get()) is not _END:
            if self._error is not None:
                continue  # keep emptying, so that put() never waits for ever
            try:
                self._write(item)
            except BaseException as error:
                self._error = error

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def _taken(pending: deque[tuple[T, Future[R]]]) -> tuple[T, R]:
    job, future = pending.popleft()
    return job, future.result()
