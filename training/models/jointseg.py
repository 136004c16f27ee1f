"""JointSeg: impervious surface at 1 m from 10-m bands, sharpening and segmenting together in two steps.

JointSeg's full text was not available: blocks, widths and losses are ours (docs/reference/networks.md, "JointSeg").
What the abstract says is kept: gradual enhancement (10 -> 2.5 -> 1 m), optical and radar input, features of one scale
joined with the image and the logits of the coarser one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isamap.training.models.output import Network, channels_at, check_bands, check_input, is_sar
from isamap.training.models.phases import enlarge
from isamap.training.models.reach import Reach
from isamap.training.models.sharpened import RGB, STEPS, SharpOutput, check_rgb, rgb_positions
from isamap.training.models.validity import (
    channels,
    known_dates,
    later,
    maximum_of_dates,
    mean_of_dates,
    mean_of_values,
    with_validity,
)

# From 4 times to 10 times is 2.5, which no pixel shuffle does: the second step interpolates.
SECOND = Fraction(STEPS[1], STEPS[0])
# Channels that a pixel shuffle turns into STEPS[0] x STEPS[0] pixels.
DILUTION = STEPS[0] ** 2
WIDE: dict[str, Any] = {"widths": (96, 192, 256, 384), "middle": 64, "middle_blocks": 6, "fine": 32, "fine_blocks": 3}
SMALL: dict[str, Any] = {"widths": (48, 96, 144, 192), "middle": 32, "middle_blocks": 2, "fine": 16, "fine_blocks": 1}


@dataclass(frozen=True)
class JointSegConfig:
    """JointSeg's constructor values; `**WIDE` and `**SMALL` are the two other sizes of docs/reference/networks.md,
    "JointSeg: cost".

    widths: of the context U-Net at 10, 20, 40, 80 m. blocks: residual blocks of each of its levels on the way down.
    middle, fine: widths at 2.5 m and 1 m, with their numbers of residual blocks. rgb: the bands that are sharpened.
    keep_mean: shift every 10 x 10 block of the sharpened image so that its mean is the input's pixel.
    validity: whether the share of known bands is one more input of each stem (models/validity.py). steps: 2 for 1 m
    of 10 m, 1 for the first step alone, 2.5 m.
    """

    classes: int = 2
    widths: tuple[int, ...] = (64, 128, 192, 256)
    blocks: int = 2
    middle: int = 48
    middle_blocks: int = 3
    fine: int = 24
    fine_blocks: int = 2
    rgb: tuple[str, ...] = RGB
    # Off: the loss's weight `low` costs the same difference, softly (docs/reference/paper-rows.md, row 111).
    keep_mean: bool = False
    validity: bool = later(False)
    steps: int = later(len(STEPS))

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        object.__setattr__(self, "rgb", check_rgb(self.rgb))
        counts = (self.blocks, self.middle_blocks, self.fine_blocks)
        if not self.widths or min(*self.widths, self.middle, self.fine, *counts) < 1 or self.widths[0] < 2:
            raise ValueError(f"{self}: expected one or more widths, the first 2 or more, and positive numbers")
        if self.classes < 2:
            raise ValueError(f"classes {self.classes}: expected two or more")
        if not 1 <= self.steps <= len(STEPS):
            raise ValueError(f"steps {self.steps}: expected 1 (x{STEPS[0]}) or 2 (x{STEPS[1]})")


class Residual(nn.Module):
    """Two 3x3 convolutions added to their input, without normalisation: its statistics would blur absolute values."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW + self.conv2(F.relu(self.conv1(x_BCHW)))


