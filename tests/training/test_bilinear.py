"""Bilinear enlargement followed by a U-Net: what JointSeg's network is compared with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from isamap.training.models import build
from isamap.training.models.bilinear import BilinearUNet, BilinearUNetConfig
from tests.support.one_thread import one_thread  # noqa: F401

BANDS = ("B2", "B3", "B4", "VV")


def test_the_u_net_sees_the_bilinear_image():
    """scipy's interpolation of order 1 at the fine pixels' centres, edges repeated, is what arrives."""
    made = BilinearUNet(BANDS, BilinearUNetConfig(widths=(2, 2))).eval()
    seen = []
    made.unet.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.randn(1, 4, 6, 7)
    with torch.no_grad():
        made(x)
    rows, cols = ((np.arange(10 * side) + 0.5) / 10 - 0.5 for side in (6, 7))
    places = np.stack(np.meshgrid(rows, cols, indexing="ij"))
    for band in range(4):
        expected = map_coordinates(x[0, band].double().numpy(), places, order=1, mode="nearest")
        np.testing.assert_allclose(seen[0][0, band].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("levels", "multiple"), [(2, 1), (3, 2), (4, 4), (5, 8)])
def test_sides_are_multiples_that_the_enlarged_u_net_can_halve(levels, multiple):
    """Ten times the multiple is the least common multiple of 10 and the U-Net's own."""
    made = BilinearUNet(BANDS, BilinearUNetConfig(widths=(2,) * levels)).eval()
    assert made.multiple == multiple and 10 * multiple % made.unet.multiple == 0
    with torch.no_grad():
        assert made(torch.randn(1, 4, multiple, 2 * multiple)).logits_BKHW.shape == (1, 2, 10 * multiple, 20 * multiple)


def test_dates_count_by_their_mean():
    made = BilinearUNet(BANDS, BilinearUNetConfig(widths=(2, 2))).eval()
    x = torch.randn(2, 3, 4, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(made(x).logits_BKHW, made(x.mean(dim=1)).logits_BKHW)


def test_wrong_widths_are_refused():
    with pytest.raises(ValueError, match="two or more widths"):
        build("bilinear_unet", BANDS, {"widths": (8,)})
