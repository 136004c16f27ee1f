"""The processors there are, how torch computes on them, and memory settings that make convolutions faster on them."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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


def one_thread() -> None:
    """torch computes on one thread when this one calls it; nothing is done where torch is not loaded."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@contextmanager
def steady_arithmetic() -> Iterator[None]:
    """One thread inside each of torch's operations and no search for algorithms: equal windows give equal bits.

    Nothing is done where torch is not loaded: other runtimes keep to this by themselves.
    """
    if (torch := sys.modules.get("torch")) is None:
        yield
        return
    threads = torch.get_num_threads()
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
