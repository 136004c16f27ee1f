"""A bar while an epoch runs, one line when it is over: losses, scores, samples per second, time spent on waiting."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from isamap.gee_export.base.progress_bar import ProgressBar
from isamap.training.fitting.plan import FitPlan
from isamap.training.fitting.task import task_of


class Progress(Callback):
    """Prints how training goes and how fast; validation is not counted, and only the first process prints."""

    def __init__(self, plan: FitPlan) -> None:
        self.plan = plan
        self.bar: ProgressBar | None = None
        self.marked_s = self.spent_s = self.epoch_s = self.waited_s = 0.0
        self.samples = self.epoch_samples = 0

    @property
    def samples_per_s(self) -> float:
        """Training samples of all devices over the whole fit, validation left out."""
        return self.samples / self.spent_s if self.spent_s else 0.0

    @property
    def waiting_share(self) -> float:
        """Share of the training time that passed between steps: the loader, and the trainer's own work."""
        return self.waited_s / self.spent_s if self.spent_s else 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        name = f"epoch {trainer.current_epoch + 1}/{self.plan.recipe.epochs}"
        hidden = None if trainer.is_global_zero else True
        batches = self.plan.steps_per_epoch * self.plan.recipe.accumulate
        self.bar = ProgressBar(total=batches, desc=name, unit="step", leave=False, disable=hidden)
        self.epoch_samples, self.epoch_s = self.samples, self.spent_s
        self.marked_s = time.perf_counter()

    def on_train_batch_start(self, *_: Any) -> None:
        self.waited_s += self._passed_s()

    def on_train_batch_end(self, *_: Any) -> None:
        self._passed_s()
        self.samples += self.plan.recipe.batch // self.plan.recipe.accumulate
        if self.bar is None:
            return
        self.bar.update()
        self.bar.set_postfix_str(f"{self.samples_per_s:,.0f} samples/s", refresh=False)

    def _passed_s(self) -> float:
        """Time since the last mark, counted as spent."""
        now_s = time.perf_counter()
        passed_s, self.marked_s = now_s - self.marked_s, now_s
        self.spent_s += passed_s
        return passed_s

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.bar is not None:
            self.bar.close()
        if not trainer.is_global_zero:
            return
        rate = (self.samples - self.epoch_samples) / max(1e-9, self.spent_s - self.epoch_s)
        task = task_of(pl_module)
        train_loss, validation_loss = task.epoch_losses
        ProgressBar.write(
            f"epoch {trainer.current_epoch + 1}/{self.plan.recipe.epochs}: loss {train_loss:.4f}, "
            f"validation loss {validation_loss:.4f}, MIoU {task.accuracies.miou:.4f}, "
            f"OA {task.accuracies.oa:.4f}; {rate:,.0f} samples/s, {self.waiting_share:.1%} waiting for data"
        )

    def on_exception(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()
