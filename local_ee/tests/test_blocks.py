"""Work that is done in blocks, so that it can end between them, gives the bits of one block."""

from __future__ import annotations

import numpy as np
import pytest

from local_ee.budget import Budget, Cancelled
from local_ee.errors import EngineError
from local_ee.raster import neighborhood, pyramid, resample
from local_ee.raster.kernel import Weights
from local_ee.raster.pixels import Pixels
from local_ee.raster.projection import projection_of
from local_ee.testing.scenes import utm

RANDOM = np.random.default_rng(5)
FINE = RANDOM.uniform(0, 1000, (160, 240)).astype(np.float32), RANDOM.random((160, 240)) < 0.7


def fetch(row: int, col: int, height: int, width: int) -> Pixels:
    window = slice(row, row + height), slice(col, col + width)
    return Pixels((FINE[0][window],), (FINE[1][window],))


@pytest.mark.parametrize("policy", ["MEAN", "SAMPLE", "MODE", "MIN", "MAX", "MEDIAN"])
@pytest.mark.parametrize("block", [8 * 8, 5 * 8 * 8, 64 * 64])
def test_a_pyramid_level_is_the_same_in_blocks_of_any_size(policy, block, monkeypatch):
    monkeypatch.setattr(pyramid, "_BLOCK_PIXELS", 1 << 30)
    whole = pyramid.reduced(fetch, (1, 2, 17, 23), 8, (policy,))
    monkeypatch.setattr(pyramid, "_BLOCK_PIXELS", block)
    blocks = pyramid.reduced(fetch, (1, 2, 17, 23), 8, (policy,))
    np.testing.assert_array_equal(blocks.values[0], whole.values[0])
    np.testing.assert_array_equal(blocks.masks[0].astype(float), whole.masks[0].astype(float))


def test_a_level_of_too_many_pixels_is_refused_before_one_is_read():
    def never(*window: int) -> Pixels:
        raise AssertionError(window)

    with pytest.raises(EngineError, match=r"too large \(4294967296 pixels of the input at its own scale, at most"):
        pyramid.reduced(never, (0, 0, 16, 16), 4096, ("MEAN",))


def test_a_level_ends_between_two_blocks(monkeypatch):
    monkeypatch.setattr(pyramid, "_BLOCK_PIXELS", 64)
    own, reads = Budget(), []

    def until_the_third(row: int, col: int, height: int, width: int) -> Pixels:
        reads.append(row)
        if len(reads) == 3:
            own.cancel()
        return fetch(row, col, height, width)

    with pytest.raises(Cancelled), own.running():
        pyramid.reduced(until_the_third, (0, 0, 10, 10), 8, ("MEAN",))
    assert len(reads) == 3


def test_a_large_window_is_read_in_blocks(monkeypatch):
    monkeypatch.setattr(resample, "_BLOCK_SIDE", 16)
    grid, shapes = utm(50, 40), []

    def read(window) -> Pixels:
        row = round((grid.affine.f - window.affine.f) / 10)
        col = round((window.affine.c - grid.affine.c) / 10)
        shapes.append(tuple(window.shape))
        return fetch(row, col, *window.shape)

    source = resample.ResampleSource(projection_of(grid), read, (np.dtype("float32"),))
    pixels = resample.read(source, grid)
    np.testing.assert_array_equal(pixels.values[0], FINE[0][:50, :40])
    np.testing.assert_array_equal(pixels.masks[0], FINE[1][:50, :40])
    assert set(shapes) == {(16, 16), (16, 8), (2, 16), (2, 8)}


@pytest.mark.parametrize("cells", [np.ones((5, 7)), np.arange(35.0).reshape(5, 7)])
def test_sums_over_neighbours_are_the_same_in_strips(cells, monkeypatch):
    weights = Weights(cells, 2, 3)
    whole = neighborhood.window_sums(*FINE, weights, squares=True)
    monkeypatch.setattr(neighborhood, "_STEPS", 1)
    for part, expected in zip(neighborhood.window_sums(*FINE, weights, squares=True), whole, strict=True):
        np.testing.assert_array_equal(part, expected)
