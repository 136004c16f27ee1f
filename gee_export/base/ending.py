"""Whether this process is about to end, because a signal said so: then nothing waits for a server any more."""

from __future__ import annotations

import threading

LEAVE_S = 0.5  # how long what runs in a thread is waited for then

_ending = threading.Event()


def begin() -> None:
    """Notes that the process ends; safe in a signal's handler."""
    _ending.set()


def cancel() -> None:
    """Notes that the process goes on after all, as a test does after a command that was ended."""
    _ending.clear()


def join(thread: threading.Thread) -> None:
    """Waits until a thread has ended; in a process that ends at most LEAVE_S, as the thread may wait for a server."""
    thread.join(LEAVE_S if _ending.is_set() else None)
