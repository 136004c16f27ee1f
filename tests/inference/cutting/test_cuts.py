"""A cut that a user makes, a box or a tile, is bit for bit that part of the larger map, at its edges too."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isamap.gee_export.base.grid import Window
from isamap.inference.cutting.cut import WindowGrid
from isamap.inference.cutting.frame import shifted
from isamap.inference.cutting.lattice import Lattice
from isamap.inference.inputs.ground import Ground
from isamap.inference.mapping.predict import Predictor, predict
from tests.inference.conftest import NAMES
from tests.inference.mapping.test_predict import predictor_of, reader

NETWORKS = ("unet", "crofusenet", "hrnet", "runetpp", "jointseg", "deeplabv3plus")
SLOW = ("hrnet", "jointseg")
BY_TIME = [pytest.param(name, marks=pytest.mark.long) if name in SLOW else name for name in NETWORKS]
SIDE, STRIDE = 32, 24
WORLD = Window(-300, -300, 700, 700)  # ground that is there, counted from a point of it


@cache
def world() -> tuple[np.ndarray, np.ndarray]:
    """Network input of the world, 0 where unknown, and what is known; one in fifty pixels is not."""
    rng = np.random.default_rng(5)
    known_HW = rng.random((WORLD.height, WORLD.width)) > 0.02
    known_HW[380:420, 300:460] = False
    x_BHW = rng.normal(size=(len(NAMES), WORLD.height, WORLD.width)).astype(np.float32)
    return x_BHW * known_HW, known_HW


@cache
def predictor(name: str) -> Predictor:
    """A small network whose probabilities are kept as they are, so that a difference in the last bit shows."""
    return replace(predictor_of(name), values=lambda probabilities_KHW, _: probabilities_KHW)


def mapped(name: str, box: Window, **changes) -> np.ndarray:
    """The map of a box of the world, made of the ground around it."""
    read = shifted(reader(*world()), -WORLD.row, -WORLD.col)
    return box_map(replace(predictor(name), **changes), Lattice(SIDE, STRIDE), read, box)


def box_map(network: Predictor, lattice: Lattice, read, box: Window) -> np.ndarray:
    """The map of a box of what `read` gives, seen with the ground around it."""
    lattice = lattice.at(box.row, box.col)
    seen = Ground.around(box.height, box.width, lattice).seen
    grid = WindowGrid(seen.height, seen.width, lattice.at(box.row + seen.row, box.col + seen.col))
    rows, cols = range(-seen.row, box.height - seen.row), range(-seen.col, box.width - seen.col)
    around = shifted(read, box.row + seen.row, box.col + seen.col)
    pieces = predict(network, around, grid, rows=rows, cols=cols, workers=1)
    return np.concatenate([piece.values_NHW for piece in pieces], axis=1)


LARGE = Window(-37, 11, 150, 140)


@cache
def large(name: str) -> np.ndarray:
    return mapped(name, LARGE)


boxes = st.builds(
    lambda row, col, height, width: Window(LARGE.row + row, LARGE.col + col, height, width),
    *[st.integers(0, 90)] * 2,
    *[st.integers(1, 45)] * 2,
)


@pytest.mark.long
@pytest.mark.parametrize("name", BY_TIME)
@settings(max_examples=4, deadline=None)
@given(box=boxes)
def test_a_box_is_that_part_of_the_larger_map(name, box):
    """docs/reference/performance.md, "P3": no pixel differs, the box's edges included, ten times finer ones too."""
    scale = predictor(name).scale
    rows, cols = box.within(LARGE)
    fine = slice(rows.start * scale, rows.stop * scale), slice(cols.start * scale, cols.stop * scale)
    np.testing.assert_array_equal(mapped(name, box), large(name)[:, *fine])


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_without_the_ground_around_it_a_box_differs_at_its_edges(name):
    """Else the test before this one would show nothing."""
    box = Window(LARGE.row + 40, LARGE.col + 30, 60, 60)
    read = shifted(reader(*world()), box.row - WORLD.row, box.col - WORLD.col)
    grid = WindowGrid(box.height, box.width, Lattice(SIDE, STRIDE, box.row, box.col))
    alone = np.concatenate([piece.values_NHW for piece in predict(predictor(name), read, grid)], axis=1)
    assert (alone != mapped(name, box)).any()


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_columns_of_a_file_are_those_of_the_whole_file(name):
    """A tile of a file sees all of it: no ground is there beyond."""
    scale = predictor(name).scale
    x_BHW, known_HW = (array[..., 290:367, 290:351] for array in world())
    grid, read = WindowGrid(77, 61, Lattice(SIDE, STRIDE, 5, -7)), reader(x_BHW, known_HW)
    file, tile = (
        np.concatenate([piece.values_NHW for piece in predict(predictor(name), read, grid, **cut)], axis=1)
        for cut in ({}, {"rows": range(20, 61), "cols": range(33, 50)})
    )
    np.testing.assert_array_equal(tile, file[:, 20 * scale : 61 * scale, 33 * scale : 50 * scale])


