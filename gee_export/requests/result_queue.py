"""From an event loop in a thread of its own to an ordinary loop: results as they come, a bounded number waiting."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")

# Five of the largest replies: a disk that pauses must not stop the line, nor fill the memory.
WAITING_BYTES = 256 << 20  # results that nobody has taken yet; beyond it nothing new is begun


class ResultQueue(Generic[Item]):
    """`give` in the event loop, taken from `items` in the thread that made it; `room` waits while too much is there."""

    def __init__(self, *, most_bytes: int = WAITING_BYTES) -> None:
        self._most = most_bytes
        # Without a bound of its own: `room` counts bytes, as results differ a hundredfold in size.
        self._ready: queue.SimpleQueue[tuple[Item, int] | BaseException | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def items(self, work: Callable[[], Awaitable[None]]) -> Generator[Item, None, None]:
        """What `work` gives while it runs in a thread of its own, then its error if it had one.

        Closing the generator cancels the work and waits until it has ended.
        """
        thread = threading.Thread(target=self._run, args=(work,), name="pixels", daemon=True)
        thread.start()
        try:
            while (entry := self._ready.get()) is not None:
                if isinstance(entry, BaseException):
                    raise entry
                item, size = entry
                self._take(size)
                # Dropped before the next wait: else two results stay in memory while one is looked at.
                del entry
                yield item
                del item
        finally:
            self._close()
            thread.join()

    def give(self, item: Item, size_bytes: int) -> None:
        """Hands a result over."""
        with self._lock:
            self._bytes += size_bytes
            if self._bytes >= self._most:
                self._room.clear()
        self._ready.put((item, size_bytes))

    async def room(self) -> None:
        """Waits until what was given is taken, but for a bounded rest."""
        await self._room.wait()

    def _take(self, size_bytes: int) -> None:
        with self._lock:
            was_full = self._bytes >= self._most
            self._bytes -= size_bytes
            if was_full and self._bytes < self._most:
                # asyncio's objects may only be touched from their own thread.
                self._soon(self._room.set)

    def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            asyncio.run(self._main(work))
        except BaseException as error:
            self._ready.put(error)
        else:
            self._ready.put(None)

    async def _main(self, work: Callable[[], Awaitable[None]]) -> None:
        with self._lock:
            if self._closed:
                return
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        await work()

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            if self._task is not None:
                self._soon(self._task.cancel)

    def _soon(self, act: Callable[[], object]) -> None:
        if self._loop is None:  # nothing runs yet
            return
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(act)
