"""Augmentation of training batches, decided by (seed, epoch, patch) alone.

CroFuseNet section II-B names vertical flip, random rotation and Gaussian blur, and no more; LandCover3m section 2.3
crops at random; RU-Net++ and JointSeg say nothing. Choices: flip with probability 1/2; rotation by quarter turns
("turn"), which move pixels and change none ("rotate" takes any angle, with interpolation); blur with probability 1/4
and a standard deviation of 0.3 to 1 pixel. Ours: gains and offsets of bands ("jitter"), a missing band ("drop") or
sensor ("sensor"), radar of fewer looks ("speckle"), and another ground, air or sensor ("radiometry"): wider gains and
offsets, and a slope along the bands as haze and dry soil have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.training.checkpoints.checkpoint import BandNorm

FLIP_SHARE, BLUR_SHARE = 0.5, 0.25
# Weak: a wider blur would hide roads of one pixel.
BLUR_SIGMA_PX = (0.3, 1.0)
JITTER, DROP_SHARE = 0.2, 0.25  # jitter: of gains, and of offsets in standard deviations
# the simulated world's medians lie up to 1 standard deviation from real ones (docs/real-samples.md, "Medians")
GAIN, OFFSET, COMMON, SLOPE = 0.3, 0.4, 0.4, 0.5
# Sentinel-1 GRD has 4.4 looks (ESA's product definition); of 60 on, a filtered month's, speckle is below 0.6 dB
SPECKLE_SHARE, LOOKS = 0.5, (4.4, 60.0)
CHANCES = 16  # numbers drawn per patch; each augmentation has its own
# Three standard deviations of the widest blur.
_BLUR_RADIUS_PX = 3
# Which of a patch's chances: fixed numbers, so that another augmentation changes no former run.
_CROP_AT = (4, 5)


Integers = TypeVar("Integers", np.ndarray, np.unsignedinteger)


@dataclass(frozen=True)
class Augmented:
    """A batch on its way to the network: standardised image (0 where not valid), validity per band, label.

    Images are (batch, bands, rows, columns), or (batch, dates, bands, rows, columns). Labels are classes or shares
    (0 to 1), UNKNOWN where there is none, and may be a whole number of times as fine as the image. sharp_BCHW: the
    true image of the label's size, with its validity, or None. bands: names, units and standardisation.
    """

    image_BCHW: Tensor
    valid_BCHW: Tensor
    label_BHW: Tensor
    sharp_BCHW: Tensor | None = None
    sharp_valid_BCHW: Tensor | None = None
    bands: tuple[BandNorm, ...] = ()

    def each(self, change: Callable[[Tensor], Tensor]) -> Augmented:
        """The same change applied to every tensor that is there."""
        sharp, valid = (
            None if tensor is None else change(tensor) for tensor in (self.sharp_BCHW, self.sharp_valid_BCHW)
        )
        image, known, label = (change(tensor) for tensor in (self.image_BCHW, self.valid_BCHW, self.label_BHW))
        return Augmented(image, known, label, sharp, valid, self.bands)


@dataclass(frozen=True)
class Augmentation:
    """How a batch is changed, and which of a patch's chances decide it."""

    change: Callable[[Augmented, np.ndarray], Augmented]
    draws: tuple[int, ...]


def augment(batch: Augmented, chance_BN: np.ndarray, names: Sequence[str], crop: int = 0) -> Augmented:
    """The batch cropped, then augmented by each name in turn; image, label and true image stay aligned.

    chance_BN: CHANCES numbers in [0, 1) per patch (`chances`). names: of AUGMENTATIONS. crop: side in input pixels, 0
    for whole patches.
    """
    if crop:
        batch = _cropped(batch, chance_BN[:, _CROP_AT], crop)
    for name in names:
        augmentation = AUGMENTATIONS[name]
        batch = augmentation.change(batch, chance_BN[:, augmentation.draws])
    return batch


def draws(seed: int, epoch: int, patches: np.ndarray, count: int = CHANCES) -> np.ndarray:
    """Uniform numbers in [0, 1), float64 (patches, count), the same for the same (seed, epoch, patch) always."""
    with np.errstate(over="ignore"):
        state = _mixed(np.uint64(seed) + _GOLDEN)
        state = _mixed(state ^ (np.uint64(epoch) * _GOLDEN))
        rows = _mixed(state ^ (patches.astype(np.uint64)[:, None] * _GOLDEN))
        # A hash, not a generator: a patch's numbers must not depend on its place in the batch or on workers.
        bits = _mixed(rows + np.arange(1, count + 1, dtype=np.uint64)[None] * _GOLDEN)
    # 53 bits are what a double holds exactly; more could round to 1.
    return (bits >> np.uint64(11)).astype(np.float64) / 2.0**53


