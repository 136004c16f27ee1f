"""Test-time augmentation: the mean probability of an image seen in several orientations.

Each orientation is a symmetry of the square, which moves pixels and changes none, so nothing is interpolated. It
assumes that the ground looks alike from every side to the network. Buildings' shadows and radar's layover point in one
direction, so it suits networks that were trained with flips and turns (training/samples/augment.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from isamap.training.models.output import Output, log_mean

ALONE = "none"


@dataclass(frozen=True)
class Symmetry:
    """Quarter turns, then a mirror from left to right where asked."""

    turns: int = 0
    mirrored: bool = False

    def apply(self, x: Tensor) -> Tensor:
        """The image seen so; any leading axes before rows and columns."""
        turned = torch.rot90(x, self.turns, (-2, -1))
        return turned.flip(-1) if self.mirrored else turned

    def undo(self, x: Tensor) -> Tensor:
        """The image as it was before `apply`."""
        return torch.rot90(x.flip(-1) if self.mirrored else x, -self.turns, (-2, -1))


# names: identity, both mirrors and the half turn; and the dihedral group of the square
SYMMETRIES: dict[str, tuple[Symmetry, ...]] = {
    ALONE: (Symmetry(),),
    "flips": (Symmetry(), Symmetry(mirrored=True), Symmetry(2), Symmetry(2, mirrored=True)),
    "d4": tuple(Symmetry(turns, mirrored) for turns in range(4) for mirrored in (False, True)),
}


class SymmetryMean:
    """A forward pass whose probabilities are means over symmetries, always added in the same order."""

    def __init__(self, forward: Callable[[Tensor], Output], symmetries: tuple[Symmetry, ...]) -> None:
        self._forward, self._symmetries = forward, symmetries

    def __call__(self, x: Tensor) -> Output:
        views = (
            symmetry.undo(self._forward(symmetry.apply(x).contiguous()).logits_BKHW.float())
            for symmetry in self._symmetries
        )
        return Output(log_mean(views))


def symmetries_of(name: str) -> tuple[Symmetry, ...]:
    """The named group; ValueError for another word."""
    if name not in SYMMETRIES:
        raise ValueError(f"tta {name!r} is not known: choose one of {', '.join(SYMMETRIES)}")
    return SYMMETRIES[name]
