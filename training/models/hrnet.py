"""HRNet (LandCover3m): branches at four resolutions that exchange features; instance normalisation after the first
layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isamap.training.models.layers import ConvBnRelu, check_choice
from isamap.training.models.output import Network, Output, check_bands, check_input
from isamap.training.models.reach import Reach
from isamap.training.models.resnet import EXPANSION, Bottleneck
from isamap.training.models.slim import DOWN, WHOLE, Slim, places, put
from isamap.training.models.validity import channels, later, with_validity

STEMS = {"paper": (2, 1), "one": (2,), "hrnet": (2, 2)}  # strides of the stem's 3x3 convolutions
NORMS = ("instance", "batch")
# The original's, whatever the width of the branches.
STEM_WIDTH = 64
MODULES = (1, 4, 3)  # of stages 2, 3 and 4
# Of each branch in each module, and of layer 1.
BLOCKS = 4


@dataclass(frozen=True)
class HRNetConfig:
    """HRNet's constructor values; LandCover3m's printed size belongs to classes=10 (docs/reference/networks.md,
    "HRNet").

    width: of the finest branch; each coarser one doubles it. stem: "paper" halves once (strides 2, 1), "one" is a
    single strided convolution as the text has it, "hrnet" the original's strides 2, 2. norm: after the first
    convolution; "batch" is the paper's comparison and gives a finite halo. prune, ratio, round_to, rounding: of a
    pruned network (models/slim.py), whose widths follow from them. validity: whether the share of known bands is one
    more input (models/validity.py).
    """

    classes: int = 7
    width: int = 24
    stem: str = "paper"
    norm: str = "instance"
    # The paper crops 513 pixels; 512 is a multiple of what the network halves (docs/reference/paper-rows.md, row 79).
    window: int = 512
    prune: str = WHOLE
    ratio: float = 0.0
    round_to: int = 1
    rounding: str = later(DOWN)
    validity: bool = later(False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratio", float(self.ratio))
        check_choice("stem", self.stem, tuple(STEMS))
        check_choice("norm", self.norm, NORMS)
        if self.width < 1 or self.classes < 2:
            raise ValueError(f"{self}: expected a positive width and two or more classes")
        if self.window < 128 or self.window % 32:
            raise ValueError(f"window {self.window}: expected a multiple of 32 of at least 128 pixels")
        Slim(self.prune, self.ratio, self.round_to, self.rounding)

    @property
    def slim(self) -> Slim:
        """The widths' rule."""
        return Slim(self.prune, self.ratio, self.round_to, self.rounding)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions added to their input, `added` filters of the second in their places; ReLU after the sum."""

    at: Tensor | None

    def __init__(self, channels: int, inner: int, added: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, added, 3, padding=1, bias=False), nn.BatchNorm2d(added)
        self.register_buffer("at", places(added, channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x_BCHW)))
        return F.relu(put(x_BCHW, self.bn2(self.conv2(y)), self.at))


class Halving(nn.Sequential):
    """Strided 3x3 convolution to half the size, batch normalisation, ReLU unless it is followed by a sum."""

    def __init__(self, inputs: int, outputs: int, *, relu: bool = True) -> None:
        layers = [nn.Conv2d(inputs, outputs, 3, 2, padding=1, bias=False), nn.BatchNorm2d(outputs)]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class Fusion(nn.Module):
    """Every branch becomes the sum of all branches brought to its size: coarser ones enlarged, finer ones halved."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            nn.ModuleList(_path(widths, source, target) for source in range(len(widths)))
            for target in range(len(widths))
        )

    def forward(self, branches: Sequence[Tensor]) -> list[Tensor]:
        # torch names the type of a list's items no closer than Module
        rows = (cast("nn.ModuleList", paths) for paths in self.paths)
        return [F.relu(self._sum(target, paths, branches)) for target, paths in enumerate(rows)]

    @staticmethod
    def _sum(target: int, paths: nn.ModuleList, branches: Sequence[Tensor]) -> Tensor:
        total = branches[target]
        for source, path in enumerate(paths):
            if source != target:
                term = path(branches[source])
                total = total + (enlarged_like(term, branches[target], source - target) if source > target else term)
        return total


class ResolutionExchange(nn.Module):
    """A module of HRNet: four basic blocks per branch, then the fusion; widths as they were before pruning."""

    def __init__(self, widths: Sequence[int], slim: Slim) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_branch(width, slim) for width in widths)
        self.fusion = Fusion([slim.outer(width) for width in widths])

    def forward(self, branches: Sequence[Tensor]) -> list[Tensor]:
        return self.fusion([blocks(state) for blocks, state in zip(self.branches, branches, strict=True)])


