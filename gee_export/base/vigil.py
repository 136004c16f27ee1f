"""A word every minute while a server says nothing, so that nobody takes a slow or dead line for a crash."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gee_export.base.errors import notice

EVERY_S = 60.0


def silence(server: str, silent_s: float, limit_s: float) -> str:
    """The sentence: which server is waited for, since when, and when the wait ends."""
    return f"waiting for {server}: no answer for {silent_s:.0f} s (a request is given up after {limit_s:.0f} s)"


@contextmanager
def watched(server: str, limit_s: float, *, say: Callable[[str], None] = notice) -> Iterator[None]:
    """Says every minute of the block that the server has not answered; for requests that block their thread."""
    over, begun_s = threading.Event(), time.monotonic()

    def watch() -> None:
        while not over.wait(EVERY_S):
            say(silence(server, time.monotonic() - begun_s, limit_s))

    threading.Thread(target=watch, name="vigil", daemon=True).start()
    try:
        yield
    finally:
        over.set()


class Vigil:
    """Watches many requests of one event loop for silence, which ends as soon as any connection answers."""

    def __init__(self, server: str, limit_s: float, say: Callable[[str], None] = notice) -> None:
        self._server, self._limit_s, self._say = server, limit_s, say
        self._waiting = 0
        self._heard_s = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since the server last answered, or since the first request after a pause; 0 without requests."""
        return time.monotonic() - self._heard_s if self._waiting else 0.0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Counts a request that waits for its answer."""
        if not self._waiting:
            self.heard()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def heard(self) -> None:
        """Notes that the server answered."""
        self._heard_s = time.monotonic()

    async def watch(self) -> None:
        """Runs beside the requests until it is cancelled."""
        notice_s = self._heard_s
        while True:
            await asyncio.sleep(max(0.01, max(notice_s, self._heard_s) + EVERY_S - time.monotonic()))
            if self.silent_s >= EVERY_S:
                self._say(silence(self._server, self.silent_s, self._limit_s))
                notice_s = time.monotonic()
            elif not self._waiting:
                self.heard()
