"""Large arrays in pages of their own, which the system gets back with the array."""

from __future__ import annotations

import math
import mmap
from contextlib import suppress

import numpy as np
from numpy.typing import DTypeLike


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An array of zeros outside the heap.

    The heap keeps what is freed for the network's layers (training/cpu.py); large arrays that come and go would leave
    holes in it, and the memory of a wide map would depend on their order.
    """
    count = math.prod(shape)
    pages = mmap.mmap(-1, max(count * np.dtype(dtype).itemsize, 1))
    if hasattr(mmap, "MADV_HUGEPAGE"):  # Linux: the system hands out 2 MB at once where it may, not 4 kB
        with suppress(OSError):
            pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, dtype, count).reshape(shape)
