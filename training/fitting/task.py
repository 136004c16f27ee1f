"""What one training step, one validation and the optimiser are, for pytorch-lightning's Trainer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from isamap.training.accuracy.metrics import Scores, confusion_counts, scores
from isamap.training.fitting.averaging import Average
from isamap.training.fitting.plan import FitPlan
from isamap.training.losses import ImageLoss, build_loss
from isamap.training.models.output import Network, Output
from isamap.training.recipes.optimisers import Weights, is_in, layer_groups, optimiser, schedule
from isamap.training.samples.answers import by_source
from isamap.training.samples.augment import Augmented, augment, draws
from isamap.training.samples.data import Batch
from isamap.training.samples.patches import classes_of

# PyTorch's default, towards which the first steps' larger ones fall.
BATCH_NORM_MOMENTUM = 0.1
_AVERAGE = "average"


class Task(pl.LightningModule):
    """A network in training by a plan; with `ema` it is validated and kept as its averaged weights.

    discriminator: a discriminator of images where the loss asks for one (training/fitting/adversarial.py).
    """

    def __init__(self, plan: FitPlan) -> None:
        super().__init__()
        self.network, self.source, self.recipe = plan.network, plan.source, plan.recipe
        self.after_epoch, self.steps_per_epoch = plan.after_epoch, plan.steps_per_epoch
        self.loss = build_loss(self.recipe.loss, self.recipe.loss_values)
        self.discriminator: nn.Module | None = None
        self.average = Average(self.network, self.recipe.ema) if self.recipe.ema else None
        self.confusion = torch.zeros(0)
        self.validation: Scores | None = None
        self.train_losses: list[Tensor] = []
        self.validation_losses: list[Tensor] = []
        self.epoch_losses = (0.0, 0.0)
        self._swapped: Any = None
        self._freeze()  # before other processes agree on which weights have gradients

    def forward(self, image: Tensor) -> Output:
        # A batch of dates has five axes, for which there is no such layout.
        layout = torch.channels_last if image.ndim == 4 else torch.contiguous_format
        return self.network(image.contiguous(memory_format=layout))

    def training_step(self, batch: Batch, at: int) -> Tensor | None:
        prepared = self.augmented(batch, at)
        loss = self.cost_by_source(self(prepared.image_BCHW), prepared)
        self.train_losses.append(loss.detach())
        return loss

    def augmented(self, batch: Batch, at: int) -> Augmented:
        """The batch of an epoch's step as the network gets it."""
        step = self.current_epoch * self.steps_per_epoch * self.recipe.accumulate + at
        self._warm_up_statistics(step)
        # dropout follows from seed, step and process, so that an interrupted run repeats it
        entropy = np.random.SeedSequence((self.recipe.seed, step, self.global_rank))
        torch.manual_seed(int(entropy.generate_state(1)[0]))
        drawn = draws(self.recipe.seed, self.current_epoch, batch.patch_B)
        return augment(self.source.prepare(batch), drawn, self.recipe.augment, self.recipe.crop)

    def cost(self, output: Output, prepared: Augmented) -> Tensor:
        """The loss; those of images see the true image and the discriminator too."""
        if not isinstance(self.loss, ImageLoss):
            return self.loss(output, prepared.label_BHW)
        true = {"sharp_BCHW": prepared.sharp_BCHW, "valid_BCHW": prepared.sharp_valid_BCHW}
        return self.loss(output, prepared.label_BHW, **true, discriminator=self.discriminator)

    def cost_by_source(self, output: Output, prepared: Augmented) -> Tensor:
        """The loss; of answers and of the data's own labels, where both are learned from, each its mean and weight."""
        if not (weight := self.source.label_weight):
            return self.cost(output, prepared)
        # Two means instead of one: a few hundred answers would drown among millions of labels.
        answered, others = by_source(prepared.label_BHW)
        own = self.cost(output, replace(prepared, label_BHW=others))
        return self.cost(output, replace(prepared, label_BHW=answered)) + weight * own

    def _warm_up_statistics(self, step: int) -> None:
        """Batch normalisation's running statistics start as the plain mean of the batches so far.

        With the usual momentum from the first step they still hold 1/e of their initial 0 and 1 after ten steps, and
        a run of few steps validates (and maps) with them.
        """
        if step * BATCH_NORM_MOMENTUM > 1:
            return
        for module in self.network.modules():  # again: on several GPUs the trainer has put others in their place
            if isinstance(module, _BatchNorm):
                module.momentum = max(BATCH_NORM_MOMENTUM, 1 / (step + 1))

    def on_fit_start(self) -> None:
        if self.average is not None:
            self.average.to(self.device)

    def on_train_epoch_start(self) -> None:
        self.train_losses.clear()
        self._freeze()

    def _freeze(self) -> None:
        """The recipe's frozen layers get no gradient and keep their running statistics, until they thaw."""
        layers, frozen = self.recipe.freeze, not 0 < self.recipe.thaw <= self.current_epoch
        for name, parameter in self.network.named_parameters():
            if any(is_in(name, layer) for layer in layers):
                parameter.requires_grad_(not frozen)
        for name, module in self.network.named_modules():
            if isinstance(module, _BatchNorm) and any(is_in(name, layer) for layer in layers):
                module.train(not frozen)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        # After whole batches: parts of an accumulated one change no weight.
        if self.average is not None and (batch_idx + 1) % self.recipe.accumulate == 0:
            self.average.update()

    def on_validation_start(self) -> None:
        """An epoch's steps are over: the hook may change weights; then those that are kept are validated."""
        # Before anything is kept: a diverged epoch must not replace last/.
        self._check_finite()
        self._share_statistics()
        self.after_epoch(self.network, self.current_epoch + 1)
        if self.average is not None:
            with self.average.in_place():
                self.after_epoch(self.network, self.current_epoch + 1)
        self._swapped = self.kept()
        self._swapped.__enter__()

    def on_validation_end(self) -> None:
        self._swapped.__exit__(None, None, None)

    @contextmanager
    def kept(self) -> Iterator[Network]:
        """The network with the weights that are validated and kept."""
        with self.average.in_place() if self.average is not None else nullcontext():
            yield self.network

    def _check_finite(self) -> None:
        lost = [loss.item() for loss in self.train_losses if not torch.isfinite(loss)]
        # of all processes: the others would wait for ever for one that stops alone
        if self._reduced(torch.tensor(float(len(lost)), device=self.device), "sum") > 0:
            raise ValueError(
                f"training diverged in epoch {self.current_epoch + 1} (loss {[*lost, np.nan][0]:g}): use a smaller "
                f"step, such as --set lr={self.recipe.lr / 10:g}, or --set clip=1, and another --out"
            )

    def _share_statistics(self) -> None:
        """Running statistics become the mean over all processes, each of which saw its share of the batches."""
        if self.trainer.world_size == 1:
            return
        for name, tensor in self.network.named_buffers():
            for statistic in (tensor, self.average.values[name]) if self.average is not None else (tensor,):
                if statistic.is_floating_point():
                    statistic.copy_(self._reduced(statistic, "mean"))

    def _reduced(self, values: Tensor, operation: str) -> Tensor:
        # A copy: processes reduce into the tensor that they give.
        return self.trainer.strategy.reduce(values.clone(), reduce_op=operation)

    def on_validation_epoch_start(self) -> None:
        classes = self.network.config.classes
        self.confusion = torch.zeros((classes, classes), dtype=torch.int64, device=self.device)
        self.validation_losses.clear()

    def validation_step(self, batch: Batch, _: int) -> None:
        prepared = self.source.prepare(batch)
        output = self(prepared.image_BCHW)
        label = classes_of(prepared.label_BHW)
        self.confusion += confusion_counts(output.logits_BKHW.argmax(dim=1), label, len(self.confusion))
        self.validation_losses.append(self.cost(output, prepared))

    def on_validation_epoch_end(self) -> None:
        self.validation = scores(self._reduced(self.confusion, "sum").cpu())
        self.epoch_losses = self._mean(self.train_losses), self._mean(self.validation_losses)
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        self.log("val/miou", self.validation.miou)
        for name, of_class in zip(self.source.classes, self.validation.classes, strict=True):
            self.log(f"val/iou_{name}", float("nan") if of_class.iou is None else of_class.iou)
        self.log("val/oa", self.validation.oa)
        self.log("val/loss", self.epoch_losses[1])
        self.log("train/loss", self.epoch_losses[0])

    def _mean(self, losses: list[Tensor]) -> float:
        """The mean over the steps of all processes."""
        # Sum and number go together: processes may have had different numbers of steps.
        total = np.array([np.sum([loss.item() for loss in losses], dtype=np.float64), len(losses)])
        if self.trainer.world_size > 1:
            total = self._reduced(torch.from_numpy(total).to(self.device), "sum").cpu().numpy()
        return float(total[0] / max(1, total[1]))

    @property
    def accuracies(self) -> Scores:
        """Of the last validation; ValueError before the first."""
        if self.validation is None:
            raise ValueError("no epoch is validated yet")
        return self.validation

    def configure_optimizers(self) -> Any:
        return self.scheduled(layer_groups(self.network, self.recipe.rates, self.recipe.lr))

    def scheduled(self, weights: Weights) -> dict[str, Any]:
        """The recipe's optimiser of weights with its schedule, as the trainer wants them."""
        optimizer, epoch = optimiser(self.recipe, weights), self.steps_per_epoch
        rate = schedule(self.recipe, optimizer, self.recipe.epochs * epoch, epoch=epoch)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rate, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.average is not None:
            checkpoint[_AVERAGE] = self.average.to_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.average is not None:
            self.average.restore(checkpoint[_AVERAGE])


def task_of(module: pl.LightningModule) -> Task:
    """The module that the trainer hands to callbacks, which is the run's task; TypeError for another."""
    if not isinstance(module, Task):
        raise TypeError(f"{type(module).__name__} is no task of training/fitting")
    return module