# SplitMix64's increment, 2^64 over the golden ratio: rows and columns get seeds far apart.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(z: Integers) -> Integers:
    """SplitMix64's finaliser: neighbours in, unrelated numbers out."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _cropped(batch: Augmented, chance_B2: np.ndarray, side: int) -> Augmented:
    """A square of `side` input pixels of each patch, every place as likely; the same ground of finer parts."""
    height, width = batch.image_BCHW.shape[-2:]
    if side > min(height, width):
        raise ValueError(f"crop={side}: patches have {height} x {width} pixels; set --set crop={min(height, width)}")
    top_B = np.floor(chance_B2[:, 0] * (height - side + 1)).astype(int)
    left_B = np.floor(chance_B2[:, 1] * (width - side + 1)).astype(int)

    def cut(images: Tensor) -> Tensor:
        ratio = images.shape[-1] // width
        rows, cols = (slice_of(starts, ratio) for starts in (top_B, left_B))
        return torch.stack([image[..., row, col] for image, row, col in zip(images, rows, cols, strict=True)])

    def slice_of(starts: np.ndarray, ratio: int) -> list[slice]:
        return [slice(start * ratio, (start + side) * ratio) for start in starts.tolist()]

    return batch.each(cut)


def _flipped(batch: Augmented, chance_B1: np.ndarray) -> Augmented:
    return _moved(batch, chance_B1[:, 0] < FLIP_SHARE, lambda x: x.flip(-2))


def _mirrored(batch: Augmented, chance_B1: np.ndarray) -> Augmented:
    return _moved(batch, chance_B1[:, 0] < FLIP_SHARE, lambda x: x.flip(-1))


def _quarter_turned(batch: Augmented, chance_B1: np.ndarray) -> Augmented:
    """Turned by 0, 90, 180 or 270 degrees, each with probability 1/4."""
    turns_B = np.floor(chance_B1[:, 0] * 4).astype(int)
    for turns in (1, 2, 3):
        batch = _moved(batch, turns_B == turns, partial(torch.rot90, k=turns, dims=(-2, -1)))
    return batch


def _moved(batch: Augmented, chosen_B: np.ndarray, move: Callable[[Tensor], Tensor]) -> Augmented:
    """The chosen patches moved, image, validity, label and true image alike."""
    if not chosen_B.any():
        return batch
    rows = torch.from_numpy(np.flatnonzero(chosen_B)).to(batch.image_BCHW.device)
    return batch.each(lambda tensor: tensor.index_copy(0, rows, move(tensor[rows])))


def _rotated(batch: Augmented, chance_B1: np.ndarray) -> Augmented:
    """Turned by any angle: images bilinear, validity and label nearest; what comes from outside is unknown."""
    angle = torch.from_numpy(2 * np.pi * chance_B1[:, 0]).to(batch.image_BCHW)
    image, valid = _sampled(batch.image_BCHW, batch.valid_BCHW, angle)
    labelled = (batch.label_BHW != UNKNOWN)[:, None]
    # Nearest: a class between two others is none of them.
    label, labelled = _sampled(batch.label_BHW[:, None], labelled, angle, mode="nearest")
    label = label.masked_fill(~labelled, UNKNOWN)[:, 0]
    sharp, sharp_valid = batch.sharp_BCHW, batch.sharp_valid_BCHW
    if sharp is not None and sharp_valid is not None:
        sharp, sharp_valid = _sampled(sharp, sharp_valid, angle)
    return Augmented(image, valid, label, sharp, sharp_valid, batch.bands)


def _sampled(values: Tensor, valid: Tensor, angle_B: Tensor, mode: str = "bilinear") -> tuple[Tensor, Tensor]:
    """Values and validity at turned positions, as they came in shape and kind; 0 and not valid outside."""
    cos, sin, zero = angle_B.cos(), angle_B.sin(), torch.zeros_like(angle_B)
    theta = torch.stack((torch.stack((cos, -sin, zero), -1), torch.stack((sin, cos, zero), -1)), dim=1)
    flat, marks = (tensor.flatten(1, -3).to(angle_B) for tensor in (values, valid))
    grid = F.affine_grid(theta, list(flat.shape), align_corners=False)
    # Pixel edges span -1 to 1 (align_corners=False): the turn is about the patch's centre, not about a pixel's.
    turned = F.grid_sample(flat, grid, mode=mode, align_corners=False).reshape(values.shape)
    valid_there = F.grid_sample(marks, grid, mode="nearest", align_corners=False).reshape(valid.shape) > 0
    if mode == "bilinear":  # what is missing or outside gives 0 to the sum and nothing to the weight
        weight = F.grid_sample(marks, grid, mode=mode, align_corners=False).reshape(valid.shape)
        # Where nothing is known both are 0: the clamp keeps 0 / 0 from becoming NaN before the mask sets it to 0.
        turned = turned / weight.clamp(min=1e-6)
    return turned.masked_fill(~valid_there, 0.0).to(values.dtype), valid_there


def _blurred(batch: Augmented, chance_B2: np.ndarray) -> Augmented:
    """The chosen patches' input blurred by a Gaussian; missing pixels neither give nor get a value."""
    chosen_B = chance_B2[:, 0] < BLUR_SHARE
    if not chosen_B.any():
        return batch
    rows = torch.from_numpy(np.flatnonzero(chosen_B)).to(batch.image_BCHW.device)
    low, high = BLUR_SIGMA_PX
    sigma = torch.from_numpy(low + (high - low) * chance_B2[chosen_B, 1]).to(batch.image_BCHW)
    image, valid = batch.image_BCHW[rows].flatten(1, -3), batch.valid_BCHW[rows].flatten(1, -3)
    # Divided by the weight of what is known, or blur would darken the rim of every hole.
    blurred = _smoothed(image, sigma) / _smoothed(valid.to(image), sigma).clamp(min=1e-6)
    blurred = blurred.masked_fill(~valid, 0.0).unflatten(1, batch.image_BCHW.shape[1:-2])
    return replace(batch, image_BCHW=batch.image_BCHW.index_copy(0, rows, blurred))


