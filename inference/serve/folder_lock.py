"""The lock of a job's folder: who works there holds it, also after the worker that started it has died."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LOCK = ".lock"
WAIT_S = 0.2


@contextlib.contextmanager
def locked(folder: Path, waiting: Callable[[], bool]) -> Iterator[int | None]:
    """The lock's file number, which a started command inherits, so that the lock ends with the last of both.

    A command that a killed worker left behind holds it: that one is ended first, as its work goes on here. waiting:
    whether to wait on, asked again and again; None where it said no.
    """
    number = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not (mine := _is_mine(number)) and waiting():
            _end_orphan(number, folder)
            time.sleep(WAIT_S)
        yield number if mine else None
    finally:
        os.close(number)


def note_holder(number: int, process: int) -> None:
    """Writes into the lock which process group works under it."""
    os.pwrite(number, f"{process:<20}".encode(), 0)


def end_group(process: int) -> None:
    """Ends a process and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


def _is_mine(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_orphan(number: int, folder: Path) -> None:
    """Ends the noted process where it works in this folder: its number alone could be another's by now."""
    text = os.pread(number, 20, 0).strip()
    if not text.isdigit():
        return
    with contextlib.suppress(OSError):
        if Path(os.readlink(f"/proc/{int(text)}/cwd")) == folder.resolve():
            end_group(int(text))
