"""A pool of threads that never keeps a process from ending.

The standard library's pool finishes everything queued before an interpreter may exit, so Ctrl-C during an export would
wait for dozens of requests that nobody reads any more.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

END_SECONDS = 2.0  # how long shutdown waits for what is running


class Closed(RuntimeError):
    """The threads have ended."""


class DaemonThreads(Executor):
    """At most `count` calls at once, in the order they were submitted. A thread starts when no other is idle."""

    def __init__(self, count: int, name: str) -> None:
        self._queue: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._count, self._name = count, name
        self._idle, self._changing = threading.Semaphore(0), threading.Lock()
        self._threads: list[threading.Thread] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The future of a call, made in the caller's context (its budget); Closed after shutdown."""
        future: Future[Any] = Future()
        context = contextvars.copy_context()
        with self._changing:
            if self._closed.is_set():
                raise Closed("these threads have ended")
            self._queue.put((future, lambda: context.run(function, *args, **kwargs)))
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._count:
                self._start_another()
        return future

    def _start_another(self) -> None:
        """Only when it is needed: all at once would double the time that an engine takes to start."""
        thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the threads after what is running; queued calls are cancelled too, whatever is asked."""
        with self._changing:
            self._closed.set()
        for _ in self._threads:
            self._queue.put(None)
        if wait:
            self.join(time.monotonic() + END_SECONDS)

    def join(self, deadline: float) -> None:
        """Waits for the threads to end, until a time of time.monotonic()."""
        for thread in self._threads:
            thread.join(timeout=max(deadline - time.monotonic(), 0))

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            future, call = item
            if self._closed.is_set():
                future.cancel()
            if future.set_running_or_notify_cancel():
                _settle(future, call)
            del item, future, call  # nothing of a finished request stays in memory while the thread waits
            self._idle.release()


def _settle(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        value = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(value)


def join(pools: Sequence[DaemonThreads]) -> None:
    """Ends several pools; waits for what runs in them at most as long as for one."""
    for pool in pools:
        pool.shutdown(wait=False)
    deadline = time.monotonic() + END_SECONDS
    for pool in pools:
        pool.join(deadline)