def _jittered(batch: Augmented, chance_B1: np.ndarray) -> Augmented:
    """Every band of every patch with a gain and an offset of its own, the same on all dates; missing pixels stay 0."""
    bands = batch.image_BCHW.shape[-3]
    drawn_BC2 = np.stack([_many(chance, (bands, 2)) for chance in chance_B1[:, 0]]) * 2 - 1
    gain_BC, offset_BC = torch.from_numpy(JITTER * drawn_BC2).to(batch.image_BCHW).unbind(-1)
    gain, offset = (_of_bands(each_BC, batch.image_BCHW) for each_BC in (gain_BC, offset_BC))
    image = (batch.image_BCHW * (1 + gain) + offset).masked_fill(~batch.valid_BCHW, 0.0)
    return replace(batch, image_BCHW=image)


def _another_radiometry(batch: Augmented, chance_B1: np.ndarray) -> Augmented:
    """Every patch as another ground, air or sensor would show it: gains, offsets and a slope along the bands' order.

    In standard deviations: a gain of 1 +- GAIN and an offset of +- OFFSET of each band, an offset of +- COMMON of all
    bands, and +- SLOPE at the ends of the bands' order (haze and dry soil), the same on all dates. Missing stays 0.
    """
    bands = batch.image_BCHW.shape[-3]
    drawn_BN = np.stack([_many(chance, (2 * bands + 2,)) for chance in chance_B1[:, 0]]) * 2 - 1
    line_C = np.linspace(-1, 1, bands) if bands > 1 else np.zeros(1)
    gain_BC = 1 + GAIN * drawn_BN[:, :bands]
    offset_BC = OFFSET * drawn_BN[:, bands:-2] + COMMON * drawn_BN[:, [-2]] + SLOPE * drawn_BN[:, [-1]] * line_C
    like = batch.image_BCHW
    gain, offset = (_of_bands(torch.from_numpy(each_BC).to(like), like) for each_BC in (gain_BC, offset_BC))
    # Zeroed again: an offset would tell the network where pixels are missing.
    image = (batch.image_BCHW * gain + offset).masked_fill(~batch.valid_BCHW, 0.0)
    return replace(batch, image_BCHW=image)


def _dropped(batch: Augmented, chance_B2: np.ndarray) -> Augmented:
    """Of the chosen patches one band is missing, each as likely; an image of one band keeps it."""
    bands = batch.image_BCHW.shape[-3]
    rows = np.flatnonzero(chance_B2[:, 0] < DROP_SHARE)
    if bands == 1 or not rows.size:
        return batch
    missing_BC = torch.zeros(len(chance_B2), bands, dtype=torch.bool)
    missing_BC[rows, np.floor(chance_B2[rows, 1] * bands).astype(int)] = True
    return _without(batch, missing_BC)


