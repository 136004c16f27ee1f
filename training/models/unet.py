"""U-Net on the stacked bands, with CroFuseNet's widths: that paper's strongest baseline (CroFuseNet section IV-A)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from isamap.training.models.layers import HEADS, UPS, Decoder, Encoder, check_choice, head
from isamap.training.models.output import Network, Output, check_bands, check_input
from isamap.training.models.reach import Reach, unet_reach
from isamap.training.models.slim import DOWN, WHOLE, WITHIN_BLOCKS, Slim
from isamap.training.models.validity import channels, later, with_validity


@dataclass(frozen=True)
class UNetConfig:
    """U-Net's constructor values; widths 64 to 1024 are the original's.

    prune, ratio, round_to, rounding: of a pruned network (models/slim.py), within blocks only. validity: whether the
    share of known bands is one more input (models/validity.py).
    """

    classes: int = 2
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    up: str = "convT"
    head: str = "conv3"
    prune: str = WHOLE
    ratio: float = 0.0
    round_to: int = 1
    rounding: str = later(DOWN)
    validity: bool = later(False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        object.__setattr__(self, "ratio", float(self.ratio))
        check_choice("prune", self.prune, WITHIN_BLOCKS)
        Slim(self.prune, self.ratio, self.round_to, self.rounding)
        check_choice("up", self.up, UPS)
        check_choice("head", self.head, HEADS)
        if len(self.widths) < 2 or min(self.widths) < 1 or self.classes < 2:
            raise ValueError(f"{self}: expected two or more widths and two or more classes")


class UNet(Network):
    """Logits from the stacked bands; its receptive field is finite, so tiles with a halo equal the whole image."""

    scale = 1
    window = 128
    lattice = 96

    def __init__(self, bands: Sequence[str], config: UNetConfig | None = None) -> None:
        super().__init__()
        config = config or UNetConfig()
        self.bands, self.config = check_bands(bands), config
        inner = Slim(config.prune, config.ratio, config.round_to, config.rounding).inner
        self.encoder = Encoder(channels(self.bands, config.validity), config.widths, inner)
        self.decoder = Decoder(config.widths, config.up, inner)
        self.head = head(config.head, config.widths[0], config.classes)

    @property
    def multiple(self) -> int:
        return 2 ** (len(self.config.widths) - 1)

    @property
    def halo(self) -> int | None:
        """Pixels around an aligned tile that its logits depend on."""
        levels, config = len(self.config.widths), self.config
        return unet_reach(levels, Reach.input(), up=config.up, head=config.head).halo(self.multiple)

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, self.multiple)
        *skips, state = self.encoder(with_validity(x_BCHW, self.config.validity))
        for up, skip in zip(self.decoder, reversed(skips), strict=True):
            state = up(state, skip)
        return Output(self.head(state))
