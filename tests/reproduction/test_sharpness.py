"""Measures of a sharpened image beside the true one, against their definitions window by window."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.reproduction import sharpness


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 255, (2, 24, 24))
    return true + rng.normal(0, 20, true.shape), true


def test_ssim_is_its_definition_at_a_pixel_of_the_middle(pair):
    """Wang et al. 2004, equation 13, with the weights of an 11 x 11 Gaussian written out."""
    made, true = (image[:1, 1:12, 1:12] for image in pair)
    steps = np.arange(-5, 6)
    weight = np.exp(-(steps[:, None] ** 2 + steps[None] ** 2) / (2 * 1.5**2))
    weight /= weight.sum()
    ma, mb = (weight * made[0]).sum(), (weight * true[0]).sum()
    va, vb = (weight * (made[0] - ma) ** 2).sum(), (weight * (true[0] - mb) ** 2).sum()
    cov = (weight * (made[0] - ma) * (true[0] - mb)).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    assert sharpness.ssim_map(made, true)[0, 5, 5] == pytest.approx(expected)


def test_psnr_of_a_constant_error():
    true = np.zeros((3, 8, 8))
    assert sharpness.psnr(true + 25.5, true) == pytest.approx(20)


def test_the_spectral_angle_knows_no_brightness():
    grey, red = np.ones((3, 4, 4)), np.zeros((3, 4, 4))
    red[0] = 1
    assert sharpness.spectral_angle(2 * grey, grey) == pytest.approx(0, abs=1e-5)
    assert sharpness.spectral_angle(red, grey) == pytest.approx(np.degrees(np.arccos(1 / np.sqrt(3))))


def test_edges_alike_correlate_whatever_their_height(pair):
    _, true = pair
    assert sharpness.edges(3 * true + 7, true) == pytest.approx(1)
    assert sharpness.edges(pair[0], true) < 0.99
