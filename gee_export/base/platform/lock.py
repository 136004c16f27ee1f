"""Locks that one process at a time holds; the system lets go of them when the process ends, however it ends."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    POSIX = False
else:
    POSIX = True

HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


def take(file: IO[Any] | int) -> bool:
    """Whether the lock of an open, writable file is this process's now; it goes when the file is closed. Never waits.

    Also True where the disk knows no locks, as mounted drives (Colab's, many network disks) do not.
    """
    try:
        _lock(file if isinstance(file, int) else file.fileno())
    except OSError as error:
        return error.errno not in HELD
    return True


def need(file: IO[Any]) -> None:
    """Takes the lock of an open file; OSError where another process holds it, or the disk knows no locks."""
    _lock(file.fileno())


def hold_folder(folder: Path) -> int | None:
    """A descriptor that holds the folder until it is closed; None where the system opens no folders (Windows)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return None
    if POSIX:
        with suppress(OSError):  # mounted drives know no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def is_free(folder: Path, process: int) -> bool:
    """Whether nobody holds the folder that a process of this number made; by its lock, or by the process being gone."""
    if not POSIX:
        import psutil

        return not bool(psutil.pid_exists(process))
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


def _lock(descriptor: int) -> None:
    if POSIX:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    msvcrt: Any = import_module("msvcrt")

    os.lseek(descriptor, 0, os.SEEK_SET)
    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
