"""Whether a curve of calibration helps where it was not fitted: blocks of ground are held out in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isamap.training.accuracy.curve_fits import Counts, fitted, log_loss
from isamap.training.accuracy.reliability import Reliability

FOLDS = 5


@dataclass(frozen=True)
class HeldOut:
    """Mean log loss of blocks that a curve was not fitted to, without and with the curve; how many folds gave it."""

    before: float
    after: float
    folds: int

    @property
    def is_worse(self) -> bool:
        """Whether the curve makes probabilities worse there."""
        return self.after > self.before


def held_out(method: str, measured: Reliability) -> HeldOut | None:
    """What a curve does to blocks that it was not fitted to; None where no fold leaves both classes on both sides."""
    # Blocks are numbered as patches come, row by row: every fifth one spreads a fold over all the ground.
    fold_B = np.arange(len(measured.by_block)) % FOLDS
    pairs = [_judged(method, measured.by_block, fold_B == fold) for fold in range(FOLDS)]
    kept = [pair for pair in pairs if pair is not None]
    if not kept:
        return None
    losses = np.array([[before, after] for before, after, _ in kept])
    before, after = np.average(losses, axis=0, weights=[pixels for *_, pixels in kept])
    return HeldOut(float(before), float(after), len(kept))


def _judged(method: str, by_block: np.ndarray, is_held_B: np.ndarray) -> tuple[float, float, float] | None:
    """Log loss of the held blocks without and with the curve of the others, and their pixels."""
    try:
        others, tested = (_counts(by_block[which]) for which in (~is_held_B, is_held_B))
    except ValueError:  # one class only
        return None
    curve = fitted(method, others)
    pixels = float(tested.pixels_N.sum())
    return log_loss(tested.mean_N, tested), log_loss(curve(tested.mean_N).astype(np.float64), tested), pixels


def _counts(by_block: np.ndarray) -> Counts:
    return Reliability(by_block).counts
