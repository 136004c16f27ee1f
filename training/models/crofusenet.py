"""CroFuseNet: optical and SAR branches whose features cross-fuse into a third, shared branch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isamap.training.models.layers import (
    HEADS,
    UPS,
    ConvBnRelu,
    Decoder,
    Encoder,
    SqueezeExcitation,
    check_choice,
    head,
)
from isamap.training.models.output import Network, Output, channels_at, check_bands, check_input, is_sar
from isamap.training.models.reach import Reach, unet_reach
from isamap.training.models.slim import DOWN, WHOLE, WITHIN_BLOCKS, Slim
from isamap.training.models.validity import channels, later, with_validity

CFMS = ("cross", "concat", "none")


@dataclass(frozen=True)
class CroFuseConfig:
    """CroFuseNet's constructor values; the defaults are the paper's network (Case 5 of Table IV).

    Cases 1 to 4: (cfm="none", mfa=False), (cfm="none"), (mfa=False), (cfm="concat"). prune, ratio, round_to,
    rounding: of a pruned network (models/slim.py), within blocks only. validity: whether the share of known bands is
    one more input of each branch (models/validity.py). least_hidden: hidden units of channel attention at least, 4 in
    recipes; 1, which the paper's r = 16 alone gives at small widths, in checkpoints that do not say it.
    """

    classes: int = 2
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    # The paper's r (section III-A).
    reduction: int = 16
    cfm: str = "cross"
    mfa: bool = True
    up: str = "convT"
    head: str = "conv3"
    prune: str = WHOLE
    ratio: float = 0.0
    round_to: int = 1
    rounding: str = later(DOWN)
    validity: bool = later(False)
    least_hidden: int = later(1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        object.__setattr__(self, "ratio", float(self.ratio))
        check_choice("prune", self.prune, WITHIN_BLOCKS)
        check_choice("cfm", self.cfm, CFMS)
        check_choice("up", self.up, UPS)
        check_choice("head", self.head, HEADS)
        if (
            len(self.widths) < 2
            or min(self.widths) < 1
            or self.classes < 2
            or min(self.reduction, self.least_hidden) < 1
        ):
            raise ValueError(f"{self}: expected two or more widths, two or more classes, and positive numbers")
        Slim(self.prune, self.ratio, self.round_to, self.rounding)

    @property
    def inner(self) -> Callable[[int], int]:
        """The channels between a block's two groups, for a block of this width."""
        return Slim(self.prune, self.ratio, self.round_to, self.rounding).inner


class CrossFusion(nn.Module):
    """Optical and SAR features of one level made one, with the shared features of the level above (CroFuseNet eqs.
    1-5).

    With cfm "concat" the two are only put side by side (Case 4).
    """

    def __init__(self, channels: int, previous: int, config: CroFuseConfig) -> None:
        super().__init__()
        self.crossed = config.cfm == "cross"
        if self.crossed:
            self.optical, self.sar = (
                nn.Sequential(
                    SqueezeExcitation(channels, config.reduction, config.least_hidden), ConvBnRelu(channels, channels)
                )
                for _ in range(2)
            )
        self.fuse = ConvBnRelu(2 * channels, channels)
        self.join = ConvBnRelu(channels + previous, channels)

    def forward(self, optical: Tensor, sar: Tensor, previous: Tensor | None) -> Tensor:
        if self.crossed:
            o, s = self.optical(optical), self.sar(sar)
            # The product keeps what both see, the maximum what either sees (equations 1 to 5).
            optical, sar = o * s, torch.maximum(o, s)
        fused = self.fuse(torch.cat((optical, sar), dim=1))
        if previous is not None:
            fused = torch.cat((fused, F.max_pool2d(previous, 2)), dim=1)
        return self.join(fused)


class FusedEncoder(nn.ModuleList):
    """The shared branch's way down: a cross fusion per level, nothing joined at the first."""

    def __init__(self, config: CroFuseConfig) -> None:
        above = (0, *config.widths[:-1])
        super().__init__(CrossFusion(c, p, config) for c, p in zip(config.widths, above, strict=True))

    def forward(self, optical: Sequence[Tensor], sar: Sequence[Tensor]) -> list[Tensor]:
        features: list[Tensor] = []
        for fusion, o, s in zip(self, optical, sar, strict=True):
            features.append(fusion(o, s, features[-1] if features else None))
        return features


