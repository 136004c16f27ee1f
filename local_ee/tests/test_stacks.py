"""Reductions of many images are computed by strips of rows: the pixels are those of the whole window."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.evaluation import stacks
from local_ee.testing.evaluating import value
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")
WINDOW = utm(37, 53)  # 37 rows are no multiple of any strip


def median_of_dates():
    scenes = Scenes(tuple(Scene(f"C/s{day}", WINDOW, {"a": ("float32", 10)}, hidden=7 + day) for day in range(5)))
    return value(ee.ImageCollection("C").median(), scenes).read(WINDOW)


def test_strips_that_do_not_divide_the_rows_give_the_whole_windows_pixels(monkeypatch):
    whole = median_of_dates()
    monkeypatch.setattr(stacks, "STACK_BYTES", 1)  # strips of 8 rows
    strips = median_of_dates()
    assert strips.values[0].shape == strips.masks[0].shape == (37, 53)
    np.testing.assert_array_equal(strips.values[0], whole.values[0])
    np.testing.assert_array_equal(strips.masks[0], whole.masks[0])
