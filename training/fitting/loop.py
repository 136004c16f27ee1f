"""The training loop: pytorch-lightning's Trainer with our checkpoints, pictures, progress line and resuming."""

from __future__ import annotations

import logging
import pickle
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint, EarlyStopping
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy
from torch.utils.data import DataLoader

from gee_export.base.atomic import put_in_place
from gee_export.base.errors import Fault
from training.cpu import tune_cpu
from training.fitting.adversarial import AdversarialTask
from training.fitting.keeping import Records
from training.fitting.plan import Fitted, Plan
from training.fitting.progress import Progress
from training.fitting.ranks import check_can_follow, is_follower, rank
from training.fitting.task import Task, task_of
from training.recipes import Recipe
from training.samples.data import EpochOrder, loader
from training.samples.patches import BalancedOrder, balanced_weights

RESUME, TENSORBOARD = "resume.ckpt", "tensorboard"
_PRECISION: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def fit(plan: Plan) -> Fitted:
    """Train until the epochs are over or validation stops getting better; goes on from resume.ckpt if there is one.

    ValueError: the loss became infinite or undefined, or several devices are asked for in a notebook. Of several
    processes (recipe.devices) only the first returns.
    """
    tune_cpu()
    _check(plan)
    task = _task(plan)
    task.to(memory_format=torch.channels_last)
    keeper, progress = Keeper(plan), Progress(plan)
    with _quiet():
        trainer = _trainer(plan, [_early_stopping(plan.recipe), progress, keeper])
        _run(trainer, task, _batches(plan), _whole(plan.folder / RESUME))
    if plan.recipe.devices > 1 and is_follower():
        raise SystemExit(0)
    records = keeper.records
    rates = progress.samples_per_s, progress.waiting_share
    return Fitted(tuple(records.history), records.best_epoch, records.best_miou, *rates)


def _check(plan: Plan) -> None:
    recipe, patches = plan.recipe, len(plan.validation)
    if recipe.loss_values.get("adversarial") and recipe.precision == "fp16":
        raise ValueError("loss.adversarial with precision=fp16: two optimisers need fp32 or bf16")
    gpus = torch.cuda.device_count() if recipe.device != "cpu" else 0
    if gpus and recipe.devices > gpus:
        raise ValueError(f"devices={recipe.devices}: this machine has {gpus} GPUs that torch can use")
    if recipe.devices > patches:
        raise ValueError(f"devices={recipe.devices}: the validation split has {patches} patches, use one device")
    if recipe.devices > 1:
        check_can_follow()


def _task(plan: Plan) -> Task:
    return AdversarialTask(plan) if plan.recipe.loss_values.get("adversarial") else Task(plan)


def _batches(plan: Plan) -> tuple[DataLoader, DataLoader]:
    """This process's share of training and validation: an equal share of every batch."""
    recipe = plan.recipe
    at, batch = (rank() if recipe.devices > 1 else 0), recipe.batch // recipe.devices // recipe.accumulate
    shares = {"rank": at, "ranks": recipe.devices}
    order = EpochOrder(len(plan.train), recipe.seed, **shares)
    if recipe.sampling == "balanced":
        order = BalancedOrder(balanced_weights(plan.train), recipe.seed, **shares)
    share = range(at, len(plan.validation), recipe.devices)
    validated = max(1, plan.validated_at_once // recipe.devices)
    return loader(plan.train, batch, order), loader(plan.validation, validated, share)


def _whole(resume: Path) -> str | None:
    """The trainer's own file if there is one; Fault if it cannot be read."""
    if not resume.exists():
        return None
    try:
        torch.load(resume, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError) as error:
        raise Fault(f"{resume} is damaged; remove it to start that run again from its first epoch") from error
    return str(resume)


def _run(trainer: pl.Trainer, task: Task, batches: tuple[DataLoader, DataLoader], resume: str | None) -> None:
    """Trainer.fit, but Ctrl-C stays Ctrl-C: Lightning exits the process instead and leaves SIGINT ignored."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(task, *batches, ckpt_path=resume, weights_only=True)
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


def _trainer(plan: Plan, callbacks: list[Callback]) -> pl.Trainer:
    recipe = plan.recipe
    several = recipe.devices > 1
    adversarial = bool(recipe.loss_values.get("adversarial"))
    return pl.Trainer(
        accelerator=recipe.device,
        devices=recipe.devices,
        # statistics are shared once an epoch (Task); of two optimisers each leaves the other's weights alone
        strategy=DDPStrategy(broadcast_buffers=False, find_unused_parameters=adversarial) if several else "auto",
        sync_batchnorm=several and recipe.device != "cpu" and torch.cuda.is_available(),
        precision=_PRECISION[recipe.precision],
        gradient_clip_val=recipe.clip if recipe.clip and not adversarial else None,
        max_epochs=recipe.epochs,
        accumulate_grad_batches=recipe.accumulate,
        # whole batches only: the parts of a last one that is not whole are left out
        limit_train_batches=plan.steps_per_epoch * recipe.accumulate if recipe.accumulate > 1 else None,
        callbacks=callbacks,
        logger=TensorBoardLogger(plan.folder, name="", version=TENSORBOARD),
        deterministic="warn" if recipe.deterministic else False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=max(1, plan.steps_per_epoch),
        use_distributed_sampler=False,
    )


def _early_stopping(recipe: Recipe) -> EarlyStopping:
    return EarlyStopping("val/miou", mode="max", patience=recipe.patience, check_on_train_epoch_end=True, verbose=False)


class Keeper(Checkpoint):
    """After every epoch: history, best/ and last/ checkpoints, a picture, and last of all resume.ckpt."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.records = plan, Records(plan)

    def state_dict(self) -> dict[str, Any]:
        return self.records.to_state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.records.restore(state_dict)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A run that had stopped early and was killed before its report is not trained on."""
        if len(self.records.history) - self.records.best_epoch >= self.plan.recipe.patience:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task = task_of(pl_module)
        self.records.note(*task.epoch_losses, task.accuracies)
        if trainer.is_global_zero:
            self._write(trainer, task)
        resume = self.plan.folder / RESUME
        fresh = resume.with_suffix(".tmp")
        trainer.save_checkpoint(fresh)  # all processes: each has its share of what it waits for
        if trainer.is_global_zero:
            put_in_place(fresh, resume)
            self.plan.saved()

    def _write(self, trainer: pl.Trainer, task: Task) -> None:
        with task.kept() as network:
            self.records.write(network, task.accuracies)
            task.eval()
            picture = self.records.draw(task, task.device)
            task.train()
        if isinstance(trainer.logger, TensorBoardLogger):
            trainer.logger.experiment.add_image("validation", picture, trainer.current_epoch + 1, dataformats="HWC")


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning without its advertisements and its advice on workers and logging."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
