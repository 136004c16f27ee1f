"""The processors there are, and memory settings that make torch's convolutions faster on them."""

from __future__ import annotations

import ctypes
import os
import sys

# glibc's mallopt names (malloc.h) and what they are set to: blocks up to 1 GiB come from the heap, the heap is kept
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_THRESHOLD_BYTES, _TRIM_THRESHOLD_BYTES = 1 << 30, (1 << 31) - 1


def tune_cpu() -> bool:
    """Whether glibc now keeps freed memory for the next layer instead of returning it to the system.

    Every activation is a fresh large block; mapping and clearing it again costs as much as the convolution
    (docs/reference/performance.md, "Memory allocation"). Elsewhere than on glibc nothing is changed.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    kept = mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)
    return bool(mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES) and kept)


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
