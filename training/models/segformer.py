"""SegFormer (Xie et al., 2021, arXiv 2105.15203): a hierarchical transformer encoder and a decoder of 1x1 layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.dropout import _DropoutNd

from isamap.training.models.layers import check_choice
from isamap.training.models.output import Network, Output, check_bands, check_input
from isamap.training.models.validity import channels, later, with_validity

# Table 6 of the paper: blocks of the four stages by size
DEPTHS = {
    "b0": (2, 2, 2, 2),
    "b1": (2, 2, 2, 2),
    "b2": (3, 4, 6, 3),
    "b3": (3, 4, 18, 3),
    "b4": (3, 8, 27, 3),
    "b5": (3, 6, 40, 3),
}
FACTORS = (1, 2, 5, 8)  # of a stage: its width in units of the first one's, which is also its number of heads
REDUCTIONS = (8, 4, 2, 1)  # side of the squares over which a stage's keys and values are summed up
EXPANSION = 4  # width inside a block's feed-forward part
EPSILON = 1e-6  # of the normalisation before attention and feed-forward part, and after a stage


@dataclass(frozen=True)
class SegFormerConfig:
    """SegFormer's constructor values.

    size: blocks of the encoder, b0 to b5. base: width of the first stage, 0 for the paper's (32 of b0, else 64).
    decoder: width of the decoder, 0 for the paper's (256 of b0 and b1, else 768). drop_path: probability with which
    the last block is skipped in training; the first one never is. validity: whether the share of known bands is one
    more input (models/validity.py).
    """

    classes: int = 2
    size: str = "b0"
    base: int = 0
    decoder: int = 0
    # Both as in the authors' configuration.
    dropout: float = 0.1
    drop_path: float = 0.1
    window: int = 128
    validity: bool = later(False)

    def __post_init__(self) -> None:
        check_choice("size", self.size, tuple(DEPTHS))
        if self.classes < 2 or min(self.base, self.decoder) < 0:
            raise ValueError(f"{self}: expected two or more classes and widths of 0 (the paper's) or more")
        if not (0 <= self.dropout < 1 and 0 <= self.drop_path < 1):
            raise ValueError(f"{self}: expected dropout and drop_path from 0 to below 1")
        if self.window < 32 or self.window % 32:
            raise ValueError(f"window {self.window}: expected a multiple of 32 pixels")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the four stages."""
        first = self.base or (32 if self.size == "b0" else 64)
        return tuple(first * factor for factor in FACTORS)

    @property
    def decoder_width(self) -> int:
        return self.decoder or (256 if self.size in ("b0", "b1") else 768)


