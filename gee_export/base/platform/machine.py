"""Memory and processor of this machine and process, as psutil tells them on every system."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import psutil

try:
    import resource
except ImportError:  # Windows
    POSIX = False
else:
    POSIX = True


def resident_bytes() -> int:
    """The memory that this process has now."""
    return int(psutil.Process().memory_info().rss)


def most_resident_bytes() -> int:
    """The most memory that this process has had."""
    if not POSIX:
        return int(psutil.Process().memory_info().peak_wset)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # getrusage(2): bytes on macOS, KiB on Linux


def available_bytes() -> int:
    """The memory that the machine can still give."""
    return int(psutil.virtual_memory().available)


def address_space_left() -> int | None:
    """What the process's own limit of address space (`ulimit -v`) leaves; None where there is no limit."""
    if not POSIX:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft - int(psutil.Process().memory_info().vms)


def processor_name() -> str:
    """The processor's name as Linux has it, else Python's word."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
