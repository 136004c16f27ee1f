"""A word to the user while nothing is heard for long, so that nobody takes a slow or dead line for a crash."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from isamap.gee_export.base.errors import notice

EVERY_S = 60.0  # of the silence of a server


class Vigil:
    """Watches in a thread of its own, from `with` to its end; `heard` ends a silence.

    words: the sentence, of the seconds of silence. every_s: seconds of silence before each sentence. always: silence
    counts all the time, not only within `request`.
    """

    def __init__(
        self, words: Callable[[float], str], every_s: float, say: Callable[[str], None] = notice, *, always: bool = True
    ) -> None:
        self._words, self._every_s, self._say = words, every_s, say
        self._waiting = int(always)
        self._heard_s = time.monotonic()
        self._over = threading.Event()

    def heard(self) -> None:
        """Notes that something came."""
        self._heard_s = time.monotonic()

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

    def __enter__(self) -> Vigil:
        self.heard()
        threading.Thread(target=self._watch, name="vigil", daemon=True).start()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _watch(self) -> None:
        due_s = self._heard_s + self._every_s
        while not self._over.wait(max(0.01, due_s - time.monotonic())):
            now_s = time.monotonic()
            if not self._waiting:
                self.heard()
            if now_s >= max(due_s, self._heard_s + self._every_s):
                self._say(self._words(now_s - self._heard_s))
                due_s = now_s + self._every_s
            else:
                due_s = max(due_s, self._heard_s + self._every_s)


def watched(server: str, limit_s: float, *, always: bool = True) -> Vigil:
    """Says every minute that a server has not answered, and when the wait ends."""

    def words(silent_s: float) -> str:
        return f"waiting for {server}: no answer for {silent_s:.0f} s (a request is given up after {limit_s:.0f} s)"

    return Vigil(words, EVERY_S, always=always)
