"""Attention and context blocks of RU-Net++ and the DeepLab family: where, which channel, at which distance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isamap.training.models.layers import ConvBnRelu, SqueezeExcitation


class SpatialAttention(nn.Module):
    """Pixels weighted by mean and maximum of their channels: 7x7 convolution, sigmoid (RU-Net++ section 2.5.2)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        # As CBAM: a mean alone hides a bright roof among dark neighbours, a maximum alone shows only it.
        summary = torch.cat((x_BCHW.mean(dim=1, keepdim=True), x_BCHW.amax(dim=1, keepdim=True)), dim=1)
        return x_BCHW * torch.sigmoid(self.conv(summary))


class DualAttention(nn.Module):
    """Channel attention plus spatial attention of the same features (RU-Net++ section 2.5.3, Level 3)."""

    def __init__(self, channels: int, reduction: int, least: int = 1) -> None:
        super().__init__()
        self.channel, self.spatial = SqueezeExcitation(channels, reduction, least), SpatialAttention()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.channel(x_BCHW) + self.spatial(x_BCHW)


class BoundaryEnhancement(nn.Module):
    """Features plus what differs from their 3x3 mean, weighted per pixel.

    RU-Net++ names the module (Level 1) without a formula; this one is ours (docs/reference/networks.md, "RU-Net++").
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges, self.weight = ConvBnRelu(channels, channels), nn.Conv2d(channels, 1, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        # the image's own edge is averaged over the pixels there are, so that it is no boundary
        mean = F.avg_pool2d(x_BCHW, 3, stride=1, padding=1, count_include_pad=False)
        return x_BCHW + self.edges(x_BCHW - mean) * torch.sigmoid(self.weight(x_BCHW))


class PyramidPooling(nn.Module):
    """Atrous spatial pyramid pooling: 1x1, one group per dilation, the global mean; put side by side, then 1x1.

    group: makes the module of a dilated branch from (inputs, outputs, dilation).
    """

    def __init__(self, inputs: int, middle: int, outputs: int, *, dilations: Sequence[int], group: type | None = None):
        super().__init__()
        group = group or DilatedGroup
        self.branches = nn.ModuleList(
            [ConvBnRelu(inputs, middle, 1), *(group(inputs, middle, dilation) for dilation in dilations)]
        )
        # one value per image has no batch statistics to normalise by, so a bias stands for the normalisation
        self.whole = nn.Sequential(nn.Conv2d(inputs, middle, 1), nn.ReLU(inplace=True))
        self.project = ConvBnRelu((len(dilations) + 2) * middle, outputs, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        parts = [branch(x_BCHW) for branch in self.branches]
        global_mean = self.whole(x_BCHW.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *x_BCHW.shape[2:])
        return self.project(torch.cat((*parts, global_mean), dim=1))


class DilatedGroup(nn.Sequential):
    """Dilated 3x3 convolution that keeps the size, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class SeparableGroup(nn.Sequential):
    """Depthwise 3x3 and pointwise 1x1 convolution, each with batch normalisation and ReLU (DeepLabV3+)."""

    def __init__(self, inputs: int, outputs: int, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, 3, padding=dilation, dilation=dilation, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            ConvBnRelu(inputs, outputs, 1),
        )
