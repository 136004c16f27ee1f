"""The memory settings keep freed blocks for the next layer."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAULTS = """
import resource, sys
import numpy as np
from isamap.training.cpu import tune_cpu
if sys.argv[1] == "tuned":
    assert tune_cpu()
np.ones(8 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    np.ones(8 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    process = subprocess.run([sys.executable, "-c", FAULTS, how], cwd=ROOT, capture_output=True, text=True, check=True)
    return int(process.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is tuned")
def test_large_blocks_are_mapped_once():
    """docs/reference/performance.md, "Memory allocation": eight blocks of 64 MiB cost page faults each time, or only
    the first time.
    """
    assert faults("tuned") * 20 < faults("plain")
