"""FCN-8s (Long et al., 2015) on VGG-16, one of CroFuseNet's baselines: scores of three depths summed on the way up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from isamap.training.models.output import Network, Output, check_bands, check_input
from isamap.training.models.reach import Reach

VGG16 = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))  # (width in units of the base width, layers) of its five blocks
# VGG-16's first width.
BASE = 64


@dataclass(frozen=True)
class FCN8sConfig:
    """FCN-8s's constructor values; `fc` is the width of its two dense layers (the original's: 4096), `base` VGG's."""

    classes: int = 2
    # Ours: 41 million weights instead of the original's 134 (docs/reference/networks.md, "Other networks").
    fc: int = 1024
    base: int = BASE
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if min(self.fc, self.base) < 1 or self.classes < 2 or not 0 <= self.dropout < 1:
            raise ValueError(f"{self}: expected positive fc and base, two or more classes, dropout from 0 to below 1")


class FCN8s(Network):
    """Logits from the stacked bands; the 7x7 dense layer is padded, so that small patches keep their scores."""

    scale = 1
    window = 128
    lattice = 96
    multiple = 32

    def __init__(self, bands: Sequence[str], config: FCN8sConfig | None = None) -> None:
        super().__init__()
        config = config or FCN8sConfig()
        self.bands, self.config = check_bands(bands), config
        outputs = [config.base * factor for factor, _ in VGG16]
        ways = zip((len(self.bands), *outputs), outputs, VGG16, strict=False)
        self.blocks = nn.ModuleList(_block(i, o, layers) for i, o, (_, layers) in ways)
        self.dense = nn.Sequential(
            nn.Conv2d(outputs[-1], config.fc, 7, padding=3), nn.ReLU(inplace=True), nn.Dropout2d(config.dropout),
            nn.Conv2d(config.fc, config.fc, 1), nn.ReLU(inplace=True), nn.Dropout2d(config.dropout),
        )  # fmt: skip
        widths = (config.fc, outputs[3], outputs[2])
        self.scores = nn.ModuleList(nn.Conv2d(width, config.classes, 1) for width in widths)

    @property
    def halo(self) -> int | None:
        """Pixels around an aligned tile that its logits depend on."""
        state, pooled = Reach.input(), []
        for _, layers in VGG16:
            state = state.conv(3, times=layers).conv(2, 2)
            pooled.append(state)
        state = state.conv(7).enlarge(2).join(pooled[3]).enlarge(2).join(pooled[2])
        return state.enlarge(8).halo(self.multiple)

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, self.multiple)
        state, pooled = x_BCHW, []
        for block in self.blocks:
            state = F.max_pool2d(block(state), 2)
            pooled.append(state)
        deep, middle, fine = self.scores
        score = _enlarged(deep(self.dense(state)), 2) + middle(pooled[3])
        score = _enlarged(score, 2) + fine(pooled[2])
        return Output(_enlarged(score, 8))


def _block(inputs: int, outputs: int, count: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(count):
        layers += [nn.Conv2d(outputs if index else inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _enlarged(x_BCHW: Tensor, factor: int) -> Tensor:
    return F.interpolate(x_BCHW, scale_factor=factor, mode="bilinear", align_corners=False)
