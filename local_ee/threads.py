"""A pool of threads that never keeps a process from ending.

The standard library's pool finishes everything queued before an interpreter may exit, so Ctrl-C during an export would
wait for dozens of requests that nobody reads any more.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

END_SECONDS = 5.0  # how long shutdown waits for what is running


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
        """The future of a call; Closed after shutdown."""
        if self._closed.is_set():
            raise Closed("these threads have ended")
        future: Future[Any] = Future()
        self._queue.put((future, lambda: function(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the threads after what is running; queued calls are cancelled too, whatever is asked."""
        self._closed.set()
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + (END_SECONDS if wait else 0)
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
