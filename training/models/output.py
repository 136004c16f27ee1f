"""What every network takes and gives: named bands in, `Output` out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

SAR_BANDS = ("VV", "VH", "HH", "HV")


@dataclass(frozen=True)
class Output:
    """Class logits (`scale` output pixels per input pixel), auxiliary branches' logits, a sharpened image or None."""

    logits_BKHW: Tensor
    side_logits: tuple[Tensor, ...] = ()
    image: Tensor | None = None


def log_mean(logits: Iterable[Tensor]) -> Tensor:
    """Logits (B, K, H, W) whose softmax is the mean of those of several, added in the order given."""
    count, total = 0, None
    for logits_BKHW in logits:
        probabilities = logits_BKHW.softmax(dim=1)
        count, total = count + 1, probabilities if total is None else total + probabilities
    if total is None:
        raise ValueError("a mean of no logits: give at least one")
    # A class to which every network gives 0 would have a logit of minus infinity.
    return (total / count).clamp_min(torch.finfo(total.dtype).tiny).log()


class Network(nn.Module):
    """What training and inference know of a network.

    bands: names, in the input's order. config: its constructor values. scale: output pixels per input pixel. window,
    lattice: pixels of a window and between windows for a map by blending. halo: pixels around a tile that its logits
    depend on (tiles aligned to `multiple`), or None where they depend on the whole window. multiple: what rows and
    columns of the input must be a multiple of. Networks that have `dates = True` also take (batch, dates, bands, rows,
    columns).
    """

    bands: tuple[str, ...]
    config: Any
    scale: int
    window: int
    lattice: int

    if TYPE_CHECKING:  # numbers in some networks, computed in others; torch itself would call them tensors

        @property
        def halo(self) -> int | None: ...

        @property
        def multiple(self) -> int: ...

        def __call__(self, x_BCHW: Tensor) -> Output: ...


def is_sar(band: str) -> bool:
    """Whether a band of this name is radar backscatter (VV, or VV_asc and the like); all others count as optical."""
    return band.split("_")[0].upper() in SAR_BANDS


def channels_at(x: Tensor, positions: Sequence[int]) -> Tensor:
    """The named channels of (..., channels, rows, columns), in the positions' order.

    By slices: a list as index is copied to a GPU at every call, which no CUDA graph can record.
    """
    first, count = positions[0], len(positions)
    if list(positions) == list(range(first, first + count)):
        return x[..., first : first + count, :, :]
    return torch.cat([x[..., position : position + 1, :, :] for position in positions], dim=-3)


def check_bands(bands: Sequence[str]) -> tuple[str, ...]:
    """The names as a tuple; refused if there is none or one comes twice."""
    names = tuple(bands)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"bands {', '.join(names) or '(none)'}: give at least one band, each once")
    return names


def check_input(x_BCHW: Tensor, bands: Sequence[str], multiple: int) -> None:
    """Refuse a tensor whose channels are not the bands or whose sides the network cannot halve often enough."""
    _, channels, height, width = x_BCHW.shape
    if channels != len(bands):
        raise ValueError(f"input of {channels} channels: the network was built for bands {', '.join(bands)}")
    if height % multiple or width % multiple:
        raise ValueError(f"input of {height} x {width} pixels: both sides must be multiples of {multiple}")
