"""Says once that kernels are being compiled: after an installation the first computations wait for that."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import cache

from numba.core import event

QUIET_SECONDS = 2.0  # of compiling before it is worth a line
NOTICE = (
    "The local engine compiles its kernels. This happens once after an installation or an update, and takes one or two "
    "minutes in all; the first answers wait for it."
)

log = logging.getLogger(__name__)


class CompilingNotice(event.Listener):
    """Logs NOTICE once, when a kernel begins to be compiled after QUIET_SECONDS were spent compiling others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._depth = 0  # a kernel's callees are compiled while it is
        self._since = 0.0
        self._spent = 0.0
        self._logged = False

    def on_start(self, event: event.Event) -> None:
        with self._lock:
            now = self._clock()
            if self._depth == 0:
                self._since = now
            self._depth += 1
            due = not self._logged and self._spent + now - self._since >= QUIET_SECONDS
            self._logged |= due
        if due:
            log.warning(NOTICE)

    def on_end(self, event: event.Event) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._spent += self._clock() - self._since


@cache
def announce() -> None:
    """Lets every compilation of this process be noticed; kernels that are read from disk are none."""
    event.register("numba:compile", CompilingNotice())
