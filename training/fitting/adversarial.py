"""Adversarial training: a network sharpens images, a discriminator learns to tell them from true ones."""

from __future__ import annotations

from typing import Any, cast

from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from isamap.training.fitting.plan import FitPlan
from isamap.training.fitting.task import Task
from isamap.training.losses import ImageLoss, discriminator_loss
from isamap.training.models.esrgan import Discriminator
from isamap.training.samples.data import Batch


class AdversarialTask(Task):
    """Steps of the network and of the discriminator in turn, with the same optimiser and schedule.

    The discriminator is in resume.ckpt, never in a checkpoint.
    """

    discriminator: Discriminator

    def __init__(self, plan: FitPlan) -> None:
        super().__init__(plan)
        # Two optimisers that take turns: Lightning leaves such steps to the task.
        self.automatic_optimization = False
        if not isinstance(self.loss, ImageLoss):
            raise TypeError(f"loss {self.recipe.loss} has no discriminator")
        self.discriminator = Discriminator(len(self.recipe.sharp_as), self.loss.discriminator)

    def training_step(self, batch: Batch, at: int) -> None:
        prepared = self.augmented(batch, at)
        # the trainer gives lists because configure_optimizers gives two of each
        generator, adversary = cast("list[LightningOptimizer]", self.optimizers())
        # The other one's weights get no gradient meanwhile: the discriminator judges here and must not learn from it.
        self.toggle_optimizer(generator)
        output = self(prepared.image_BCHW)
        loss = self.cost(output, prepared)
        self._step(generator, loss)
        self.untoggle_optimizer(generator)
        self.toggle_optimizer(adversary)
        true, valid = prepared.sharp_BCHW, prepared.sharp_valid_BCHW
        self._step(adversary, discriminator_loss(self.discriminator, output.image, true, valid))
        self.untoggle_optimizer(adversary)
        for schedule in cast("list[LRScheduler]", self.lr_schedulers()):
            schedule.step()
        self.train_losses.append(loss.detach())

    def _step(self, of: LightningOptimizer, loss: Tensor) -> None:
        of.zero_grad()
        self.manual_backward(loss)
        if self.recipe.clip:
            self.clip_gradients(of.optimizer, gradient_clip_val=self.recipe.clip, gradient_clip_algorithm="norm")
        of.step()

    def configure_optimizers(self) -> Any:
        return super().configure_optimizers(), self.scheduled(self.discriminator.parameters())
