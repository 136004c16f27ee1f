"""RU-Net++: a ResNet-50 encoder with attention, pyramid pooling, and a gated U-shaped decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isamap.training.models.attention import BoundaryEnhancement, DualAttention, PyramidPooling, SpatialAttention
from isamap.training.models.layers import ConvBnRelu, DoubleConv, SqueezeExcitation, check_choice
from isamap.training.models.output import Network, Output, check_bands, check_input
from isamap.training.models.reach import Reach
from isamap.training.models.resnet import BASE, ResNet50
from isamap.training.models.slim import SlimValues
from isamap.training.models.validity import channels, later, with_validity

VARIANTS = ("table", "text", "dilated")
GATES = ("both", "dual", "spatial", "channel", "bem", "none")
CHANNEL_ATTENTION_AT = ("last", "stage3")
LEVELS = (16, 8, 4, 2)  # widths of Levels 4 to 1, in units of the base width
PLAIN = {"spatial_att": False, "channel_att": False, "aspp": False, "skip_att": False, "gates": ("none",) * 4}
GATE_KERNEL = {"spatial": 7, "bem": 5, "none": 1}  # side of what a gate looks at; the others see the whole window


@dataclass(frozen=True)
class RUNetPPConfig(SlimValues):
    """RU-Net++'s constructor values; docs/reference/networks.md, "RU-Net++" says how the paper's contradictions were
    read.

    variant: where the encoder ends ("table" layer4 at 1/32, "text" layer3 at 1/16, "dilated" layer4 at 1/16).
    gates: of Levels 4 to 1; Table 2 of the paper prints ("spatial", "dual", "channel", "bem"). `**PLAIN` is the
    baseline; Exp-A to D each turn one switch of it on: spatial_att, channel_att, aspp, skip_att. channel_att_at: after
    which layer of the encoder, "stage3" as Table 2 prints it and recipes have it, or the "last" as in earlier
    checkpoints. base: ResNet's width. least_hidden: hidden units of channel attention at least; 1 in checkpoints that
    do not say it. validity: whether the share of known bands is one more input (models/validity.py).
    prune, ratio, round_to, rounding: of a pruned network (models/slim.py).
    """

    classes: int = 2
    variant: str = "table"
    spatial_att: bool = True
    channel_att: bool = True
    channel_att_at: str = "last"
    aspp: bool = True
    # DeepLab's width: the printed 4,096 channels cannot be five equal branches (docs/reference/paper-rows.md, row 53).
    aspp_mid: int = 256
    skip_att: bool = True
    gates: tuple[str, ...] = ("both", "dual", "spatial", "bem")
    reduction: int = 16
    base: int = BASE
    # The paper's patches (section 2.2).
    window: int = 512
    validity: bool = later(False)
    least_hidden: int = later(1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gates", tuple(self.gates))
        check_choice("variant", self.variant, VARIANTS)
        check_choice("channel_att_at", self.channel_att_at, CHANNEL_ATTENTION_AT)
        for gate in self.gates:
            check_choice("gate", gate, GATES)
        counts = (self.reduction, self.aspp_mid, self.base, self.least_hidden)
        if len(self.gates) != len(LEVELS) or self.classes < 2 or min(counts) < 1:
            raise ValueError(f"{self}: expected four gates, two or more classes, the rest positive")
        if self.window < 128 or self.window % 32:
            raise ValueError(f"window {self.window}: expected a multiple of 32 of at least 128 pixels")


class Level(nn.Module):
    """A step up: 1x1 group to the new width, twice the size, the skip beside it, two 3x3 groups, a gate."""

    def __init__(self, inputs: int, skip: int, outputs: int, config: RUNetPPConfig, gate: str) -> None:
        super().__init__()
        self.narrow = ConvBnRelu(inputs, outputs, 1)
        aligned = outputs if config.skip_att else skip
        self.align = nn.Sequential(ConvBnRelu(skip, outputs, 1), SpatialAttention()) if config.skip_att else None
        self.convs = DoubleConv(outputs + aligned, outputs, config.slim.inner(outputs))
        self.gate = _gate(gate, outputs, config)

    def forward(self, state: Tensor, skip: Tensor) -> Tensor:
        up = F.interpolate(self.narrow(state), scale_factor=2, mode="bilinear", align_corners=False)
        aligned = skip if self.align is None else self.align(skip)
        return self.gate(self.convs(torch.cat((up, aligned), dim=1)))


class RUNetPP(Network):
    """Logits from the stacked bands; input rows and columns are multiples of 32.

    Channel attention and pyramid pooling see the whole window: then `halo` is None and maps are made of windows of
    the training size. The decoder ends at half size; the logits are doubled bilinearly (docs/reference/networks.md,
    "RU-Net++").
    """

    scale = 1
    multiple = 32

    def __init__(self, bands: Sequence[str], config: RUNetPPConfig | None = None) -> None:
        super().__init__()
        config = config or RUNetPPConfig()
        self.bands, self.config = check_bands(bands), config
        # Windows overlap by a quarter: attention over a whole window differs from one to the next.
        self.window, self.lattice = config.window, config.window * 3 // 4
        self._build_encoder()
        self._build_decoder()

    def _build_encoder(self) -> None:
        config = self.config
        short, stride = config.variant == "text", 32 if config.variant == "table" else 16
        self.encoder = ResNet50(
            channels(self.bands, config.validity),
            base=config.base,
            output_stride=stride,
            layers=3 if short else 4,
            slim=config.slim,
        )
        widths, deep = self.encoder.widths, self.encoder.widths[-1]
        # the encoder goes on from the attended features, and the decoder joins them
        attention: dict[int, nn.Module] = {1: SpatialAttention()} if config.spatial_att else {}
        if config.channel_att:
            level = 3 if config.channel_att_at == "stage3" else len(widths) - 1
            attention[level] = SqueezeExcitation(widths[level], config.reduction, config.least_hidden)
        self.attention = nn.ModuleDict({str(level): module for level, module in attention.items()})
        # DeepLab's rates for an encoder of 1/16.
        pooled: dict[str, Any] = {"dilations": (6, 12, 18)}
        self.pyramid = PyramidPooling(deep, config.aspp_mid, deep, **pooled) if config.aspp else nn.Identity()

    def _build_decoder(self) -> None:
        config, widths = self.config, self.encoder.widths
        outputs = tuple(config.base * factor for factor in LEVELS)
        # without the last halving Level 4 has no finer features to join: it only narrows and gates
        self.bottom, first = None, 0
        if config.variant != "table":
            gate = _gate(config.gates[0], outputs[0], config)
            self.bottom, first = nn.Sequential(ConvBnRelu(widths[-1], outputs[0], 1), gate), 1
        inputs, skips = (widths[-1], *outputs), widths[3::-1]
        self.levels = nn.ModuleList(
            Level(inputs[i], skips[i], outputs[i], config, config.gates[i]) for i in range(first, len(LEVELS))
        )
        self.head = nn.Conv2d(outputs[-1], config.classes, 1)

    @property
    def halo(self) -> int | None:
        """Pixels around an aligned tile that its logits depend on; None where a block sees the whole window."""
        config = self.config
        if config.channel_att or config.aspp or not set(config.gates) <= set(GATE_KERNEL):
            return None
        return self._reach().halo(self.multiple)

    def _reach(self) -> Reach:
        config = self.config
        features = self.encoder.reaches({1: 7} if config.spatial_att else {})
        state = features[-1] if self.bottom is None else features[-1].conv(GATE_KERNEL[config.gates[0]])
        for level, gate in zip(range(len(self.levels) - 1, -1, -1), config.gates[-len(self.levels) :], strict=True):
            skip = features[level].conv(7) if config.skip_att else features[level]
            state = state.enlarge(2).join(skip).conv(3, times=2).conv(GATE_KERNEL[gate])
        return state.enlarge(2)

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, self.multiple)
        x_BCHW = with_validity(x_BCHW, self.config.validity)
        features = self.encoder(x_BCHW, {int(stage): module for stage, module in self.attention.items()})
        state = self.pyramid(features[-1])
        if self.bottom is not None:
            state = self.bottom(state)
        for level, skip in zip(self.levels, reversed(features[: len(self.levels)]), strict=True):
            state = level(state, skip)
        return Output(F.interpolate(self.head(state), scale_factor=2, mode="bilinear", align_corners=False))


def _gate(attention: str, channels: int, config: RUNetPPConfig) -> nn.Module:
    """The attention at the end of a level; "both" is channel, then spatial attention (RU-Net++'s ChannelGate)."""
    squeezed = (channels, config.reduction, config.least_hidden)
    makers = {
        "both": lambda: nn.Sequential(SqueezeExcitation(*squeezed), SpatialAttention()),
        "dual": lambda: DualAttention(*squeezed),
        "spatial": SpatialAttention,
        "channel": lambda: SqueezeExcitation(*squeezed),
        "bem": lambda: BoundaryEnhancement(channels),
        "none": nn.Identity,
    }
    return makers[attention]()
