"""The student network: windows' statistics over valid pixels, its reach, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isamap.training.models import build
from isamap.training.models.student import MISSING, StudentConfig, features
from isamap.training.runtimes import open_forward


def encoded(stored_BHW: np.ndarray, valid_BHW: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.where(valid_BHW, stored_BHW - MISSING, 0).astype(np.float32))[None]


@pytest.fixture(scope="module")
def pixels() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.integers(-3000, 9000, (2, 19, 23)), rng.random((2, 19, 23)) > 0.4


def windowed(stored_HW: np.ndarray, valid_HW: np.ndarray, side: int, measure) -> np.ndarray:
    """A measure of the window's valid pixels at every valid pixel, one by one; 0 elsewhere."""
    result = np.zeros(stored_HW.shape)
    for row, col in np.argwhere(valid_HW):
        top, left = max(row - side // 2, 0), max(col - side // 2, 0)
        window = np.s_[top : row + side // 2 + 1, left : col + side // 2 + 1]
        result[row, col] = measure(stored_HW[window][valid_HW[window]].astype(np.float64))
    return result


@pytest.mark.parametrize(
    ("at", "side", "measure"), [(1, 3, np.mean), (2, 7, np.mean), (3, 15, np.mean), (4, 7, np.std)]
)
def test_features_are_the_windows_own_statistics(pixels, at, side, measure):
    stored_BHW, valid_BHW = pixels
    both = features(encoded(stored_BHW, valid_BHW), StudentConfig())[0].numpy()
    for band in range(2):
        expected = windowed(stored_BHW[band], valid_BHW[band], side, measure)
        np.testing.assert_allclose(both[2 * at + band], expected, rtol=1e-12, atol=1e-9)


def test_a_pixel_depends_on_nothing_beyond_the_halo(pixels):
    network = build("student", ("a", "b")).eval()
    assert network.halo == 7
    x_BCHW = torch.rand(1, 2, 40, 40).mul(9000).round() + 1
    near, far = x_BCHW.clone(), x_BCHW.clone()
    far[..., 20 + 8, 20] += 500
    near[..., 20 + 7, 20] += 500
    centre = [network(x).logits_BKHW[0, :, 20, 20] for x in (x_BCHW, far, near)]
    assert torch.equal(centre[0], centre[1]) and not torch.equal(centre[0], centre[2])


@pytest.mark.parametrize(
    "config", [{"hidden": (0,)}, {"hidden": (300,)}, {"means": (4,)}, {"deviations": (33,)}, {"classes": 1}]
)
def test_impossible_layers_and_windows_are_refused(config):
    with pytest.raises(ValueError, match="expected"):
        StudentConfig(**config)


@pytest.mark.parametrize("how", [{"precision": "bf16"}, {"runtime": "onnx"}])
def test_other_numbers_than_float64_are_refused(student_folder, how):
    from isamap.training.checkpoints.checkpoint import load

    with pytest.raises(ValueError, match="float64"):
        open_forward(load(student_folder), **how)
