"""The baseline of JointSeg's claim: bands enlarged bilinearly to ten times their size, then segmented by a U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

from torch import Tensor

from training.models.output import Network, Output, check_bands, check_input
from training.models.phases import enlarge
from training.models.reach import Reach, unet_reach
from training.models.sharpened import STEPS
from training.models.unet import UNet, UNetConfig
from training.models.validity import later, mean_of_values


@dataclass(frozen=True)
class BilinearUNetConfig:
    """The U-Net's constructor values; JointSeg prints none, so widths are chosen to match what it is compared with.

    validity: whether the share of known bands is one more input (models/validity.py).
    """

    classes: int = 2
    widths: tuple[int, ...] = (32, 64, 128, 256)
    validity: bool = later(False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", self.unet.widths)  # its checks are ours

    @property
    def unet(self) -> UNetConfig:
        """The U-Net's own constructor values."""
        return UNetConfig(classes=self.classes, widths=self.widths, head="1x1", validity=self.validity)


class BilinearUNet(Network):
    """Logits at ten times the input's size: fixed-phase bilinear enlargement (models/phases.py), then a U-Net.

    x: (batch, bands, rows, columns), or (batch, dates, bands, rows, columns): then the mean of each band's known
    dates is the input.
    Its receptive field is finite, so tiles with a halo equal the whole image.
    """

    scale = STEPS[1]
    window = 64
    lattice = 48
    dates = True

    def __init__(self, bands: Sequence[str], config: BilinearUNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or BilinearUNetConfig()
        self.bands = check_bands(bands)
        self.unet = UNet(self.bands, self.config.unet)

    @property
    def multiple(self) -> int:
        """Input pixels whose enlargement the U-Net can halve often enough."""
        return lcm(self.scale, self.unet.multiple) // self.scale

    @property
    def halo(self) -> int:
        """Input pixels around an aligned tile that its logits depend on."""
        enlarged = Reach.input().enlarge(self.scale)
        return unet_reach(len(self.config.widths), enlarged).halo(self.multiple, self.scale)

    def forward(self, x: Tensor) -> Output:
        x_BCHW = mean_of_values(x) if x.ndim == 5 else x
        check_input(x_BCHW, self.bands, self.multiple)
        return self.unet(enlarge(x_BCHW, self.scale))
