"""The literal cascade of JointSeg: two ESRGAN stages sharpen 10 m to 1 m, a U-Net segments the result; its
discriminator.

What Prog-ESRGAN's page says is kept (docs/reference/networks.md, "JointSeg: sources"): a x4 stage, then a stage that
sees both the enlarged input and the first result. x2.5 of the second stage is ours: the paper does not say how x4 twice
becomes 1 m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from isamap.training.models.output import Network, channels_at, check_bands, check_input
from isamap.training.models.phases import enlarge
from isamap.training.models.reach import Reach, unet_reach
from isamap.training.models.sharpened import RGB, STEPS, SharpOutput, check_rgb, rgb_positions
from isamap.training.models.unet import UNet, UNetConfig

# 10 m to 2.5 m as ESRGAN does it, in two doublings.
FIRST_UPS = (Fraction(2), Fraction(2))
# 2.5 m to 1 m is 2.5 times: the odd factor first, on fewer pixels.
SECOND_UPS = (Fraction(5, 4), Fraction(2))
RESIDUAL_SCALE, SLOPE = 0.2, 0.2
# Of ESRGAN's dense block, as are the scale of the residuals and the slope.
DENSE_CONVS = 5
# Four halvings of its five widths.
UNET_MULTIPLE = 16


@dataclass(frozen=True)
class ProgESRGANConfig:
    """The cascade's constructor values: width, growth and number of the dense blocks, the U-Net's widths."""

    classes: int = 2
    # ESRGAN's generator RRDBNet-23 (docs/reference/networks.md, "Prog-ESRGAN").
    features: int = 64
    growth: int = 32
    blocks: int = 23
    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    rgb: tuple[str, ...] = RGB

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        object.__setattr__(self, "rgb", check_rgb(self.rgb))
        if min(self.features, self.growth, self.blocks) < 1 or self.classes < 2:
            raise ValueError(f"{self}: expected positive features, growth and blocks and two or more classes")
        if not 2 <= len(self.widths) <= 5 or min(self.widths) < 1:
            raise ValueError(f"widths {self.widths}: expected two to five positive numbers")


class DenseResidual(nn.Module):
    """Five 3x3 convolutions, each of which sees all before it; the last is scaled and added to the input."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        # The last one gives the input's width, to which it is added.
        outputs = [growth] * (DENSE_CONVS - 1) + [features]
        self.convs = nn.ModuleList(nn.Conv2d(features + i * growth, o, 3, padding=1) for i, o in enumerate(outputs))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        seen = x_BCHW
        for conv in self.convs[:-1]:
            seen = torch.cat((seen, F.leaky_relu(conv(seen), SLOPE)), dim=1)
        return x_BCHW + RESIDUAL_SCALE * self.convs[-1](seen)


