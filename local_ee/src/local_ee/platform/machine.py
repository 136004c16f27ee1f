"""What a process has of this machine."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import psutil

try:
    import resource
except ImportError:  # Windows
    POSIX = False
else:
    POSIX = True

_M_ARENA_MAX, _HEAPS = -8, 2  # <malloc.h>


def memory_bytes() -> int:
    """The memory of this machine."""
    return int(psutil.virtual_memory().total)


def resident_bytes() -> int:
    """The memory of this process."""
    return int(psutil.Process().memory_info().rss)


def most_open_files() -> int | None:
    """How many files this process may open; None where there is no limit, or none that can be asked for."""
    if not POSIX:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def share_heaps() -> None:
    """Lets this process's threads share two heaps, where glibc is the C library and MALLOC_ARENA_MAX is unset.

    Each of its heaps keeps what its own peak needed (mallopt(3)); by default there are eight for each processor.
    """
    mallopt = _of_c_library("mallopt")
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, _HEAPS)


def give_back_memory() -> None:
    """Gives freed memory back to the system, where the C library is glibc (malloc_trim(3))."""
    trim = _of_c_library("malloc_trim")
    if trim is not None:
        trim(0)


def _of_c_library(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if POSIX else None
