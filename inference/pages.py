"""Large arrays in pages of their own, which the system gets back with the array."""

from __future__ import annotations

import math
import mmap

import numpy as np
from numpy.typing import DTypeLike


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An array of zeros outside the heap.

    The heap keeps what is freed for the network's layers (training/cpu.py); large arrays that come and go would leave
    holes in it, and the memory of a wide map would depend on their order.
    """
    count = math.prod(shape)
    pages = mmap.mmap(-1, max(count * np.dtype(dtype).itemsize, 1))
    return np.frombuffer(pages, dtype, count).reshape(shape)
