"""A perceptron of each pixel: what embeddings need, whose neighbourhood is in them already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from isamap.training.models.output import Network, Output, check_bands, check_input


@dataclass(frozen=True)
class MLPConfig:
    """Neurons of the hidden layers; none is logistic regression."""

    classes: int = 2
    hidden: tuple[int, ...] = (64,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(int(neurons) for neurons in self.hidden))
        if self.classes < 2 or min(self.hidden, default=1) < 1:
            raise ValueError(f"{self}: expected two or more classes and positive numbers of neurons")


class MLP(Network):
    """Dense layers with ReLU between them, the same for every pixel; any size, no neighbours."""

    scale = 1
    window = 128
    lattice = 128
    halo = 0
    multiple = 1

    def __init__(self, bands: Sequence[str], config: MLPConfig | None = None) -> None:
        super().__init__()
        self.bands, self.config = check_bands(bands), config or MLPConfig()
        widths = (len(self.bands), *self.config.hidden)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], self.config.classes, 1))

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, self.multiple)
        return Output(self.layers(x_BCHW))