class ResidualInResidual(nn.Module):
    """Three dense residual blocks, scaled and added to the input (ESRGAN's RRDB)."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseResidual(features, growth) for _ in range(3)))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW + RESIDUAL_SCALE * self.blocks(x_BCHW)


class RRDBNet(nn.Module):
    """ESRGAN's generator (Wang et al., 2018): an RGB image enlarged by the product of `ups`."""

    def __init__(self, inputs: int, config: ProgESRGANConfig, ups: Sequence[Fraction]) -> None:
        super().__init__()
        features, self.ups = config.features, tuple(ups)
        self.first = nn.Conv2d(inputs, features, 3, padding=1)
        self.trunk = nn.Sequential(*(ResidualInResidual(features, config.growth) for _ in range(config.blocks)))
        self.body = nn.Conv2d(features, features, 3, padding=1)
        self.rises = nn.ModuleList(nn.Conv2d(features, features, 3, padding=1) for _ in ups)
        self.high = nn.Conv2d(features, features, 3, padding=1)
        self.last = nn.Conv2d(features, len(config.rgb), 3, padding=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        state = self.first(x_BCHW)
        state = state + self.body(self.trunk(state))
        for rise, factor in zip(self.rises, self.ups, strict=True):
            # Nearest, then a convolution, as ESRGAN's own code enlarges.
            state = F.leaky_relu(rise(enlarge(state, factor, "nearest")), SLOPE)
        return self.last(F.leaky_relu(self.high(state), SLOPE))

    def reach(self, reach: Reach) -> Reach:
        """How far its image looks, if its input looks as far as `reach`."""
        state = reach.conv(3, times=2 + 3 * DENSE_CONVS * len(self.trunk))
        for factor in self.ups:
            state = state.enlarge(factor, "nearest").conv(3)
        return state.conv(3, times=2)


class ProgESRGAN(Network):
    """Logits of a U-Net on the RGB image that two ESRGAN stages sharpened to ten times its size; any size.

    Only the bands named in `rgb` are looked at; tiles are aligned to `multiple`.
    """

    scale = STEPS[1]
    window = 64
    lattice = 48
    multiple = 8  # 80 output pixels: whole numbers of the U-Net's coarsest pixels

    def __init__(self, bands: Sequence[str], config: ProgESRGANConfig | None = None) -> None:
        super().__init__()
        config = config or ProgESRGANConfig()
        self.bands, self.config = check_bands(bands), config
        self.rgb_at = rgb_positions(self.bands, config.rgb)
        self.first = RRDBNet(len(config.rgb), config, FIRST_UPS)
        self.second = RRDBNet(2 * len(config.rgb), config, SECOND_UPS)
        self.unet = UNet(config.rgb, UNetConfig(classes=config.classes, widths=config.widths, head="1x1"))

    @property
    def halo(self) -> int:
        """Input pixels around an aligned tile that its logits depend on."""
        first = self.first.reach(Reach.input())
        second = self.second.reach(first.join(Reach.input().enlarge(STEPS[0], "cubic")))
        return unet_reach(len(self.config.widths), second).halo(self.multiple, self.scale)

    def forward(self, x_BCHW: Tensor) -> SharpOutput:
        check_input(x_BCHW, self.bands, 1)
        rgb = channels_at(x_BCHW, self.rgb_at)
        image_4x = self.first(rgb)
        image = self.second(torch.cat((enlarge(rgb, STEPS[0], "cubic"), image_4x), dim=1))
        return SharpOutput(self._segmented(image), image=image, image_4x=image_4x, image_1x=rgb)

    def _segmented(self, image_BCHW: Tensor) -> Tensor:
        """The U-Net's logits; below and right of an odd image zeros are added and cut off again."""
        height, width = image_BCHW.shape[2:]
        padded = F.pad(image_BCHW, (0, -width % UNET_MULTIPLE, 0, -height % UNET_MULTIPLE))
        return self.unet(padded).logits_BKHW[:, :, :height, :width]


class Discriminator(nn.Module):
    """Per-pixel logits of being a true image: a spectrally normalised U-Net (Real-ESRGAN, Wang et al., 2021).

    Rows and columns of the image are multiples of 8.
    """

    def __init__(self, channels: int = 3, features: int = 64) -> None:
        super().__init__()
        f = features
        self.first = nn.Conv2d(channels, f, 3, padding=1)
        downs = ((f, 2 * f), (2 * f, 4 * f), (4 * f, 8 * f))
        self.down = nn.ModuleList(_normed(i, o, 4, 2) for i, o in downs)
        self.up = nn.ModuleList(_normed(o, i, 3) for i, o in reversed(downs))
        self.end = nn.ModuleList(_normed(f, f, 3) for _ in range(2))
        self.last = nn.Conv2d(f, 1, 3, padding=1)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        if any(size % 8 for size in image_BCHW.shape[2:]):
            raise ValueError(f"image of {tuple(image_BCHW.shape[2:])} pixels: both sides must be multiples of 8")
        features = [F.leaky_relu(self.first(image_BCHW), SLOPE)]
        for down in self.down:
            features.append(F.leaky_relu(down(features[-1]), SLOPE))
        *skips, state = features
        for up, skip in zip(self.up, reversed(skips), strict=True):
            large = F.interpolate(state, scale_factor=2, mode="bilinear", align_corners=False)
            state = F.leaky_relu(up(large), SLOPE) + skip
        for layer in self.end:
            state = F.leaky_relu(layer(state), SLOPE)
        return self.last(state)


# Real-ESRGAN normalises all layers but the first and the last.
def _normed(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=False))
