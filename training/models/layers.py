"""Blocks that the networks share: convolution groups, U-shaped encoder and decoder, channel attention, output heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

UPS = ("convT", "bilinear")
HEADS = ("conv3", "conv_bn_relu", "1x1")


class ConvBnRelu(nn.Sequential):
    """Convolution without bias that keeps the size, batch normalisation, ReLU: a group of CroFuseNet section III-A."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class DoubleConv(nn.Sequential):
    """Two 3x3 groups, `inner` channels between them: a block of U-Net's encoder or decoder."""

    def __init__(self, inputs: int, outputs: int, inner: int | None = None) -> None:
        inner = outputs if inner is None else inner
        super().__init__(ConvBnRelu(inputs, inner), ConvBnRelu(inner, outputs))


class Encoder(nn.Module):
    """U-Net's way down: a feature map per width, each at half the size of the one before (2x2 maximum between).

    inner: of a width, the channels between a block's two groups.
    """

    def __init__(self, bands: int, widths: Sequence[int], inner: Callable[[int], int] = int) -> None:
        super().__init__()
        inputs = (bands, *widths[:-1])
        self.blocks = nn.ModuleList(DoubleConv(i, o, inner(o)) for i, o in zip(inputs, widths, strict=True))

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        features = [self.blocks[0](x_BCHW)]
        for block in self.blocks[1:]:
            features.append(block(F.max_pool2d(features[-1], 2)))
        return features


class BilinearUp(nn.Sequential):
    """Twice the size by bilinear interpolation, then a 3x3 group to the new width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), ConvBnRelu(inputs, outputs))


class UpBlock(nn.Module):
    """One step of U-Net's way up: twice the size, the skip beside it, two 3x3 groups."""

    def __init__(self, inputs: int, outputs: int, up: str, inner: int | None = None) -> None:
        super().__init__()
        # CroFuseNet does not say how it enlarges (docs/reference/networks.md, "CroFuseNet: open points").
        self.up = nn.ConvTranspose2d(inputs, outputs, 2, 2) if up == "convT" else BilinearUp(inputs, outputs)
        self.convs = DoubleConv(2 * outputs, outputs, inner)

    def forward(self, state: Tensor, skip: Tensor) -> Tensor:
        return self.convs(torch.cat((self.up(state), skip), dim=1))


class Decoder(nn.ModuleList):
    """U-Net's way up as its steps, deepest first; the caller walks them, so that it may fuse in between."""

    def __init__(self, widths: Sequence[int], up: str, inner: Callable[[int], int] = int) -> None:
        deep_first = tuple(reversed(widths))
        super().__init__(UpBlock(i, o, up, inner(o)) for i, o in pairwise(deep_first))


class SqueezeExcitation(nn.Module):
    """Channels weighted by the whole window: global mean, two dense layers, sigmoid (CroFuseNet eqs. 7-10).

    least: hidden units that there are at least, where channels / reduction are fewer.
    """

    def __init__(self, channels: int, reduction: int, least: int = 1) -> None:
        super().__init__()
        # Small networks would have one hidden unit, which is dead as often as not.
        middle = max(least, channels // reduction)
        self.squeeze = nn.Linear(channels, middle)
        self.excite = nn.Linear(middle, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(x_BCHW.mean(dim=(2, 3))))))
        return x_BCHW * weights[:, :, None, None]


def head(design: str, inputs: int, classes: int) -> nn.Module:
    """The layer from features to logits: one of HEADS.

    `conv_bn_relu` is CroFuseNet's wording taken literally; a ReLU logit that is 0 everywhere has no gradient.
    """
    if design == "conv_bn_relu":
        return ConvBnRelu(inputs, classes)
    kernel = 3 if design == "conv3" else 1
    return nn.Conv2d(inputs, classes, kernel, padding=kernel // 2)


def check_choice(name: str, value: object, allowed: Sequence[object]) -> None:
    """Refuse a constructor value that is not one of the allowed ones."""
    if value not in allowed:
        raise ValueError(f"{name} {value!r} is not known: choose one of {', '.join(map(str, allowed))}")
