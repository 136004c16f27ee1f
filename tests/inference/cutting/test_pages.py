"""Large arrays outside the heap: zeros that can be written, and memory that goes back at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isamap.inference.cutting import pages


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 0, 5), (7,)])
@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.dtype(">u2")])
def test_an_array_of_zeros_that_can_be_written(shape, dtype):
    array = pages.zeros(shape, dtype)
    assert array.shape == shape and array.dtype == dtype and not array.any()
    array[:] = 3
    assert (array == 3).all()


def resident_bytes() -> int:
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells what a program takes")
def test_its_memory_goes_back_with_the_last_view_of_it():
    size = 128 << 20
    array = pages.zeros((2, size // 2), np.uint8)
    array[:] = 1
    view, full = array[1:, 5:], resident_bytes()
    del array
    assert view.all() and full - resident_bytes() < size // 2
    del view
    assert full - resident_bytes() > size * 3 // 4
