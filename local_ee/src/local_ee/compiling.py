"""Says that kernels are being compiled, and how far it is: after an installation the first computations wait for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import cache

from numba.core import event

QUIET_SECONDS = 2.0  # of compiling before it is worth a line
STEP_SECONDS = 15.0  # of compiling between two lines of progress
KERNELS = 250  # that Sentinel-1 and -2, labels and elevation need together (2026-11-23)
PROGRESS = "The local engine compiled {count} kernels in {seconds:.0f} s; an export needs up to about {most}."
NOTICE = (
    "The local engine compiles its kernels. This happens once after an installation or an update, and takes one or two "
    "minutes in all; the first answers wait for it."
)

log = logging.getLogger(__name__)


class CompilingNotice(event.Listener):
    """Tells NOTICE when a kernel begins to be compiled after QUIET_SECONDS were spent compiling, then PROGRESS."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, tell: Callable[[str], object] = log.warning
    ) -> None:
        self._clock = clock
        self._tell = tell
        self._lock = threading.Lock()
        self._depth = 0  # a kernel's callees are compiled while it is
        self._since = 0.0
        self._spent = 0.0
        self._count = 0
        self._due = QUIET_SECONDS  # spent compiling before the next line

    def on_start(self, event: event.Event) -> None:
        with self._lock:
            now = self._clock()
            if self._depth == 0:
                self._since = now
            self._depth += 1
            spent, count, is_first = self._spent + now - self._since, self._count, self._due == QUIET_SECONDS
            due = spent >= self._due
            self._due = spent + STEP_SECONDS if due else self._due
        if due:
            progress = PROGRESS.format(count=count, seconds=spent, most=KERNELS)
            self._tell(NOTICE if is_first else progress)

    def on_end(self, event: event.Event) -> None:
        with self._lock:
            self._depth -= 1
            self._count += 1
            if self._depth == 0:
                self._spent += self._clock() - self._since


@cache
def announce() -> None:
    """Lets every compilation of this process be noticed; kernels that are read from disk are none."""
    event.register("numba:compile", CompilingNotice())