lattices = st.tuples(st.integers(2, 40), st.integers(1, 40), st.integers(-500, 500)).map(
    lambda numbers: Lattice(numbers[0], min(numbers[1], numbers[0]), numbers[2], -numbers[2])
)


@given(lattices, st.integers(1, 60), st.sampled_from([1, 64, 50]), st.sampled_from([1, 3, 10]))
def test_the_ground_holds_the_blocks_around_and_every_window_that_touches_them(lattice, length, block_px, scale):
    """By brute force along one axis."""
    ground = Ground.around(length, 1, lattice, block_px=block_px, scale=scale)
    fine = range(lattice.row * scale, (lattice.row + length) * scale)
    expected = {pixel // block_px + step for pixel in fine for step in (-1, 0, 1)} if block_px > 1 else set()
    needed = {
        pixel // scale - lattice.row for block in expected for pixel in (block * block_px, (block + 1) * block_px - 1)
    }
    needed |= {0, length - 1}
    assert (ground.mapped.row, ground.mapped.row_end - 1) == (min(needed), max(needed))
    touching = [
        start
        for start in range(min(needed) - lattice.side, max(needed) + 1)
        if (start + lattice.row) % lattice.stride == 0 and start + lattice.side > min(needed)
    ]
    assert (ground.seen.row, ground.seen.row_end) == (touching[0], touching[-1] + lattice.side)


def test_a_file_has_no_ground_beyond_it():
    assert Ground.of_file(7, 9) == Ground(Window(0, 0, 7, 9), Window(0, 0, 7, 9))


@pytest.mark.parametrize("name", ["unet", *(pytest.param(n, marks=pytest.mark.long) for n in ("hrnet", "jointseg"))])
def test_batches_of_one_size_leave_cuts_exact(name):
    """As on a GPU: a window's neighbours in its batch, and windows of zeros that fill it up, change no bit of it."""
    scale, box = predictor(name).scale, Window(LARGE.row + 31, LARGE.col + 17, 40, 45)
    fine = (slice(edge.start * scale, edge.stop * scale) for edge in box.within(LARGE))
    np.testing.assert_array_equal(mapped(name, box, batch=4), mapped(name, LARGE, batch=4)[:, *fine])


@pytest.mark.parametrize("name", ["unet", "crofusenet"])
def test_every_call_has_one_shape_and_gives_the_same_map(name):
    """Of 3 windows in a call the last bits may differ from those of one; never more."""
    shapes = set()

    def watched(images, classes):
        shapes.add(images.shape)
        return predictor(name).network(images, classes)

    box = Window(LARGE.row + 31, LARGE.col + 17, 40, 45)
    batched = mapped(name, box, network=watched, batch=3)
    assert shapes == {(3, len(NAMES), SIDE, SIDE)}
    np.testing.assert_allclose(batched, mapped(name, box), atol=1e-6)
