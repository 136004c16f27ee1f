"""FCN-8s (Long et al., 2015) on VGG-16, one of S002's baselines: scores of three depths summed on the way up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from training.models.output import Output, check_bands, check_input
from training.models.reach import Reach

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


@dataclass(frozen=True)
class FCN8sConfig:
    """FCN-8s's constructor values; `fc` is the width of its two dense layers (the original's: 4096)."""

    classes: int = 2
    fc: int = 1024
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.fc < 1 or self.classes < 2 or not 0 <= self.dropout < 1:
            raise ValueError(f"{self}: expected a positive fc, two or more classes, dropout from 0 to below 1")


class FCN8s(nn.Module):
    """Logits from the stacked bands; the 7x7 dense layer is padded, so that a 128-pixel patch keeps its 4 x 4 scores."""

    scale = 1
    window = 128
    lattice = 96
    multiple = 32

    def __init__(self, bands: Sequence[str], config: FCN8sConfig | None = None) -> None:
        super().__init__()
        config = config or FCN8sConfig()
        self.bands, self.config = check_bands(bands), config
        inputs = (len(self.bands), *(block[-1] for block in VGG16))
        self.blocks = nn.ModuleList(_block(i, widths) for i, widths in zip(inputs, VGG16, strict=False))
        self.dense = nn.Sequential(
            nn.Conv2d(VGG16[-1][-1], config.fc, 7, padding=3), nn.ReLU(inplace=True), nn.Dropout2d(config.dropout),
            nn.Conv2d(config.fc, config.fc, 1), nn.ReLU(inplace=True), nn.Dropout2d(config.dropout),
        )  # fmt: skip
        widths = (config.fc, VGG16[3][-1], VGG16[2][-1])
        self.scores = nn.ModuleList(nn.Conv2d(width, config.classes, 1) for width in widths)

    @property
    def halo(self) -> int | None:
        """Pixels around an aligned tile that its logits depend on."""
        state, pooled = Reach.input(), []
        for block in VGG16:
            state = state.conv(3, times=len(block)).conv(2, 2)
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


def _block(inputs: int, widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
        inputs = width
    return nn.Sequential(*layers)


def _enlarged(x_BCHW: Tensor, factor: int) -> Tensor:
    return F.interpolate(x_BCHW, scale_factor=factor, mode="bilinear", align_corners=False)
