"""The lock of a job's folder: who works there holds it, also after the worker that started it has died."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from isamap.gee_export.base.platform.lock import take

LOCK = ".lock"
WAIT_S = 0.2


@contextlib.contextmanager
def locked(folder: Path, waiting: Callable[[], bool]) -> Iterator[int | None]:
    """The lock's file number, which a started command inherits, so that the lock ends with the last of both.

    A command that a killed worker left behind holds it: that one is ended first, as its work goes on here. waiting:
    whether to wait on, asked again and again; None where it said no.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not (mine := take(descriptor)) and waiting():
            _end_orphan(descriptor, folder)
            time.sleep(WAIT_S)
        yield descriptor if mine else None
    finally:
        os.close(descriptor)


def note_holder(number: int, process: int) -> None:
    """Writes into the lock which process group works under it."""
    # In 20 digits with blanks behind: a shorter number must not leave the end of a longer one.
    os.pwrite(number, f"{process:<20}".encode(), 0)


def end_group(process: int) -> None:
    """Ends a process and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


def _end_orphan(number: int, folder: Path) -> None:
    """Ends the noted process where it works in this folder: its number alone could be another's by now."""
    text = os.pread(number, 20, 0).strip()
    if not text.isdigit():
        return
    with contextlib.suppress(OSError):
        if Path(os.readlink(f"/proc/{int(text)}/cwd")) == folder.resolve():
            end_group(int(text))
