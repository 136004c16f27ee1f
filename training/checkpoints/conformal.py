"""The limits of a checkpoint's prediction sets (training/accuracy/conformal.py chooses them)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from isamap.training.checkpoints.checkpoint import Checkpoint

STEPS = 254  # of the probability that a map stores (docs/reference/formats.md, "Map")


@dataclass(frozen=True)
class SetLimits:
    """alpha: the share of each class that sets may miss. least: of each of two classes, the stored probability of it
    (0 to 254) from which it is in the set.
    """

    alpha: float
    least: tuple[int, int]

    def __post_init__(self) -> None:
        if not (0 < self.alpha < 1 and all(0 <= value <= STEPS for value in self.least)):
            raise ValueError(f"prediction sets with alpha {self.alpha} and limits {self.least}: expected 0 to {STEPS}")

    def members(self, share: np.ndarray) -> np.ndarray:
        """Whether each class is in the set, bool (2, ...); share: the stored probability of class 1."""
        # Maps give uint8, in which 254 less the stored number and the comparison would wrap.
        share = share.astype(np.int64)
        return np.stack([STEPS - share >= self.least[0], share >= self.least[1]])

    def sets(self, share: np.ndarray) -> np.ndarray:
        """Sets as numbers, uint8: 1 for class 0, 2 for class 1, 3 for both, 0 for none."""
        first, second = self.members(share)
        numbers: np.ndarray = (first + 2 * second.astype(np.uint8)).astype(np.uint8)
        return numbers

    def to_json(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        return {"alpha": self.alpha, "least": list(self.least)}


def limits_of(checkpoint: Checkpoint) -> SetLimits | None:
    """The checkpoint's limits; None where it has none."""
    stored = checkpoint.conformal
    return SetLimits(stored["alpha"], tuple(stored["least"])) if stored else None
