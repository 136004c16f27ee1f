"""Training against a judge: a network sharpens images, a discriminator learns to tell them from true ones."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor

from training.fitting.plan import Plan
from training.fitting.task import Task
from training.losses import discriminator_loss
from training.models.esrgan import Discriminator
from training.samples.data import Batch


class AdversarialTask(Task):
    """A task whose every step is one of the network, then one of the judge, with the same optimiser and schedule.

    The judge is in resume.ckpt, never in a checkpoint.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.automatic_optimization = False
        self.judge = Discriminator(len(self.recipe.sharp_as), self.loss.judge)

    def training_step(self, batch: Batch, at: int) -> None:
        prepared = self.augmented(batch, at)
        maker, judge = self.optimizers()
        self.toggle_optimizer(maker)
        output = self(prepared.image_BCHW)
        loss = self.cost(output, prepared)
        self._step(maker, loss)
        self.untoggle_optimizer(maker)
        self.toggle_optimizer(judge)
        true, valid = prepared.sharp_BCHW, prepared.sharp_valid_BCHW
        self._step(judge, discriminator_loss(self.judge, output.image, true, valid))
        self.untoggle_optimizer(judge)
        for schedule in self.lr_schedulers():
            schedule.step()
        self.train_losses.append(loss.detach())

    def _step(self, of: LightningOptimizer, loss: Tensor) -> None:
        of.zero_grad()
        self.manual_backward(loss)
        if self.recipe.clip:
            self.clip_gradients(of, gradient_clip_val=self.recipe.clip, gradient_clip_algorithm="norm")
        of.step()

    def configure_optimizers(self) -> Any:
        return self.scheduled(self.network), self.scheduled(self.judge)