class DecoderStep(nn.Module):
    """A step up of the context U-Net: bilinear doubling, the skip beside it, 1x1, a residual block."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.join, self.block = nn.Conv2d(inputs + outputs, outputs, 1), Residual(outputs)

    def forward(self, state: Tensor, skip: Tensor) -> Tensor:
        up = F.interpolate(state, scale_factor=2, mode="bilinear", align_corners=False)
        # An odd side was halved upwards, so doubling may give a row too many.
        up = up[:, :, : skip.shape[2], : skip.shape[3]]
        return self.block(self.join(torch.cat((up, skip), dim=1)))


class Context(nn.Module):
    """A residual U-Net at the input's size: strided convolutions down, `DecoderStep` up; any size."""

    def __init__(self, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(nn.Conv2d(i, o, 3, 2, padding=1) for i, o in pairs)
        self.blocks = nn.ModuleList(nn.Sequential(*(Residual(w) for _ in range(blocks))) for w in widths)
        self.up = nn.ModuleList(DecoderStep(o, i) for i, o in reversed(pairs))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        features = [self.blocks[0](x_BCHW)]
        for down, blocks in zip(self.down, self.blocks[1:], strict=True):
            features.append(blocks(down(features[-1])))
        *skips, state = features
        for up, skip in zip(self.up, reversed(skips), strict=True):
            state = up(state, skip)
        return state


class JointSeg(Network):
    """Logits and a sharpened RGB image at ten times the input's size, from one or many dates; one step: four times.

    x: (batch, bands, rows, columns), or (batch, dates, bands, rows, columns): then optical features are half the
    dates' mean and half their maximum, radar bands and the RGB to be sharpened the dates' mean, dates that are missing
    at a pixel left out (models/validity.py). Any size; tiles are aligned to `multiple`. side_logits: at 4x (unless the
    output is), then at 1x.
    """

    scale = STEPS[1]
    window = 64
    lattice = 48
    dates = True

    def __init__(self, bands: Sequence[str], config: JointSegConfig | None = None) -> None:
        super().__init__()
        config = config or JointSegConfig()
        self.bands, self.config, self.scale = check_bands(bands), config, STEPS[config.steps - 1]
        self.optical_at = [i for i, name in enumerate(self.bands) if not is_sar(name)]
        self.sar_at = [i for i, name in enumerate(self.bands) if is_sar(name)]
        self.rgb_at = rgb_positions(self.bands, config.rgb)
        self._build_context()
        self._build_steps()

    def _build_context(self) -> None:
        config, width = self.config, self.config.widths[0]
        optical, sar = (channels(at, config.validity) for at in (self.optical_at, self.sar_at))
        self.optical = nn.Sequential(nn.Conv2d(optical, width, 3, padding=1), Residual(width))
        # Half the width: two radar bands against up to ten optical ones.
        half = width // 2 if self.sar_at else 0
        self.sar = None
        if self.sar_at:
            self.sar = nn.Sequential(nn.Conv2d(sar, half, 3, padding=1), Residual(half))
        self.mix = nn.Conv2d(width + half, width, 1)
        self.context = Context(config.widths, config.blocks)
        self.logits_1x = nn.Conv2d(width, config.classes, 1)

    def _build_steps(self) -> None:
        config, coarser = self.config, len(self.config.rgb) + self.config.classes
        # 1x1: the context has looked around already, here channels only become pixels.
        self.spread = nn.Conv2d(config.widths[0], DILUTION * config.middle, 1)
        self.middle = _step(config.middle + coarser, config.middle, config.middle_blocks)
        self.detail_4x = nn.Conv2d(config.middle, len(config.rgb), 3, padding=1)
        self.logits_4x = nn.Conv2d(config.middle, config.classes, 1)
        if config.steps == 1:
            return
        # 1 m has 100 pixels for one of 10 m, so width there costs most: half of the width at 2.5 m.
        self.fine = _step(config.middle + coarser, config.fine, config.fine_blocks)
        self.detail = nn.Conv2d(config.fine, len(config.rgb), 3, padding=1)
        self.head = nn.Sequential(
            nn.Conv2d(config.fine + coarser, config.fine, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(config.fine, config.classes, 1),
        )

    @property
    def multiple(self) -> int:
        """Pixels that one pixel of the coarsest context covers; tiles are aligned to it, inputs may have any size."""
        return 2 ** (len(self.config.widths) - 1)

    @property
    def halo(self) -> int:
        """Input pixels around an aligned tile that its logits depend on."""
        config = self.config
        features = [Reach.input().conv(3, times=3 + 2 * config.blocks)]
        for _ in config.widths[1:]:
            features.append(features[-1].conv(3, 2).conv(3, times=2 * config.blocks))
        *skips, state = features
        for skip in reversed(skips):
            state = state.enlarge(2).join(skip).conv(3, times=2)
        middle = state.enlarge(STEPS[0]).conv(3, times=1 + 2 * config.middle_blocks)
        if config.steps == 1:
            return middle.halo(self.multiple, self.scale)
        fine = middle.conv(3).join(state.enlarge(STEPS[0])).enlarge(SECOND).conv(3, times=1 + 2 * config.fine_blocks)
        return fine.conv(3, times=2).halo(self.multiple, self.scale)

    def forward(self, x: Tensor) -> SharpOutput:
        x_BTCHW = x[:, None] if x.ndim == 4 else x
        check_input(x_BTCHW[:, 0], self.bands, 1)
        state, rgb = self.context(self._stems(x_BTCHW)), _mean(channels_at(x_BTCHW, self.rgb_at))
        logits_1x = self.logits_1x(state)
        middle, image, logits = self._to_4x(state, rgb, logits_1x)
        side_logits: tuple[Tensor, ...] = (logits_1x,)
        rgb_4x = image
        if self.config.steps > 1:
            side_logits = (logits, logits_1x)
            image, logits = self._to_10x(middle, image, logits)
        if self.config.keep_mean:
            image = with_block_means(image, rgb)
        return SharpOutput(logits, side_logits, image, image_4x=rgb_4x, image_1x=rgb)

    def _stems(self, x_BTCHW: Tensor) -> Tensor:
        optical = self._optical_of_dates(channels_at(x_BTCHW, self.optical_at))
        if self.sar is None:
            return self.mix(optical)
        sar = with_validity(_mean(channels_at(x_BTCHW, self.sar_at)), self.config.validity)
        return self.mix(torch.cat((optical, self.sar(sar)), dim=1))

    def _optical_of_dates(self, x_BTCHW: Tensor) -> Tensor:
        batch, dates = x_BTCHW.shape[:2]
        features = self.optical(with_validity(x_BTCHW.flatten(0, 1), self.config.validity))
        if dates == 1:
            return features
        features, is_known = features.unflatten(0, (batch, dates)), known_dates(x_BTCHW)
        # Mean and maximum both: one keeps what all dates show, the other what one clear date shows.
        return (mean_of_dates(features, is_known) + maximum_of_dates(features, is_known)) / 2

    def _to_4x(self, state: Tensor, rgb: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rgb, logits = enlarge(rgb, STEPS[0]), enlarge(logits, STEPS[0])
        spread = F.pixel_shuffle(self.spread(state), STEPS[0])
        middle = self.middle(torch.cat((spread, rgb, logits), dim=1))
        # Image and logits of the coarser step go through enlarged: a step learns only what is to be added.
        return middle, rgb + self.detail_4x(middle), logits + self.logits_4x(middle)

    def _to_10x(self, middle: Tensor, rgb: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        middle, rgb, logits = (enlarge(feature, SECOND) for feature in (middle, rgb, logits))
        fine = self.fine(torch.cat((middle, rgb, logits), dim=1))
        image = rgb + self.detail(fine)
        return image, logits + self.head(torch.cat((fine, image, logits), dim=1))


def with_block_means(image_BCHW: Tensor, coarse_BCHW: Tensor) -> Tensor:
    """The image shifted block by block so that each block's mean is the coarse pixel (SEN2SR's hard constraint)."""
    factor = image_BCHW.shape[2] // coarse_BCHW.shape[2]
    return image_BCHW + enlarge(coarse_BCHW - F.avg_pool2d(image_BCHW, factor), factor, "nearest")


def _mean(x_BTCHW: Tensor) -> Tensor:
    return x_BTCHW[:, 0] if x_BTCHW.shape[1] == 1 else mean_of_values(x_BTCHW)


def _step(inputs: int, width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1), *(Residual(width) for _ in range(blocks)))
