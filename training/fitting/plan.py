"""What a fit needs and what it gives: the same for networks (loop.py) and for classifiers of pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isamap.training.recipes import Recipe

if TYPE_CHECKING:
    from isamap.training.models.output import Network
    from isamap.training.samples.data import Patches, SampleSource


def nothing(*_: object) -> None:
    """Does nothing after an epoch: the default of `after_epoch`."""


@dataclass(frozen=True)
class FitPlan:
    """What `fit` needs: a network, its data by split, its recipe, the run's folder, and what checkpoints say of it.

    after_epoch(network, epoch): called when an epoch's steps are over, before validation; it may change weights.
    saved(): called when all files of an epoch are in place (best/, last/, history, resume.ckpt).
    loggers: names of loggers.LOGGERS.
    """

    network: Network
    source: SampleSource
    train: Patches
    validation: Patches
    recipe: Recipe
    folder: Path
    description: dict[str, Any]
    after_epoch: Callable[[Network, int], None] = nothing
    saved: Callable[[], None] = nothing
    loggers: Sequence[str] = ("tensorboard",)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch: whole batches only."""
        return len(self.train) // self.recipe.batch

    @property
    def validated_at_once(self) -> int:
        """Whole patches in a batch of validation: where crops are trained on, as many pixels as a batch of those."""
        size = self.source.datasets[0].manifest.size
        return max(1, self.recipe.batch * (self.recipe.crop or size) ** 2 // size**2)


@dataclass(frozen=True)
class Fitted:
    """How a fit went: one entry of history per epoch, the epoch (from 1) and MIoU of the best one, samples/s.

    waiting_share: of the training time, passed between steps (loading and the trainer's own work).
    """

    history: tuple[dict[str, float], ...]
    best_epoch: int
    best_miou: float
    samples_per_s: float
    waiting_share: float = 0.0