class DropPath(_DropoutNd):
    """In training a residual branch of each image is left out with probability p, else divided by 1 - p."""

    def forward(self, x_BNC: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x_BNC
        kept = torch.rand(len(x_BNC), 1, 1, device=x_BNC.device, dtype=x_BNC.dtype) >= self.p
        # Divided by what is kept, so that evaluation needs no other factor.
        return x_BNC * kept / (1 - self.p)


class PatchEmbedding(nn.Module):
    """Overlapping patches (section 3.1): a strided convolution, then normalisation of each pixel's channels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Tokens (batch, rows x columns, channels), and rows and columns."""
        x_BCHW = self.proj(x_BCHW)
        return self.norm(tokens(x_BCHW)), (x_BCHW.shape[2], x_BCHW.shape[3])


class SelfAttention(nn.Module):
    """Self-attention whose keys and values are of squares of `reduction` pixels (equation 2)."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.kv = nn.Linear(channels, channels), nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        self.sr = nn.Conv2d(channels, channels, reduction, reduction) if reduction > 1 else None
        self.norm = nn.LayerNorm(channels) if reduction > 1 else None

    def forward(self, x_BNC: Tensor, size: tuple[int, int]) -> Tensor:
        fewer_BMC = x_BNC
        if self.sr is not None and self.norm is not None:
            fewer_BMC = self.norm(tokens(self.sr(image(x_BNC, size))))
        query, (key, value) = self._by_head(self.q(x_BNC)), map(self._by_head, self.kv(fewer_BMC).chunk(2, dim=-1))
        # Products grow with the width of a head; unscaled, the softmax would pick one pixel.
        scale = (x_BNC.shape[-1] // self.heads) ** -0.5
        weight = (query @ key.transpose(-2, -1) * scale).softmax(dim=-1)
        return self.proj((weight @ value).transpose(1, 2).flatten(2))

    def _by_head(self, x_BNC: Tensor) -> Tensor:
        batch, count, channels = x_BNC.shape
        return x_BNC.reshape(batch, count, self.heads, channels // self.heads).transpose(1, 2)


class MixFeedForward(nn.Module):
    """Two dense layers with a 3x3 convolution of each channel between them, which says where a pixel lies (eq. 3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = EXPANSION * channels
        self.fc1, self.fc2 = nn.Linear(channels, inner), nn.Linear(inner, channels)
        self.dwconv = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)

    def forward(self, x_BNC: Tensor, size: tuple[int, int]) -> Tensor:
        return self.fc2(F.gelu(tokens(self.dwconv(image(self.fc1(x_BNC), size)))))


class EncoderBlock(nn.Module):
    """Attention, then the feed-forward part, each added to its input."""

    def __init__(self, channels: int, heads: int, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(channels, EPSILON), SelfAttention(channels, heads, reduction)
        self.norm2, self.mlp = nn.LayerNorm(channels, EPSILON), MixFeedForward(channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x_BNC: Tensor, size: tuple[int, int]) -> Tensor:
        x_BNC = x_BNC + self.drop_path(self.attn(self.norm1(x_BNC), size))
        return x_BNC + self.drop_path(self.mlp(self.norm2(x_BNC), size))


class Stage(nn.Module):
    """Patches of the features before, blocks of attention, normalisation."""

    def __init__(self, embedding: PatchEmbedding, blocks: Sequence[EncoderBlock], channels: int) -> None:
        super().__init__()
        self.embedding, self.blocks = embedding, nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(channels, EPSILON)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        state_BNC, size = self.embedding(x_BCHW)
        for block in self.blocks:
            state_BNC = block(state_BNC, size)
        return image(self.norm(state_BNC), size)


class MixTransformer(nn.ModuleList):
    """The encoder: four feature maps at 1/4, 1/8, 1/16 and 1/32 of the size."""

    def __init__(self, bands: int, config: SegFormerConfig) -> None:
        depths, widths = DEPTHS[config.size], (bands, *config.widths)
        # Deeper blocks are skipped more often (stochastic depth); on the CPU, as the meta device has no numbers.
        shares = torch.linspace(0, config.drop_path, sum(depths), device="cpu").tolist()
        stages = []
        for level, ((inputs, outputs), depth) in enumerate(zip(pairwise(widths), depths, strict=True)):
            embedding = PatchEmbedding(inputs, outputs, *((3, 2) if level else (7, 4)))
            first = sum(depths[:level])
            heads, reduction = FACTORS[level], REDUCTIONS[level]
            blocks = [EncoderBlock(outputs, heads, reduction, share) for share in shares[first : first + depth]]
            stages.append(Stage(embedding, blocks, outputs))
        super().__init__(stages)

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        features = []
        for stage in self:
            x_BCHW = stage(x_BCHW)
            features.append(x_BCHW)
        return features


class SegFormer(Network):
    """Logits from the stacked bands at a quarter of the size, enlarged; attention sees the whole window."""

    scale = 1
    halo = None
    multiple = 32

    def __init__(self, bands: Sequence[str], config: SegFormerConfig | None = None) -> None:
        super().__init__()
        config = config or SegFormerConfig()
        self.bands, self.config = check_bands(bands), config
        self.window, self.lattice = config.window, max(self.multiple, config.window * 3 // 4 // 32 * 32)
        self.encoder = MixTransformer(channels(self.bands, config.validity), config)
        width = config.decoder_width
        self.narrow = nn.ModuleList(nn.Conv2d(inputs, width, 1) for inputs in config.widths)
        self.fuse = nn.Sequential(
            nn.Conv2d(len(FACTORS) * width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.dropout = nn.Dropout2d(config.dropout)
        self.head = nn.Conv2d(width, config.classes, 1)

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, self.multiple)
        x_BCHW = with_validity(x_BCHW, self.config.validity)
        features = zip(self.narrow, self.encoder(x_BCHW), strict=True)
        same_size = [_enlarged(narrow(state), 2**level) for level, (narrow, state) in enumerate(features)]
        # deepest first, as the authors' weights expect it
        logits = self.head(self.dropout(self.fuse(torch.cat(same_size[::-1], dim=1))))
        return Output(_enlarged(logits, 4))


def tokens(x_BCHW: Tensor) -> Tensor:
    """The pixels one after another: (batch, rows x columns, channels)."""
    return x_BCHW.flatten(2).transpose(1, 2)


def image(x_BNC: Tensor, size: tuple[int, int]) -> Tensor:
    """Tokens as an image again."""
    return x_BNC.transpose(1, 2).reshape(x_BNC.shape[0], x_BNC.shape[2], *size)


def _enlarged(x_BCHW: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return x_BCHW
    return F.interpolate(x_BCHW, scale_factor=factor, mode="bilinear", align_corners=False)
