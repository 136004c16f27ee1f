"""A network small enough to be an Earth Engine graph: each pixel's bands and their neighbourhoods, then a few layers.

It computes in float64 from stored whole numbers, so that its sums are exact in any order and a map, a patch and Earth
Engine agree (docs/inside-earth-engine.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from isamap.training.models.output import Network, Output, check_bands, check_input

LARGEST = 32_767  # stored numbers are int16; the number below the smallest stands for a missing pixel
# A student's input is the stored number above `MISSING`, so that 0, what a reader puts at missing pixels, is none.
MISSING = -LARGEST - 1
# Sums of squares of int16 over 31 x 31 pixels stay far below 2^53, where doubles are exact.
_WIDEST = 31
# Bounds the graph, which names every weight and must fit into a request.
_MOST_NEURONS = 256


@dataclass(frozen=True)
class StudentConfig:
    """Classes, neurons of the hidden layers, sides of the windows of the means and of the deviation, in pixels."""

    classes: int = 2
    hidden: tuple[int, ...] = (16, 8)
    means: tuple[int, ...] = (3, 7, 15)
    deviations: tuple[int, ...] = (7,)

    def __post_init__(self) -> None:
        for name in ("hidden", "means", "deviations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.classes < 2 or any(not 0 < neurons <= _MOST_NEURONS for neurons in self.hidden):
            raise ValueError(f"{self}: expected two or more classes and layers of 1 to {_MOST_NEURONS} neurons")
        if any(not 3 <= side <= _WIDEST or side % 2 == 0 for side in (*self.means, *self.deviations)):
            raise ValueError(f"{self}: expected windows of odd sides from 3 to {_WIDEST} pixels")

    @property
    def per_band(self) -> int:
        """Features of one band: its number, its means, its deviations."""
        return 1 + len(self.means) + len(self.deviations)


class Student(Network):
    """Bands, means and deviations of windows, standardised, through layers with ReLU to class logits.

    Input: stored whole numbers minus MISSING, 0 where missing (docs/inside-earth-engine.md, "The student"). A window's
    statistics are over its pixels that are not missing; pixels outside the input are missing.
    """

    scale = 1
    window = 128
    lattice = (
        64  # blending costs four times the pixels, so maps take windows with a halo (inference/cutting/windows.py)
    )
    multiple = 1

    centre: Tensor
    spread: Tensor

    def __init__(self, bands: Sequence[str], config: StudentConfig | None = None) -> None:
        super().__init__()
        self.bands, self.config = check_bands(bands), config or StudentConfig()
        count = len(self.bands) * self.config.per_band
        self.register_buffer("centre", torch.zeros(count, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(count, dtype=torch.float64))
        sides = (count, *self.config.hidden, self.config.classes)
        self.layers = nn.ModuleList(nn.Linear(*pair, dtype=torch.float64) for pair in pairwise(sides))

    @property
    def linear(self) -> list[nn.Linear]:
        """The layers from features to logits."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    @property
    def halo(self) -> int:
        """Half of the widest window."""
        return max((side // 2 for side in (*self.config.means, *self.config.deviations)), default=0)

    def forward(self, x_BCHW: Tensor) -> Output:
        check_input(x_BCHW, self.bands, 1)
        features_BHWF = features(x_BCHW, self.config).movedim(1, -1)
        logits_BHWK = self.logits((features_BHWF - self.centre) / self.spread)
        return Output(logits_BHWK.movedim(-1, 1).to(x_BCHW.dtype))

    def logits(self, standardised: Tensor) -> Tensor:
        """Class logits (..., classes) of standardised features (..., features), float64."""
        for layer in self.layers[:-1]:
            standardised = functional.relu(layer(standardised))
        scores: Tensor = self.layers[-1](standardised)
        return scores


def features(x_BCHW: Tensor, config: StudentConfig) -> Tensor:
    """The bands, then each window's means of all bands, then their deviations; float64 (B, features, H, W).

    In stored units, 0 at missing pixels; deviations divide by the number of pixels, as Earth Engine's stdDev.
    """
    valid_BCHW = (x_BCHW > 0.5).double()
    stored_BCHW = (torch.round(x_BCHW.double()) + MISSING) * valid_BCHW
    parts = [stored_BCHW]
    parts += [_moments(stored_BCHW, valid_BCHW, side)[0] * valid_BCHW for side in config.means]
    parts += [_moments(stored_BCHW, valid_BCHW, side)[1] * valid_BCHW for side in config.deviations]
    return torch.cat(parts, dim=1)


def _moments(stored_BCHW: Tensor, valid_BCHW: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the window's valid pixels. Sums of whole numbers below 2^53 are exact."""
    count = _window_sum(valid_BCHW, side).clamp(min=1)
    total = _window_sum(stored_BCHW, side)
    squares = _window_sum(stored_BCHW.square(), side)
    # One rounding at the end: all sums before are whole numbers.
    return total / count, (count * squares - total.square()).clamp(min=0).sqrt() / count


def _window_sum(values_BCHW: Tensor, side: int) -> Tensor:
    # Along columns, then rows: 2 x 15 sums a pixel instead of 15 x 15.
    for kernel in ((side, 1), (1, side)):
        pad = (kernel[0] // 2, kernel[1] // 2)
        values_BCHW = functional.avg_pool2d(values_BCHW, kernel, stride=1, padding=pad, divisor_override=1)
    return values_BCHW
