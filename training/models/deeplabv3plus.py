"""DeepLabV3+ (Chen et al., 2018) on ResNet-50 at output stride 16, one of CroFuseNet's baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isamap.training.models.attention import PyramidPooling, SeparableGroup
from isamap.training.models.layers import ConvBnRelu
from isamap.training.models.output import Network, Output, check_bands, check_input
from isamap.training.models.resnet import BASE, ResNet50
from isamap.training.models.slim import SlimValues
from isamap.training.models.validity import channels, later, with_validity


@dataclass(frozen=True)
class DeepLabV3PlusConfig(SlimValues):
    """DeepLabV3+'s constructor values; widths of the pyramid (256) and of the early features (48) are the paper's.

    base: ResNet's width. validity: whether the share of known bands is one more input (models/validity.py).
    prune, ratio, round_to, rounding: of a pruned network (models/slim.py).
    """

    classes: int = 2
    width: int = 256
    early: int = 48
    base: int = BASE
    dilations: tuple[int, ...] = (6, 12, 18)
    window: int = 128
    validity: bool = later(False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dilations", tuple(int(dilation) for dilation in self.dilations))
        if min(self.width, self.early, self.base, *self.dilations) < 1 or self.classes < 2:
            raise ValueError(f"{self}: expected positive widths and dilations and two or more classes")
        if self.window < 64 or self.window % 16:
            raise ValueError(f"window {self.window}: expected a multiple of 16 of at least 64 pixels")


class DeepLabV3Plus(Network):
    """Logits from the stacked bands at a quarter of the size, enlarged; the pyramid sees the whole window."""

    scale = 1
    halo = None
    multiple = 16

    def __init__(self, bands: Sequence[str], config: DeepLabV3PlusConfig | None = None) -> None:
        super().__init__()
        config = config or DeepLabV3PlusConfig()
        self.bands, self.config = check_bands(bands), config
        # Windows overlap by a quarter, because the pyramid's global mean differs from one to the next.
        self.window, self.lattice = config.window, config.window * 3 // 4
        width = config.width
        inputs = channels(self.bands, config.validity)
        self.encoder = ResNet50(inputs, base=config.base, output_stride=16, slim=config.slim)
        self.pyramid = PyramidPooling(
            self.encoder.widths[-1], width, width, dilations=config.dilations, group=SeparableGroup
        )
        self.early = ConvBnRelu(self.encoder.widths[1], config.early, 1)
        self.join = nn.Sequential(SeparableGroup(width + config.early, width), SeparableGroup(width, width))
        self.head = nn.Conv2d(width, config.classes, 1)

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, self.multiple)
        features = self.encoder(with_validity(x_BCHW, self.config.validity))
        deep = _enlarged(self.pyramid(features[-1]))
        joined = self.join(torch.cat((deep, self.early(features[1])), dim=1))
        return Output(_enlarged(self.head(joined)))


def _enlarged(x_BCHW: Tensor) -> Tensor:
    return F.interpolate(x_BCHW, scale_factor=4, mode="bilinear", align_corners=False)
