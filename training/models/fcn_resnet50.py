"""FCN on a dilated ResNet-50 (output stride 8): a baseline beside FCN-8s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from isamap.training.models.layers import ConvBnRelu
from isamap.training.models.output import Network, Output, check_bands, check_input
from isamap.training.models.resnet import BASE, ResNet50
from isamap.training.models.slim import SlimValues
from isamap.training.models.validity import channels, later, with_validity


@dataclass(frozen=True)
class FCNResNet50Config(SlimValues):
    """FCN-ResNet50's constructor values; base: ResNet's width.

    validity: whether the share of known bands is one more input (models/validity.py).
    prune, ratio, round_to, rounding: of a pruned network (models/slim.py).
    """

    classes: int = 2
    # Width and dropout of torchvision's head: a quarter of the encoder's 2,048 channels.
    width: int = 512
    base: int = BASE
    dropout: float = 0.1
    validity: bool = later(False)

    def __post_init__(self) -> None:
        if min(self.width, self.base) < 1 or self.classes < 2 or not 0 <= self.dropout < 1:
            raise ValueError(f"{self}: expected positive widths, two or more classes, dropout from 0 to below 1")


class FCNResNet50(Network):
    """Logits from the stacked bands, computed at an eighth of the size and enlarged bilinearly."""

    scale = 1
    window = 128
    lattice = 96
    multiple = 8

    def __init__(self, bands: Sequence[str], config: FCNResNet50Config | None = None) -> None:
        super().__init__()
        config = config or FCNResNet50Config()
        self.bands, self.config = check_bands(bands), config
        inputs = channels(self.bands, config.validity)
        self.encoder = ResNet50(inputs, base=config.base, output_stride=8, slim=config.slim)
        self.head = nn.Sequential(
            ConvBnRelu(self.encoder.widths[-1], config.width),
            nn.Dropout(config.dropout),
            nn.Conv2d(config.width, config.classes, 1),
        )

    @property
    def halo(self) -> int | None:
        """Pixels around an aligned tile that its logits depend on."""
        return self.encoder.reaches()[-1].conv(3).enlarge(8).halo(self.multiple)

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, self.multiple)
        score = self.head(self.encoder(with_validity(x_BCHW, self.config.validity))[-1])
        return Output(F.interpolate(score, scale_factor=8, mode="bilinear", align_corners=False))
