"""A stack that Google's Earth Engine exported: the engine's slope of its heights is the slope in it.

The file is openmapflow's 98-togo_2019-02-06_2020-02-01.tif (Apache-2.0); tests are skipped where ../shared/data is not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from local_ee.algorithms import terrain
from tests.test_recorded_answers import COLUMNS, EXPORTED, HEIGHTS_M, ROWS, heights, spread

PARENTS = Path(__file__).resolve().parents
STACK = Path("shared/data/earth-engine/stacks/98-togo_2019-02-06_2020-02-01.tif")
FOUND = next((parent / STACK for parent in PARENTS if (parent / STACK).is_file()), None)

pytestmark = pytest.mark.skipif(FOUND is None, reason=f"{STACK} is not there")


def test_the_constants_are_those_of_the_file():
    with rasterio.open(FOUND) as stack:
        assert tuple(stack.transform) == pytest.approx(tuple(EXPORTED.affine), abs=1e-15)
        assert np.array_equal(stack.read(stack.count - 1), spread(np.array(HEIGHTS_M)))
    assert (sum(ROWS), sum(COLUMNS)) == EXPORTED.shape


def test_every_pixel_has_googles_slope():
    with rasterio.open(FOUND) as stack:
        expected = stack.read(stack.count)
    pixels = terrain.slope(heights()).read(EXPORTED)
    assert np.array_equal(pixels.masks[0], np.isfinite(expected))
    assert np.array_equal(pixels.values[0][pixels.masks[0]], expected.astype(np.float32)[pixels.masks[0]])
