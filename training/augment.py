"""Augmentation of training batches, decided by (seed, epoch, patch) alone: vertical flip, rotation, Gaussian blur.

S002 section II-B names the three and no more. Choices: flip with probability 1/2; rotation by quarter turns, which
move pixels and change none (any angle, with interpolation, is the other choice); blur with probability 1/4 and a
standard deviation of 0.3 to 1 pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.losses import UNKNOWN

FLIP_SHARE, BLUR_SHARE = 0.5, 0.25
BLUR_SIGMA_PX = (0.3, 1.0)
_BLUR_RADIUS_PX = 3


@dataclass(frozen=True)
class Augmented:
    """A batch on its way to the network: standardised image (0 where not valid), validity per band, label."""

    image_BCHW: Tensor
    valid_BCHW: Tensor
    label_BHW: Tensor


def augment(batch: Augmented, chance_BN: np.ndarray, rotate: str = "quarter") -> Augmented:
    """The batch flipped, turned and blurred; image, validity and label stay aligned.

    chance_BN: four numbers in [0, 1) per patch (`chances`). rotate: one of ROTATIONS.
    """
    batch = _flipped(batch, chance_BN[:, 0] < FLIP_SHARE)
    batch = ROTATIONS[rotate](batch, chance_BN[:, 1])
    return _blurred(batch, chance_BN[:, 2] < BLUR_SHARE, chance_BN[:, 3])


def chances(seed: int, epoch: int, patches: np.ndarray, count: int = 4) -> np.ndarray:
    """Uniform numbers in [0, 1), float64 (patches, count), the same for the same (seed, epoch, patch) always."""
    with np.errstate(over="ignore"):
        state = _mixed(np.uint64(seed) + _GOLDEN)
        state = _mixed(state ^ (np.uint64(epoch) * _GOLDEN))
        rows = _mixed(state ^ (patches.astype(np.uint64)[:, None] * _GOLDEN))
        bits = _mixed(rows + np.arange(1, count + 1, dtype=np.uint64)[None] * _GOLDEN)
    return (bits >> np.uint64(11)).astype(np.float64) / 2.0**53


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(z: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: neighbours in, unrelated numbers out."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _flipped(batch: Augmented, flip_B: np.ndarray) -> Augmented:
    return _moved(batch, flip_B, lambda x: x.flip(-2))


def _quarter_turned(batch: Augmented, chance_B: np.ndarray) -> Augmented:
    """Turned by 0, 90, 180 or 270 degrees, each with probability 1/4."""
    turns_B = np.floor(chance_B * 4).astype(int)
    for turns in (1, 2, 3):
        batch = _moved(batch, turns_B == turns, lambda x, k=turns: x.rot90(k, (-2, -1)))
    return batch


def _turned(batch: Augmented, chance_B: np.ndarray) -> Augmented:
    """Turned by any angle: image bilinear, validity and label nearest; what comes from outside is unknown."""
    angle = torch.from_numpy(2 * np.pi * chance_B).to(batch.image_BCHW)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    theta = torch.stack((torch.stack((cos, -sin, zero), -1), torch.stack((sin, cos, zero), -1)), dim=1)
    grid = F.affine_grid(theta, list(batch.image_BCHW.shape), align_corners=False)
    # shifted by one, so that the zeros from outside come out as "not valid" and "unknown"
    marks = torch.cat((batch.valid_BCHW, (batch.label_BHW != UNKNOWN)[:, None] * (batch.label_BHW + 1)[:, None]), dim=1)
    marks = F.grid_sample(marks.to(batch.image_BCHW), grid, mode="nearest", align_corners=False)
    valid = marks[:, :-1] > 0
    label = torch.where(marks[:, -1] > 0, marks[:, -1] - 1, UNKNOWN).to(batch.label_BHW.dtype)
    image = F.grid_sample(batch.image_BCHW, grid, mode="bilinear", align_corners=False)
    return Augmented(image.masked_fill(~valid, 0.0), valid, label)


def _moved(batch: Augmented, chosen_B: np.ndarray, move: Callable[[Tensor], Tensor]) -> Augmented:
    """The chosen patches moved, image, validity and label alike."""
    if not chosen_B.any():
        return batch
    rows = torch.from_numpy(np.flatnonzero(chosen_B)).to(batch.image_BCHW.device)
    parts = (batch.image_BCHW, batch.valid_BCHW, batch.label_BHW)
    return Augmented(*(part.index_copy(0, rows, move(part[rows])) for part in parts))


def _blurred(batch: Augmented, chosen_B: np.ndarray, chance_B: np.ndarray) -> Augmented:
    """The chosen patches blurred by a Gaussian; missing pixels neither give nor get a value."""
    if not chosen_B.any():
        return batch
    rows = torch.from_numpy(np.flatnonzero(chosen_B)).to(batch.image_BCHW.device)
    low, high = BLUR_SIGMA_PX
    sigma = torch.from_numpy(low + (high - low) * chance_B[chosen_B]).to(batch.image_BCHW)
    image, valid = batch.image_BCHW[rows], batch.valid_BCHW[rows]
    blurred = _smoothed(image, sigma) / _smoothed(valid.to(image), sigma).clamp(min=1e-6)
    image = batch.image_BCHW.index_copy(0, rows, blurred.masked_fill(~valid, 0.0))
    return Augmented(image, batch.valid_BCHW, batch.label_BHW)


def _smoothed(x_BCHW: Tensor, sigma_B: Tensor) -> Tensor:
    """Each patch with its own Gaussian, rows then columns, zeros outside."""
    count, channels, height, width = x_BCHW.shape
    offsets = torch.arange(-_BLUR_RADIUS_PX, _BLUR_RADIUS_PX + 1, device=x_BCHW.device, dtype=x_BCHW.dtype)
    kernel = torch.exp(-0.5 * (offsets[None] / sigma_B[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)[:, None]
    flat = x_BCHW.reshape(1, count * channels, height, width)
    flat = F.conv2d(flat, kernel[..., None], padding=(_BLUR_RADIUS_PX, 0), groups=count * channels)
    flat = F.conv2d(flat, kernel[..., None, :], padding=(0, _BLUR_RADIUS_PX), groups=count * channels)
    return flat.reshape(x_BCHW.shape)


ROTATIONS: dict[str, Callable[[Augmented, np.ndarray], Augmented]] = {
    "quarter": _quarter_turned,
    "any": _turned,
}