def _sensor_dropped(batch: Augmented, chance_B2: np.ndarray) -> Augmented:
    """Of the chosen patches all bands of one sensor are missing, each as likely; an image of one sensor keeps it."""
    units = [band.unit for band in batch.bands]  # those of one sensor share theirs
    sensors = sorted(set(units))
    chosen_B = chance_B2[:, 0] < DROP_SHARE
    if len(sensors) < 2 or not chosen_B.any():
        return batch
    sensor_C = np.array([sensors.index(unit) for unit in units])
    is_missing_BC = chosen_B[:, None] & (sensor_C == np.floor(chance_B2[:, 1:] * len(sensors)))
    return _without(batch, torch.from_numpy(is_missing_BC))


def _speckled(batch: Augmented, chance_B3: np.ndarray) -> Augmented:
    """The chosen patches' decibels with multiplicative speckle of 4.4 to 60 looks; other bands stay as they are.

    Gamma-distributed in power, with mean 1, independent from pixel to pixel, band to band and date to date. Blur after
    it, as resampling does, relates neighbours.
    """
    in_dB = [at for at, band in enumerate(batch.bands) if band.unit == "dB"]
    rows = np.flatnonzero(chance_B3[:, 0] < SPECKLE_SHARE)
    if not in_dB or not rows.size:
        return batch
    low, high = LOOKS
    std_C = torch.tensor([batch.bands[at].std for at in in_dB])[:, None, None].to(batch.image_BCHW)
    image = batch.image_BCHW.clone()
    for row, (_, looks_chance, seed) in zip(rows.tolist(), chance_B3[rows], strict=True):
        looks = low * (high / low) ** looks_chance
        radar = image[row][..., in_dB, :, :]
        power = torch.from_numpy(_generator(seed).gamma(looks, 1 / looks, radar.shape)).to(image)
        image[row][..., in_dB, :, :] = radar + 10 * power.log10() / std_C
    return replace(batch, image_BCHW=image.masked_fill(~batch.valid_BCHW, 0.0))


def _without(batch: Augmented, missing_BC: Tensor) -> Augmented:
    missing = _of_bands(missing_BC, batch.image_BCHW)
    return replace(batch, image_BCHW=batch.image_BCHW.masked_fill(missing, 0.0), valid_BCHW=batch.valid_BCHW & ~missing)


def _of_bands(values_BC: Tensor, image: Tensor) -> Tensor:
    """A value per patch and band, to be broadcast over an image's dates, rows and columns."""
    dates = [1] * (image.ndim - 4)
    return values_BC.reshape(len(values_BC), *dates, values_BC.shape[1], 1, 1).to(image.device)


def _many(chance: float, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers in [0, 1) that follow from one."""
    return _generator(chance).random(shape)


def _generator(chance: float) -> np.random.Generator:
    # A chance is a whole multiple of 2^-53 (`draws`), so it gives a seed of its own without rounding.
    return np.random.default_rng(int(chance * 2**53))


def _smoothed(x_BCHW: Tensor, sigma_B: Tensor) -> Tensor:
    """Each patch with its own Gaussian, rows then columns, zeros outside."""
    count, channels, height, width = x_BCHW.shape
    offsets = torch.arange(-_BLUR_RADIUS_PX, _BLUR_RADIUS_PX + 1, device=x_BCHW.device, dtype=x_BCHW.dtype)
    kernel = torch.exp(-0.5 * (offsets[None] / sigma_B[:, None]) ** 2)
    # One group a channel, so that each patch of the batch has a Gaussian of its own in one convolution.
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)[:, None]
    flat = x_BCHW.reshape(1, count * channels, height, width)
    flat = F.conv2d(flat, kernel[..., None], padding=(_BLUR_RADIUS_PX, 0), groups=count * channels)
    flat = F.conv2d(flat, kernel[..., None, :], padding=(0, _BLUR_RADIUS_PX), groups=count * channels)
    return flat.reshape(x_BCHW.shape)


AUGMENTATIONS: dict[str, Augmentation] = {
    "flip": Augmentation(_flipped, (0,)),
    "mirror": Augmentation(_mirrored, (6,)),
    "turn": Augmentation(_quarter_turned, (1,)),
    "rotate": Augmentation(_rotated, (1,)),
    "blur": Augmentation(_blurred, (2, 3)),
    "jitter": Augmentation(_jittered, (7,)),
    "drop": Augmentation(_dropped, (8, 9)),
    "radiometry": Augmentation(_another_radiometry, (10,)),
    "sensor": Augmentation(_sensor_dropped, (11, 12)),
    "speckle": Augmentation(_speckled, (13, 14, 15)),
}
