"""A U-Net that attends to dates: U-TAE's way of using L-TAE, in a light form, with the day of year and missing dates.

U-TAE: Garnot and Landrieu 2021, arXiv 2107.07933, section 3 (encoder shared by the dates, attention at the coarsest
level, its masks enlarged for the finer ones). L-TAE: Garnot and Landrieu 2020, arXiv 2007.00586, section 3 (a learned
query for each head, channels shared out among heads). Ours: harmonics of the year as positions, known pixels as masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, pi

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isamap.gee_export.base.band_globs import DAY
from isamap.training.models.layers import Decoder, head
from isamap.training.models.output import Network, Output, channels_at, check_bands, check_input

DAYS_OF_YEAR = 365.25
GROUPS = 4  # of group normalisation: a missing date must not change the others, which batch statistics would


@dataclass(frozen=True)
class UTAEConfig:
    """U-TAE's constructor values. heads: of the attention, a divisor of every width. key: numbers that a head compares.

    harmonics: of the year that say the day.
    """

    classes: int = 2
    widths: tuple[int, ...] = (32, 64, 128)
    heads: int = 8
    # U-TAE's own length of a key; its 16 heads are halved.
    key: int = 4
    harmonics: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(int(width) for width in self.widths))
        if len(self.widths) < 2 or min(*self.widths, self.heads, self.key, self.harmonics) < 1 or self.classes < 2:
            raise ValueError(f"{self}: expected two or more widths and classes, and positive numbers")
        if any(width % self.heads for width in self.widths):
            raise ValueError(f"heads {self.heads}: expected a divisor of the widths {self.widths}")


class DateAttention(nn.Module):
    """Weights of dates (batch, dates, heads, rows, columns) that sum to 1 over known ones, 0 of all others."""

    def __init__(self, width: int, config: UTAEConfig) -> None:
        super().__init__()
        self.config = config
        self.position = nn.Linear(2 * config.harmonics, width, bias=False)
        self.keys = nn.Conv2d(width, config.heads * config.key, 1, groups=config.heads)
        self.query = nn.Parameter(torch.randn(config.heads, config.key))

    def forward(self, features_BTCHW: Tensor, day_BT: Tensor, known_BT1HW: Tensor) -> Tensor:
        batch, dates = day_BT.shape
        placed = features_BTCHW + self.position(harmonics(day_BT, self.config.harmonics))[..., None, None]
        keys = self.keys(placed.flatten(0, 1)).unflatten(1, self.query.shape)
        # Divided by the root of the key's length, as in L-TAE: products grow with it and would sharpen the softmax.
        scores = (keys * self.query[None, :, :, None, None]).sum(dim=2) / self.config.key**0.5
        return softmax_of_known(scores.unflatten(0, (batch, dates)), known_BT1HW)


class UTAE(Network):
    """Logits at the input's size from (batch, dates, bands, rows, columns), or from one date without that axis.

    A last band DAY is the day of year (1 to 366, 0 unknown), the same at all pixels of a date. A date counts at a pixel
    where any other band is known there (not 0). The order of dates and further missing ones change nothing.
    """

    scale = 1
    window = 64
    lattice = 48
    dates = True
    days = True
    halo = None  # group normalisation looks at the whole window

    def __init__(self, bands: Sequence[str], config: UTAEConfig | None = None) -> None:
        super().__init__()
        self.bands, self.config = check_bands(bands), config or UTAEConfig()
        widths, self.seen_at = self.config.widths, [at for at, name in enumerate(self.bands) if name != DAY]
        self.blocks = nn.ModuleList(_block(i, o) for i, o in zip((len(self.seen_at), *widths), widths, strict=False))
        self.attention = DateAttention(widths[-1], self.config)
        self.mixes = nn.ModuleList(nn.Conv2d(width, width, 1) for width in widths)
        self.decoder = Decoder(widths, "bilinear")
        self.head = head("1x1", widths[0], self.config.classes)

    @property
    def multiple(self) -> int:
        return int(2 ** (len(self.config.widths) - 1))

    def forward(self, x: Tensor) -> Output:
        x_BTCHW = x[:, None] if x.ndim == 4 else x
        check_input(x_BTCHW[:, 0], self.bands, self.multiple)
        seen = channels_at(x_BTCHW, self.seen_at)
        is_known = (seen != 0).to(seen.dtype).amax(dim=2, keepdim=True)
        features, knowns = self._encoded(seen), _pooled(is_known, len(self.blocks))
        weights = self.attention(features[-1], self._day(x_BTCHW), knowns[-1])
        *skips, state = (
            mix(weighted(each, at_size(weights, of_level)))
            for mix, each, of_level in zip(self.mixes, features, knowns, strict=True)
        )
        for up, skip in zip(self.decoder, reversed(skips), strict=True):
            state = up(state, skip)
        return Output(self.head(state))

    def _encoded(self, x_BTCHW: Tensor) -> list[Tensor]:
        """Features of every date at every level."""
        batch, dates = x_BTCHW.shape[:2]
        features = [self.blocks[0](x_BTCHW.flatten(0, 1))]
        for block in self.blocks[1:]:
            features.append(block(F.max_pool2d(features[-1], 2)))
        return [each.unflatten(0, (batch, dates)) for each in features]

    def _day(self, x_BTCHW: Tensor) -> Tensor:
        """Day of year of each date, 0 where it is unknown."""
        if DAY not in self.bands:
            return x_BTCHW.new_zeros(x_BTCHW.shape[:2])
        return x_BTCHW[:, :, self.bands.index(DAY)].amax(dim=(2, 3))


def harmonics(day_BT: Tensor, count: int) -> Tensor:
    """Sine and cosine of so many harmonics of the year, (batch, dates, 2 x count); 0 of an unknown day."""
    steps = torch.arange(1, count + 1, dtype=day_BT.dtype, device=day_BT.device)
    angles = day_BT[..., None] * (2 * pi / DAYS_OF_YEAR) * steps
    return torch.cat((angles.sin(), angles.cos()), dim=-1) * (day_BT > 0).to(day_BT.dtype)[..., None]


def softmax_of_known(scores_BTGHW: Tensor, known_BT1HW: Tensor) -> Tensor:
    """Softmax over dates that leaves unknown ones out; all 0 where no date is known."""
    # Finite: where no date is known, minus infinity less minus infinity would be NaN.
    lowest = torch.finfo(scores_BTGHW.dtype).min
    top = scores_BTGHW.masked_fill(known_BT1HW == 0, lowest).amax(dim=1, keepdim=True)
    weights = (scores_BTGHW - top).clamp(max=0).exp() * known_BT1HW
    return weights / weights.sum(dim=1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)


def at_size(weights_BTGHW: Tensor, known_BT1HW: Tensor) -> Tensor:
    """The weights of a coarser level, bilinear, on the dates that are known at this one; summing to 1 over them."""
    if weights_BTGHW.shape[3:] == known_BT1HW.shape[3:]:
        return weights_BTGHW
    batch, dates = weights_BTGHW.shape[:2]
    size = list(known_BT1HW.shape[3:])
    finer = F.interpolate(weights_BTGHW.flatten(0, 1), size=size, mode="bilinear", align_corners=False)
    kept = finer.unflatten(0, (batch, dates)) * known_BT1HW
    return kept / kept.sum(dim=1, keepdim=True).clamp(min=torch.finfo(kept.dtype).tiny)


def weighted(features_BTCHW: Tensor, weights_BTGHW: Tensor) -> Tensor:
    """The dates' weighted sum, each head's weights on its share of the channels (batch, channels, rows, columns)."""
    heads = weights_BTGHW.shape[2]
    shared = features_BTCHW.unflatten(2, (heads, features_BTCHW.shape[2] // heads))
    return (shared * weights_BTGHW[:, :, :, None]).sum(dim=1).flatten(1, 2)


def _pooled(known_BT1HW: Tensor, levels: int) -> list[Tensor]:
    """Where each date is known at every level: at any pixel of a coarser one."""
    batch, dates = known_BT1HW.shape[:2]
    levels_known = [known_BT1HW.flatten(0, 1)]
    for _ in range(levels - 1):
        levels_known.append(F.max_pool2d(levels_known[-1], 2))
    return [each.unflatten(0, (batch, dates)) for each in levels_known]


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with group normalisation and ReLU."""
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1), nn.GroupNorm(gcd(GROUPS, outputs), outputs), nn.ReLU()]
    return nn.Sequential(*layers)
