"""What one training step, one validation and the optimiser are, for pytorch-lightning's Trainer."""

from __future__ import annotations

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from training.augment import augment, chances
from training.data import Batch, Source
from training.losses import build_loss
from training.metrics import Scores, confusion_counts, scores
from training.models.output import Output
from training.recipes import Recipe

BATCH_NORM_MOMENTUM = 0.1


class Task(pl.LightningModule):
    """A network in training on a source of patches by a recipe; `steps` is the number of optimiser steps in all."""

    def __init__(self, network: nn.Module, source: Source, recipe: Recipe, *, steps: int) -> None:
        super().__init__()
        self.network, self.source, self.recipe, self.steps = network, source, recipe, steps
        self.loss = build_loss(recipe.loss, recipe.loss_values)
        self.norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        self.confusion = torch.zeros(0)
        self.validation: Scores | None = None
        self.train_losses: list[Tensor] = []
        self.validation_losses: list[Tensor] = []

    def forward(self, image_BCHW: Tensor) -> Output:
        return self.network(image_BCHW.contiguous(memory_format=torch.channels_last))

    def training_step(self, batch: Batch, _: int) -> Tensor:
        self._warm_up_statistics()
        prepared = self.source.prepare(batch)
        drawn = chances(self.recipe.seed, self.current_epoch, batch.patch_B)
        prepared = augment(prepared, drawn, self.recipe.augment, self.recipe.crop)
        loss = self.loss(self(prepared.image_BCHW), prepared.label_BHW)
        self.train_losses.append(loss.detach())
        return loss

    def _warm_up_statistics(self) -> None:
        """Batch normalisation's running statistics start as the plain mean of the batches so far.

        With the usual momentum from the first step they still hold 1/e of their initial 0 and 1 after ten steps, and
        a run of few steps validates (and maps) with them.
        """
        momentum = max(BATCH_NORM_MOMENTUM, 1 / (self.global_step + 1))
        for norm in self.norms:
            norm.momentum = momentum

    def on_train_epoch_start(self) -> None:
        self.train_losses.clear()

    def on_validation_epoch_start(self) -> None:
        classes = self.network.config.classes
        self.confusion = torch.zeros((classes, classes), dtype=torch.int64, device=self.device)
        self.validation_losses.clear()

    def validation_step(self, batch: Batch, _: int) -> None:
        prepared = self.source.prepare(batch)
        output = self(prepared.image_BCHW)
        self.confusion += confusion_counts(output.logits_BKHW.argmax(dim=1), batch.label_BHW, len(self.confusion))
        self.validation_losses.append(self.loss(output, prepared.label_BHW))

    def on_validation_epoch_end(self) -> None:
        self.validation = scores(self.confusion.cpu())
        self.log("val/miou", self.validation.miou)
        self.log("val/oa", self.validation.oa)
        self.log("val/loss", _mean(self.validation_losses))
        self.log("train/loss", _mean(self.train_losses))

    def configure_optimizers(self) -> dict[str, object]:
        """Adam whose rate falls as (1 - step / steps) ** power at every step (S002 section IV-A)."""
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.recipe.lr)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._poly)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _poly(self, step: int) -> float:
        return (1 - min(step, self.steps) / self.steps) ** self.recipe.power

    @property
    def epoch_losses(self) -> tuple[float, float]:
        """Mean training and validation loss of the epoch so far."""
        return _mean(self.train_losses), _mean(self.validation_losses)


def _mean(losses: list[Tensor]) -> float:
    return float(np.mean([loss.item() for loss in losses], dtype=np.float64)) if losses else 0.0
