"""ResNet-50 without its classifier (He et al., 2016): the encoder of RU-Net++, FCN-ResNet50 and DeepLabV3+."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

from torch import Tensor, nn
from torch.nn import functional as F

from isamap.training.models.reach import Reach
from isamap.training.models.slim import Slim, places, put

# ResNet-50's.
BLOCKS = (3, 4, 6, 3)
# Of every bottleneck of ResNet: the last 1x1 has four times the width.
EXPANSION = 4
FACTORS = (1, 4, 8, 16, 32)  # widths of the stem and of layer1 to layer4, in units of the base width
BASE = 64


class Bottleneck(nn.Module):
    """1x1, 3x3 (strided or dilated), 1x1 to four times the width, added to the input; ReLU after the sum.

    A pruned one (`slim`) has fewer channels inside, and ends that are added in their places.
    """

    at: Tensor | None

    def __init__(
        self, inputs: int, width: int, stride: int = 1, *, dilation: int = 1, slim: Slim | None = None
    ) -> None:
        super().__init__()
        slim = slim or Slim()
        outputs, inner, ends = slim.outer(EXPANSION * width), slim.inner(width), slim.added(EXPANSION * width)
        self.conv1, self.bn1 = nn.Conv2d(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, ends, 1, bias=False), nn.BatchNorm2d(ends)
        self.register_buffer("at", places(ends, outputs))
        self.downsample = Projection(inputs, outputs, stride, ends) if stride > 1 or inputs != outputs else None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x_BCHW)))
        y = F.relu(self.bn2(self.conv2(y)))
        shortcut = x_BCHW if self.downsample is None else self.downsample(x_BCHW)
        return F.relu(put(shortcut, self.bn3(self.conv3(y)), self.at))


class Projection(nn.Sequential):
    """The shortcut of a residual block whose size or width changes, where only `kept` of its filters are left."""

    at: Tensor | None

    def __init__(self, inputs: int, outputs: int, stride: int, kept: int) -> None:
        super().__init__(nn.Conv2d(inputs, kept, 1, stride, bias=False), nn.BatchNorm2d(kept))
        self.outputs = outputs
        self.register_buffer("at", places(kept, outputs))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y = super().forward(x_BCHW)
        # Filters that were pruned add nothing: their places stay 0.
        return y if self.at is None else put(y.new_zeros(len(y), self.outputs, *y.shape[2:]), y, self.at)


class ResNet50(nn.Module):
    """Five feature maps: the 7x7 stem at half size (64), then layer1 to layer4 (256 to 2048); `widths` names them.

    base: width of the stem, less than 64 for a smaller network of the same shape. output_stride: of the last map;
    below 32 the last layers keep their size and dilate instead. layers: 3 drops layer4. slim: of a pruned one.
    """

    def __init__(
        self, bands: int, *, base: int = BASE, output_stride: int = 32, layers: int = 4, slim: Slim | None = None
    ) -> None:
        super().__init__()
        self.widths = tuple(base * factor for factor in FACTORS[: layers + 1])
        self.steps = _steps(output_stride)[:layers]
        self.stem = nn.Sequential(
            nn.Conv2d(bands, base, 7, 2, padding=3, bias=False), nn.BatchNorm2d(base), nn.ReLU(inplace=True)
        )
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        ways = zip(pairwise(self.widths), BLOCKS, self.steps, strict=False)
        self.layers = nn.ModuleList(_layer(*widths, blocks, step, slim) for widths, blocks, step in ways)

    def forward(self, x_BCHW: Tensor, after: Mapping[int, nn.Module] = MappingProxyType({})) -> list[Tensor]:
        """The feature maps; `after` holds what is applied to the map of that number before the next layer."""
        features = [self.stem(x_BCHW)]
        state = self.pool(features[0])
        for layer_number, layer in enumerate(self.layers, start=1):
            state = layer(state)
            state = after[layer_number](state) if layer_number in after else state
            features.append(state)
        return features

    def reaches(self, kernels: Mapping[int, int] = MappingProxyType({})) -> list[Reach]:
        """How far each of the feature maps looks; `kernels` are the sides of what `forward`'s `after` looks at."""
        features = [Reach.input().conv(7, 2)]
        state = features[0].conv(3, 2)
        for layer_number, (blocks, (stride, dilation)) in enumerate(zip(BLOCKS, self.steps, strict=False), start=1):
            state = state.conv(3, stride, dilation=dilation).conv(3, dilation=dilation, times=blocks - 1)
            state = state.conv(kernels.get(layer_number, 1))
            features.append(state)
        return features


def _layer(inputs: int, outputs: int, blocks: int, step: tuple[int, int], slim: Slim | None) -> nn.Sequential:
    (stride, dilation), width = step, outputs // EXPANSION
    first = Bottleneck(inputs, width, stride, dilation=dilation, slim=slim)
    return nn.Sequential(first, *(Bottleneck(outputs, width, dilation=dilation, slim=slim) for _ in range(blocks - 1)))


def _steps(output_stride: int) -> tuple[tuple[int, int], ...]:
    """(stride, dilation) of layer1 to layer4."""
    # A layer that does not halve dilates instead, so that the layers after it see as much ground as before.
    steps_of = {
        32: ((1, 1), (2, 1), (2, 1), (2, 1)),
        16: ((1, 1), (2, 1), (2, 1), (1, 2)),
        8: ((1, 1), (2, 1), (1, 2), (1, 4)),
    }
    if output_stride not in steps_of:
        raise ValueError(f"output stride {output_stride}: ResNet-50 is built for 32, 16 or 8")
    return steps_of[output_stride]
