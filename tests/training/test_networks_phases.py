"""Enlargement by fixed phases: torch's interpolation where that is exact, and never dependent on the image's size."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.support.one_thread import one_thread  # noqa: F401
from training.models.phases import KINDS, enlarge

TORCH = {"nearest": {"mode": "nearest"}, "bilinear": {"mode": "bilinear"}, "cubic": {"mode": "bicubic"}}
FACTORS = (Fraction(5, 4), 2, Fraction(5, 2), 4, 10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", FACTORS)
def test_it_is_torchs_interpolation(kind, factor):
    x = torch.randn(2, 3, 12, 8, dtype=torch.float64)
    corners = {} if kind == "nearest" else {"align_corners": False}
    expected = F.interpolate(x, scale_factor=float(factor), **TORCH[kind], **corners)
    torch.testing.assert_close(enlarge(x, factor, kind), expected, rtol=0, atol=1e-12)


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
    whole, part = enlarge(x, factor, kind), enlarge(crop, factor, kind)
    edge = int(border * factor)
    rows = slice(int(top * factor) + edge, int((top + 32) * factor) - edge)
    cols = slice(int(left * factor) + edge, int((left + 32) * factor) - edge)
    assert torch.equal(part[:, :, edge:-edge, edge:-edge], whole[:, :, rows, cols])


def test_torchs_own_is_not_equal():
    """Why this exists: by x2.5 a crop of torch's interpolation differs (docs/reference/networks.md, "JointSeg": up to
    8e-4).
    """
    x = torch.randn(1, 1, 4, 4096)
    whole = F.interpolate(x, scale_factor=2.5, mode="bilinear")
    part = F.interpolate(x[..., 2048:], scale_factor=2.5, mode="bilinear")
    assert (whole[..., 5120 + 10 :] - part[..., 10:]).abs().max() > 1e-5


def test_constants_stay_and_means_are_kept():
    x = torch.full((1, 1, 6, 6), 0.3, dtype=torch.float64)
    assert all((enlarge(x, 10, kind) - 0.3).abs().max() < 1e-12 for kind in KINDS)


def test_gradients_flow_back():
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: enlarge(values, Fraction(5, 2)), x)


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