class CroFuseNet(Network):
    """Logits of the shared branch; the optical and SAR branches' logits beside them for the loss (CroFuseNet section
    III).

    bands: names in the order of x_BCHW's channels; VV, VH, HH, HV are SAR, all others optical, any number of each.
    Input rows and columns are multiples of `multiple`. Squeeze-excitation sees the whole window, so a map is made
    of windows of the training size on a lattice; without it (cfm "concat" or "none") `halo` is finite.
    """

    scale = 1
    window = 128
    # Windows overlap by a quarter: squeeze-excitation over a window differs from one to the next.
    lattice = 96

    def __init__(self, bands: Sequence[str], config: CroFuseConfig | None = None) -> None:
        super().__init__()
        config = config or CroFuseConfig()
        self.bands, self.config = check_bands(bands), config
        self.optical_at = [i for i, name in enumerate(self.bands) if not is_sar(name)]
        self.sar_at = [i for i, name in enumerate(self.bands) if is_sar(name)]
        if not self.optical_at or not self.sar_at:
            raise ValueError(f"bands {', '.join(self.bands)}: CroFuseNet needs at least one optical and one SAR band")
        self._build_ways_down()
        self._build_ways_up()

    def _build_ways_down(self) -> None:
        config = self.config
        optical, sar, every = (channels(at, config.validity) for at in (self.optical_at, self.sar_at, self.bands))
        self.optical_encoder = Encoder(optical, config.widths, config.inner)
        self.sar_encoder = Encoder(sar, config.widths, config.inner)
        # without fusion the shared branch is a U-Net on all bands (docs/reference/networks.md, "CroFuseNet: open
        # points")
        plain = config.cfm == "none"
        self.shared_encoder = Encoder(every, config.widths, config.inner) if plain else FusedEncoder(config)

    def _build_ways_up(self) -> None:
        config, upward = self.config, tuple(reversed(self.config.widths[:-1]))
        self.optical_decoder, self.sar_decoder, self.shared_decoder = (
            Decoder(config.widths, config.up, config.inner) for _ in range(3)
        )
        self.aggregations = nn.ModuleList(ConvBnRelu(3 * c, c, 1) for c in upward) if config.mfa else None
        self.optical_head, self.sar_head, self.shared_head = (
            head(config.head, config.widths[0], config.classes) for _ in range(3)
        )

    @property
    def multiple(self) -> int:
        return 2 ** (len(self.config.widths) - 1)

    @property
    def halo(self) -> int | None:
        """Pixels around an aligned tile that its logits depend on; None where it is the whole window."""
        if self.config.cfm == "cross":
            return None
        levels, config = len(self.config.widths), self.config
        # `fuse` and `join` are a 3x3 group each.
        fusion = 0 if config.cfm == "none" else 2
        reach = unet_reach(levels, Reach.input(), up=config.up, head=config.head, fusion=fusion)
        return reach.halo(self.multiple)

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, self.multiple)
        validity, plain = self.config.validity, self.config.cfm == "none"
        optical = self.optical_encoder(with_validity(channels_at(x_BCHW, self.optical_at), validity))
        sar = self.sar_encoder(with_validity(channels_at(x_BCHW, self.sar_at), validity))
        shared = self.shared_encoder(with_validity(x_BCHW, validity)) if plain else self.shared_encoder(optical, sar)
        o, s, c = self._way_up(optical, sar, shared)
        return Output(self.shared_head(c), (self.optical_head(o), self.sar_head(s)))

    def _way_up(self, optical: list[Tensor], sar: list[Tensor], shared: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        o, s, c = optical[-1], sar[-1], shared[-1]
        for step, level in enumerate(range(len(shared) - 2, -1, -1)):
            o = self.optical_decoder[step](o, optical[level])
            s = self.sar_decoder[step](s, sar[level])
            c = self.shared_decoder[step](c, shared[level])
            if self.aggregations is not None:
                c = self.aggregations[step](torch.cat((c, o, s), dim=1))
        return o, s, c
