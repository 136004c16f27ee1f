"""FC-DenseNet (Jegou et al., 2017), LandCover3m's baseline: dense blocks; only what one adds goes up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isamap.training.models.layers import check_choice
from isamap.training.models.output import Network, Output, check_bands, check_input
from isamap.training.models.reach import Reach

# As the published sizes 67 and 103 have it.
STEM = 48
# name -> growth, layers of the five blocks down, layers of the bottleneck; the way up mirrors the way down
SIZES = {"56": (12, (4,) * 5, 4), "67": (16, (5,) * 5, 5), "103": (16, (4, 5, 7, 10, 12), 15)}


@dataclass(frozen=True)
class FCDenseNetConfig:
    """FC-DenseNet's constructor values; LandCover3m prints a size of 64, which was never published
    (docs/reference/networks.md, "Other networks").
    """

    classes: int = 2
    size: str = "67"
    # As Jegou et al. train it.
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check_choice("size", self.size, tuple(SIZES))
        if self.classes < 2 or not 0 <= self.dropout < 1:
            raise ValueError(f"{self}: expected two or more classes and dropout from 0 to below 1")


class DenseBlock(nn.ModuleList):
    """Layers of normalisation, ReLU, 3x3 convolution, dropout; each sees the input and all layers before it.

    Gives (input and all that was added, what was added).
    """

    def __init__(self, inputs: int, growth: int, layers: int, *, dropout: float) -> None:
        super().__init__(_layer(inputs + i * growth, growth, 3, dropout) for i in range(layers))

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        everything, added = x_BCHW, []
        for layer in self:
            added.append(layer(everything))
            everything = torch.cat((everything, added[-1]), dim=1)
        return everything, torch.cat(added, dim=1)


class FCDenseNet(Network):
    """Logits from the stacked bands; rows and columns are multiples of 32. Its receptive field is finite."""

    scale = 1
    window = 128
    lattice = 96
    multiple = 32

    def __init__(self, bands: Sequence[str], config: FCDenseNetConfig | None = None) -> None:
        super().__init__()
        config = config or FCDenseNetConfig()
        self.bands, self.config = check_bands(bands), config
        self.growth, self.down_layers, self.middle_layers = SIZES[config.size]
        self.stem = nn.Conv2d(len(self.bands), STEM, 3, padding=1)
        skips = self._build_way_down()
        self._build_way_up(skips)

    def _build_way_down(self) -> list[int]:
        """The blocks down and the bottleneck; the widths that the way up joins."""
        width, skips, drop = STEM, [], self.config.dropout
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        for layers in self.down_layers:
            self.down.append(DenseBlock(width, self.growth, layers, dropout=drop))
            width += layers * self.growth
            skips.append(width)
            self.shrink.append(nn.Sequential(_layer(width, width, 1, drop), nn.MaxPool2d(2)))
        self.bottleneck = DenseBlock(width, self.growth, self.middle_layers, dropout=drop)
        return skips

    def _build_way_up(self, skips: list[int]) -> None:
        self.grow, self.up = nn.ModuleList(), nn.ModuleList()
        # Only what a block added goes up: with its input, widths would double at each step.
        added = self.middle_layers * self.growth
        for layers, skip in zip(reversed(self.down_layers), reversed(skips), strict=True):
            self.grow.append(nn.ConvTranspose2d(added, added, 3, 2, padding=1, output_padding=1))
            self.up.append(DenseBlock(added + skip, self.growth, layers, dropout=self.config.dropout))
            width, added = added + skip + layers * self.growth, layers * self.growth
        self.head = nn.Conv2d(width, self.config.classes, 1)

    @property
    def halo(self) -> int | None:
        """Pixels around an aligned tile that its logits depend on."""
        state, skips = Reach.input().conv(3), []
        for layers in self.down_layers:
            skips.append(state.conv(3, times=layers))
            state = skips[-1].conv(2, 2)
        state = state.conv(3, times=self.middle_layers)
        for layers, skip in zip(reversed(self.down_layers), reversed(skips), strict=True):
            state = state.transposed().join(skip).conv(3, times=layers)
        return state.halo(self.multiple)

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, self.multiple)
        state, skips = self.stem(x_BCHW), []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            skips.append(block(state)[0])
            state = shrink(skips[-1])
        added = self.bottleneck(state)[1]
        for grow, block, skip in zip(self.grow, self.up, reversed(skips), strict=True):
            everything, added = block(torch.cat((grow(added), skip), dim=1))
        return Output(self.head(everything))


def _layer(inputs: int, outputs: int, kernel: int, dropout: float) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    return nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), conv, nn.Dropout2d(dropout))
