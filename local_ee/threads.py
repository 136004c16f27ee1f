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
    """At most `count` calls at once, in the order they were submitted."""

    def __init__(self, count: int, name: str) -> None:
        self._queue: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{index}", daemon=True) for index in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The future of a call, made in the caller's context (its budget); Closed after shutdown."""
        if self._closed.is_set():
            raise Closed("these threads have ended")
        future: Future[Any] = Future()
        context = contextvars.copy_context()
        self._queue.put((future, lambda: context.run(function, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the threads after what is running; queued calls are cancelled too, whatever is asked."""
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
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
            del item, future, call  # nothing of a finished request stays in memory while the thread waits


def join(pools: Sequence[DaemonThreads]) -> None:
    """Ends several pools; waits for what runs in them at most as long as for one."""
    for pool in pools:
        pool.shutdown(wait=False)
    deadline = time.monotonic() + END_SECONDS
    for pool in pools:
        pool.join(deadline)
