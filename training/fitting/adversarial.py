"""Training against a judge: a network sharpens images, a discriminator learns to tell them from true ones."""

from __future__ import annotations

from typing import Any, cast

from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from training.fitting.plan import Plan
from training.fitting.task import Task
from training.losses import ImageLoss, discriminator_loss
from training.models.esrgan import Discriminator
from training.samples.data import Batch


class AdversarialTask(Task):
    """A task whose every step is one of the network, then one of the judge, with the same optimiser and schedule.

    The judge is in resume.ckpt, never in a checkpoint.
    """

    judge: Discriminator

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.automatic_optimization = False
        if not isinstance(self.loss, ImageLoss):
            raise TypeError(f"loss {self.recipe.loss} has no judge: only losses of images are trained against one")
        self.judge = Discriminator(len(self.recipe.sharp_as), self.loss.judge)

    def training_step(self, batch: Batch, at: int) -> None:
        prepared = self.augmented(batch, at)
        maker, judge = cast("list[LightningOptimizer]", self.optimizers())  # as configure_optimizers gives them
        self.toggle_optimizer(maker)
        output = self(prepared.image_BCHW)
        loss = self.cost(output, prepared)
        self._step(maker, loss)
        self.untoggle_optimizer(maker)
        self.toggle_optimizer(judge)
        true, valid = prepared.sharp_BCHW, prepared.sharp_valid_BCHW
        if true is None:
            raise ValueError("a judge compares with true images: train with a target that has sharp ones")
        self._step(judge, discriminator_loss(self.judge, output.image, true, valid))
        self.untoggle_optimizer(judge)
        for schedule in cast("list[LRScheduler]", self.lr_schedulers()):  # one for each optimiser
            schedule.step()
        self.train_losses.append(loss.detach())

    def _step(self, of: LightningOptimizer, loss: Tensor) -> None:
        of.zero_grad()
        self.manual_backward(loss)
        if self.recipe.clip:
            self.clip_gradients(of.optimizer, gradient_clip_val=self.recipe.clip, gradient_clip_algorithm="norm")
        of.step()

    def configure_optimizers(self) -> Any:
        return self.scheduled(self.network), self.scheduled(self.judge)
