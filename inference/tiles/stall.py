"""A word to the user when no tile has been finished for a long time; schedulers themselves say nothing then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from gee_export.base.errors import notice

EVERY_S = 600.0


class Stall:
    """Watches in a thread of its own, from `with` to its end; `heard` says that a tile is finished.

    state: how far the run is and who works, in words. every_s: seconds of silence before each notice.
    """

    def __init__(self, state: Callable[[], str], every_s: float = EVERY_S, say: Callable[[str], None] = notice) -> None:
        self._state, self._every_s, self._say = state, every_s, say
        self._heard_s = time.monotonic()
        self._over = threading.Event()

    def heard(self) -> None:
        """Notes that a tile is finished."""
        self._heard_s = time.monotonic()

    def __enter__(self) -> Stall:
        self.heard()
        threading.Thread(target=self._watch, name="stall", daemon=True).start()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _watch(self) -> None:
        due_s = self._heard_s + self._every_s
        while not self._over.wait(max(0.01, due_s - time.monotonic())):
            now_s = time.monotonic()
            if now_s >= max(due_s, self._heard_s + self._every_s):
                self._say(f"no tile was finished for {(now_s - self._heard_s) / 60:.0f} minutes: {self._state()}")
                due_s = now_s + self._every_s
            else:
                due_s = max(due_s, self._heard_s + self._every_s)
