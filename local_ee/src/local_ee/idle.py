"""What the engine keeps for later goes while nobody asks: an engine that has rested is as small as one that has begun.

Caches register themselves; whatever they kept can be drawn or read again, with the same values.
"""

from __future__ import annotations

import gc
import threading
from typing import Protocol
from weakref import WeakSet

from local_ee import budget
from local_ee.platform.machine import give_back_memory

IDLE_SECONDS = 60.0  # without a computation
_LOOKS = 12  # in that time


class Forgetful(Protocol):
    """Something that keeps values for later."""

    def forget(self) -> None:
        """Lets go of everything."""
        ...


_caches: WeakSet[Forgetful] = WeakSet()
_guard = threading.Lock()


def forgets(cache: Forgetful) -> None:
    """Lets a cache forget while the engine rests, as long as somebody else holds it."""
    with _guard:
        _caches.add(cache)


def forget_all() -> None:
    """Empties every cache and gives the memory back to the system."""
    with _guard:
        caches = list(_caches)
    for cache in caches:
        cache.forget()
    gc.collect()
    give_back_memory()


class Quiet:
    """Counts looks at an engine, and says once after each time of work that nothing was computed for so many."""

    def __init__(self, looks: int) -> None:
        self._looks = looks
        self._seen = 0
        self._quiet = looks  # nothing was computed yet that could be forgotten

    def ended(self, begun: int, computing: int) -> bool:
        """Whether to forget now. begun, computing: computations since the process began, and under way."""
        if computing or begun != self._seen:
            self._seen, self._quiet = begun, 0
            return False
        self._quiet += 1
        return self._quiet == self._looks


class Rest:
    """A thread that empties the caches once after each time in which something was computed."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._quiet = Quiet(_LOOKS)
        self._pause = idle_seconds / _LOOKS
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="local-ee-rest", daemon=True).start()

    def end(self) -> None:
        """Ends the thread; the caches stay as they are."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self._pause):
            if self._quiet.ended(budget.begun(), budget.computing()):
                forget_all()