class HRNet(Network):
    """Logits from the stacked bands at any size; tiles are aligned to `multiple`.

    Instance normalisation sees the whole window: `halo` is None unless norm is "batch".
    """

    scale = 1

    def __init__(self, bands: Sequence[str], config: HRNetConfig | None = None) -> None:
        super().__init__()
        config = config or HRNetConfig()
        self.bands, self.config = check_bands(bands), config
        self.window, self.lattice = config.window, config.window * 3 // 4
        slim, full_widths = config.slim, [config.width * 2**branch for branch in range(len(MODULES) + 1)]
        self.widths = tuple(slim.outer(width) for width in full_widths)
        self.stem = _stem(channels(self.bands, config.validity), config)
        wide = slim.outer(EXPANSION * STEM_WIDTH)
        inputs = (STEM_WIDTH, *[wide] * (BLOCKS - 1))
        self.layer1 = nn.Sequential(*(Bottleneck(width, STEM_WIDTH, slim=slim) for width in inputs))
        self.first = ConvBnRelu(wide, self.widths[0])
        sources = (wide, *self.widths[1:])
        self.transitions = nn.ModuleList(Halving(sources[i], self.widths[i + 1]) for i in range(len(MODULES)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(ResolutionExchange(full_widths[: stage + 2], slim) for _ in range(count)))
            for stage, count in enumerate(MODULES)
        )
        self.head = _head(sum(self.widths), slim.outer(sum(full_widths)), config.classes)

    @property
    def multiple(self) -> int:
        """Pixels that one pixel of the coarsest branch covers; tiles are aligned to it, inputs may have any size."""
        return 2 ** (self._stem_halvings + len(MODULES))

    @property
    def halo(self) -> int | None:
        """Pixels around an aligned tile that its logits depend on; None with instance normalisation."""
        return None if self.config.norm == "instance" else self.reach().halo(self.multiple)

    @property
    def _stem_halvings(self) -> int:
        return STEMS[self.config.stem].count(2)

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, 1)
        state = self.layer1(self.stem(with_validity(x_BCHW, self.config.validity)))
        branches = [self.first(state), self.transitions[0](state)]
        for stage_index, stage in enumerate(self.stages):
            if stage_index:
                # A new branch begins from the coarsest of those that are there.
                branches = [*branches, self.transitions[stage_index](branches[-1])]
            branches = stage(branches)
        finest = branches[0]
        fused = torch.cat([finest, *(enlarged_like(b, finest, i) for i, b in enumerate(branches[1:], 1))], dim=1)
        return Output(enlarged_like(self.head(fused), x_BCHW, self._stem_halvings))

    def reach(self) -> Reach:
        """How far the logits look, were all normalisation fixed: what the paper calls the receptive field."""
        state = Reach.input()
        for stride in STEMS[self.config.stem]:
            state = state.conv(3, stride)
        state = state.conv(3, times=BLOCKS)
        branches = [state.conv(3), state.conv(3, 2)]
        for stage_index, modules in enumerate(MODULES):
            branches = [*branches, branches[-1].conv(3, 2)] if stage_index else branches
            for _ in range(modules):
                branches = _exchanged([branch.conv(3, times=2 * BLOCKS) for branch in branches])
        joined = branches[0].join(*(branch.enlarge(2**i) for i, branch in enumerate(branches[1:], 1)))
        return joined.enlarge(2**self._stem_halvings)


def enlarged_like(x_BCHW: Tensor, like_BCHW: Tensor, halvings: int) -> Tensor:
    """Bilinear, by the exact power of two and then cut to size: positions never depend on the image's size."""
    height, width = like_BCHW.shape[2:]
    if halvings == 0:
        return x_BCHW
    large = F.interpolate(x_BCHW, scale_factor=2**halvings, mode="bilinear", align_corners=False)
    return large[:, :, :height, :width]


def _stem(bands: int, config: HRNetConfig) -> nn.Sequential:
    norm = nn.BatchNorm2d(STEM_WIDTH) if config.norm == "batch" else nn.InstanceNorm2d(STEM_WIDTH, affine=True)
    first, *later_strides = STEMS[config.stem]
    layers: list[nn.Module] = [
        nn.Conv2d(bands, STEM_WIDTH, 3, first, padding=1, bias=False),
        norm,
        nn.ReLU(inplace=True),
    ]
    # Instance normalisation after the first convolution only, as the paper has it.
    for stride in later_strides:
        layers.append(Halving(STEM_WIDTH, STEM_WIDTH) if stride == 2 else ConvBnRelu(STEM_WIDTH, STEM_WIDTH))
    return nn.Sequential(*layers)


def _branch(width: int, slim: Slim) -> nn.Sequential:
    """Four blocks; the last one's end is whole in any case but with groups, since the fusion reads it."""
    channels, inner = slim.outer(width), slim.inner(width)
    ends = [slim.added(width)] * (BLOCKS - 1) + [channels]
    return nn.Sequential(*(BasicBlock(channels, inner, end) for end in ends))


def _path(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """What brings one branch's width to another's: 1x1 from coarser, a chain of halvings from finer ones."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(nn.Conv2d(widths[source], widths[target], 1, bias=False), nn.BatchNorm2d(widths[target]))
    steps = [Halving(widths[source], widths[source]) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, Halving(widths[source], widths[target], relu=False))


def _head(channels: int, hidden: int, classes: int) -> nn.Sequential:
    # With a bias: the printed 16,812,946 parameters count it (docs/reference/networks.md, "HRNet").
    group = (nn.Conv2d(channels, hidden, 1), nn.BatchNorm2d(hidden), nn.ReLU(inplace=True))
    return nn.Sequential(*group, nn.Conv2d(hidden, classes, 1))


def _exchanged(branches: Sequence[Reach]) -> list[Reach]:
    def brought(source: int, target: int) -> Reach:
        if source > target:
            return branches[source].enlarge(2 ** (source - target))
        return branches[source].conv(3, 2, times=target - source) if source < target else branches[source]

    every = range(len(branches))
    return [branches[t].join(*(brought(s, t) for s in every if s != t)) for t in every]
