"""The baseline of JointSeg's claim: bands enlarged bilinearly to ten times their size, then segmented by a U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any

from torch import Tensor

from isamap.training.models.output import Network, Output, check_bands, check_input
from isamap.training.models.phases import KINDS, enlarge
from isamap.training.models.reach import Reach, unet_reach
from isamap.training.models.sharpened import STEPS
from isamap.training.models.slim import SlimValues
from isamap.training.models.unet import UNet, UNetConfig
from isamap.training.models.validity import later, mean_of_values


@dataclass(frozen=True)
class BilinearUNetConfig(SlimValues):
    """The U-Net's constructor values; JointSeg prints none, so widths are chosen to match what it is compared with.

    validity: whether the share of known bands is one more input (models/validity.py). times: output pixels per input
    pixel. method: of enlargement (models/phases.py).
    prune, ratio, round_to, rounding: of a pruned network (models/slim.py).
    """

    classes: int = 2
    widths: tuple[int, ...] = (32, 64, 128, 256)
    validity: bool = later(False)
    times: int = later(STEPS[1])
    method: str = later("bilinear")

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", self.unet.widths)  # its checks are ours
        if self.times < 2 or self.method not in KINDS:
            raise ValueError(
                f"times {self.times}, method {self.method!r}: expected 2 or more, one of {', '.join(KINDS)}"
            )

    @property
    def unet(self) -> UNetConfig:
        """The U-Net's own constructor values."""
        rule: dict[str, Any] = {
            "prune": self.prune,
            "ratio": self.ratio,
            "round_to": self.round_to,
            "rounding": self.rounding,
        }
        return UNetConfig(classes=self.classes, widths=self.widths, head="1x1", validity=self.validity, **rule)


class BilinearUNet(Network):
    """Logits at `times` the input's size: fixed-phase enlargement (models/phases.py), then a U-Net.

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
        self.bands, self.scale = check_bands(bands), self.config.times
        self.unet = UNet(self.bands, self.config.unet)

    @property
    def multiple(self) -> int:
        """Input pixels whose enlargement the U-Net can halve often enough."""
        return lcm(self.scale, self.unet.multiple) // self.scale

    @property
    def halo(self) -> int:
        """Input pixels around an aligned tile that its logits depend on."""
        enlarged = Reach.input().enlarge(self.scale, self.config.method)
        return unet_reach(len(self.config.widths), enlarged).halo(self.multiple, self.scale)

    def forward(self, x: Tensor) -> Output:
        x_BCHW = mean_of_values(x) if x.ndim == 5 else x
        check_input(x_BCHW, self.bands, self.multiple)
        return self.unet(enlarge(x_BCHW, self.scale, self.config.method))
