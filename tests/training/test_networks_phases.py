"""Enlargement by fixed phases: torch's interpolation where that is exact, and never dependent on the image's size."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from isamap.training.models.phases import KINDS, enlarge
from tests.support.one_thread import one_thread  # noqa: F401

TORCH = {"nearest": {"mode": "nearest"}, "bilinear": {"mode": "bilinear"}, "cubic": {"mode": "bicubic"}}
FACTORS = (Fraction(5, 4), 2, Fraction(5, 2), 4, 10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", FACTORS)
def test_it_is_torchs_interpolation(kind, factor):
    x = torch.randn(2, 3, 12, 8, dtype=torch.float64)
    corners = {} if kind == "nearest" else {"align_corners": False}
    expected = F.interpolate(x, scale_factor=float(factor), **TORCH[kind], **corners)
    torch.testing.assert_close(enlarge(x, factor, kind), expected, rtol=0, atol=1e-12)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", FACTORS)
@settings(max_examples=15, deadline=None)
@given(top=st.integers(0, 60), left=st.integers(0, 60))
def test_a_crop_equals_the_whole_bit_for_bit(kind, factor, top, left):
    """docs/reference/networks.md, "JointSeg" and docs/reference/performance.md, "P3": difference 0.0, in float32,
    anywhere on the period's lattice.
    """
    x = torch.randn(1, 2, 92, 92, generator=torch.Generator().manual_seed(7))
    step, border = Fraction(factor).denominator, 4
    top, left = top // step * step, left // step * step
    crop = x[:, :, top : top + 32, left : left + 32]
    full, piece = enlarge(x, factor, kind), enlarge(crop, factor, kind)
    edge = int(border * factor)
    rows = slice(int(top * factor) + edge, int((top + 32) * factor) - edge)
    cols = slice(int(left * factor) + edge, int((left + 32) * factor) - edge)
    assert torch.equal(piece[:, :, edge:-edge, edge:-edge], full[:, :, rows, cols])


@pytest.mark.parametrize(
    ("factor", "kind", "words"),
    [
        (Fraction(1, 2), "bilinear", "expected 1 or more"),
        (2, "lanczos", "one of nearest, bilinear, cubic"),
        (Fraction(5, 2), "bilinear", "3 x 4 pixels: both sides must be multiples of 2"),
    ],
)
def test_wrong_enlargements_are_refused(factor, kind, words):
    with pytest.raises(ValueError, match=words):
        enlarge(torch.zeros(1, 1, 3, 4), factor, kind)


def test_gradients_flow_back():
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: enlarge(values, Fraction(5, 2)), x)
