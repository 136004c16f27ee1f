"""Locks of files, against other threads and processes; the system frees them however a process ends."""

from __future__ import annotations

import errno
import os
import time
from importlib import import_module
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    POSIX = False
else:
    POSIX = True

WAIT_S = 0.02  # between two tries where the system cannot wait itself


def take(file: IO[Any]) -> None:
    """Waits for the lock of an open file; it goes when the file is closed."""
    if POSIX:
        fcntl.flock(file, fcntl.LOCK_EX)
        return
    while not try_take(file):
        time.sleep(WAIT_S)


def try_take(file: IO[Any]) -> bool:
    """Whether the lock of an open file is the caller's now; never waits."""
    try:
        if POSIX:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt: Any = import_module("msvcrt")

            os.lseek(file.fileno(), 0, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
