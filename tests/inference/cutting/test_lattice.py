"""Windows and weights: everything covered, fixed to the ground, never weight 0."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from isamap.inference.cutting.lattice import Lattice, hann, offset_from_crs_origin, weight_sums

sides = st.integers(2, 40)


@st.composite
def lattices(draw) -> tuple[Lattice, int]:
    side = draw(sides)
    stride, offset = draw(st.integers(1, side)), draw(st.integers(-1000, 1000))
    return Lattice(side, stride, offset, offset), draw(st.integers(1, 200))


@given(lattices())
def test_every_row_is_covered_the_last_included(case):
    """docs/reference/wishes.md, "Wish 19": the last row and column were missing elsewhere."""
    lattice, length = case
    covered = {row for top in lattice.tops(length) for row in range(top, top + lattice.side)}
    assert set(range(length)) <= covered


@given(lattices())
def test_windows_begin_on_the_lattice_of_the_ground(case):
    lattice, length = case
    assert all((top + lattice.row) % lattice.stride == 0 for top in lattice.tops(length))


@given(lattices())
def test_no_window_lies_outside(case):
    lattice, length = case
    assert all(-lattice.side < top < length for top in lattice.lefts(length))


@given(lattices(), st.integers(1, 4))
def test_accumulated_weight_is_positive_and_that_of_brute_force(case, scale):
    lattice, length = case
    weights = hann(lattice.side * scale)
    expected = np.zeros(length * scale)
    for top in lattice.tops(length):
        for location, weight in enumerate(weights, start=top * scale):
            if 0 <= location < length * scale:
                expected[location] += weight
    sums = weight_sums(lattice.tops(length), length, weights, scale)
    assert sums.min() > 0
    np.testing.assert_allclose(sums, expected, rtol=1e-6)


def test_half_overlapping_hann_weights_add_up_to_one():
    """sin^2 + cos^2 = 1 where windows overlap by half."""
    lattice = Lattice(16, 8)
    sums = weight_sums(lattice.tops(64), 64, hann(16))
    np.testing.assert_allclose(sums[8:-8], 1, atol=1e-6)


def test_two_files_of_one_mosaic_share_their_windows():
    """A file that begins 37 rows lower and 11 columns further has the same windows on the ground."""
    full = offset_from_crs_origin(Affine(10, 0, 212750, 0, -10, 3416360))
    piece = offset_from_crs_origin(Affine(10, 0, 212860, 0, -10, 3415990))
    assert (piece[0] - full[0], piece[1] - full[1]) == (37, 11)
    tops = {top + full[0] for top in Lattice(64, 32, *full).tops(500)}
    assert {top + piece[0] for top in Lattice(64, 32, *piece).tops(200)} <= tops


def test_a_grid_off_the_ten_metre_lattice_has_an_origin_too():
    assert offset_from_crs_origin(Affine(10, 0, 212753, 0, -10, 3416364)) == (-341636, 21275)


def test_gaps_between_windows_are_refused():
    with pytest.raises(ValueError, match="gaps stay"):
        Lattice(64, 65)
