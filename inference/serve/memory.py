"""How much memory a server keeps: fewer heaps than threads, and large arrays given back at once."""

from __future__ import annotations

import ctypes
import os

# Of <malloc.h>; https://man7.org/linux/man-pages/man3/mallopt.3.html
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
ARENAS = 2
LARGE_BYTES = 1 << 18
GDAL_CACHE_MB = "64"  # of decoded blocks, for all tiles together


def bound_memory() -> None:
    """Bounds what this process keeps for later, before its threads begin.

    By default glibc gives threads up to 8 heaps a processor, and each keeps what its own peak needed: with 50 threads
    of requests that adds up for as long as peaks fall on other threads. GDAL would keep 5 % of the machine's memory.
    C libraries without mallopt are left as they are.
    """
    os.environ.setdefault("GDAL_CACHEMAX", GDAL_CACHE_MB)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    if "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(M_ARENA_MAX, ARENAS)
    if "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
