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
from pytorch_lightning.callbacks import Callback, Checkpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy
from torch.utils.data import DataLoader

from isamap.gee_export.base.atomic import put_in_place
from isamap.gee_export.base.errors import Fault
from isamap.training.cpu import tune_cpu
from isamap.training.fitting.adversarial import AdversarialTask
from isamap.training.fitting.keeping import Records
from isamap.training.fitting.loggers import loggers_for
from isamap.training.fitting.plan import FitPlan, Fitted
from isamap.training.fitting.progress import Progress
from isamap.training.fitting.ranks import check_can_follow, is_follower, rank
from isamap.training.fitting.task import Task, task_of
from isamap.training.gpu import MPS, gpu_of
from isamap.training.samples.data import EpochOrder, loader
from isamap.training.samples.patches import BalancedOrder, balanced_weights

RESUME = "resume.ckpt"
_PRECISION: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def fit(plan: FitPlan) -> Fitted:
    """Train until the epochs are over or validation stops getting better; goes on from resume.ckpt if there is one.

    ValueError: the loss became infinite or undefined, or several devices are asked for in a notebook. Of several
    processes (recipe.devices) only the first returns.
    """
    tune_cpu()
    _check(plan)
    task = _task(plan)
    # Convolutions of a CPU are faster in this order, and it changes no value's meaning.
    task.to(memory_format=torch.channels_last)
    keeper, progress = Keeper(plan), Progress(plan)
    with _quiet():
        trainer = _trainer(plan, [progress, keeper])
        _run(trainer, task, _batches(plan), _whole(plan.folder / RESUME))
    # Followers ran the same command: they end here, and the first process alone goes on to the report.
    if plan.recipe.devices > 1 and is_follower():
        raise SystemExit(0)
    records = keeper.records
    rates = progress.samples_per_s, progress.waiting_share
    return Fitted(tuple(records.history), records.best_epoch, records.best_miou, *rates)


def _check(plan: FitPlan) -> None:
    recipe, patches = plan.recipe, len(plan.validation)
    if recipe.loss_values.get("adversarial") and recipe.precision == "fp16":
        raise ValueError("loss.adversarial with precision=fp16: two optimisers need fp32 or bf16")
    gpus = (torch.cuda.device_count() or int(gpu_of() == MPS)) if recipe.device != "cpu" else 0
    if gpus and recipe.devices > gpus:
        raise ValueError(f"devices={recipe.devices}: this machine has {gpus} GPUs that torch can use")
    if recipe.devices > patches:
        raise ValueError(f"devices={recipe.devices}: the validation split has {patches} patches, use one device")
    if recipe.devices > 1:
        check_can_follow()


def _task(plan: FitPlan) -> Task:
    return AdversarialTask(plan) if plan.recipe.loss_values.get("adversarial") else Task(plan)


def _batches(plan: FitPlan) -> tuple[DataLoader, DataLoader]:
    """This process's share of training and validation: an equal share of every batch."""
    recipe = plan.recipe
    at, batch = (rank() if recipe.devices > 1 else 0), recipe.batch // recipe.devices // recipe.accumulate
    shares = {"rank": at, "ranks": recipe.devices}
    order = EpochOrder(len(plan.train), recipe.seed, **shares)
    if recipe.sampling == "balanced":
        order = BalancedOrder(balanced_weights(plan.train), recipe.seed, **shares)
    # Every Nth patch: processes get patches of all places, and as many each but for one.
    share = range(at, len(plan.validation), recipe.devices)
    validated = max(1, plan.validated_at_once // recipe.devices)
    return loader(plan.train, batch, order), loader(plan.validation, validated, share)


def _whole(resume: Path) -> str | None:
    """The trainer's own file if there is one; Fault if it cannot be read."""
    if not resume.exists():
        return None
    try:
        # Tried before the trainer starts, whose own error names neither the file nor the remedy.
        torch.load(resume, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError) as error:
        raise Fault(f"{resume} is damaged; remove it to start that run again from its first epoch") from error
    return str(resume)


def _run(trainer: pl.Trainer, task: Task, batches: tuple[DataLoader, DataLoader], resume: str | None) -> None:
    """Trainer.fit, but Ctrl-C stays Ctrl-C: Lightning exits the process instead and leaves SIGINT ignored."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        # weights_only: resume.ckpt is a pickle, and one that came with a copied run must not run code.
        trainer.fit(task, *batches, ckpt_path=resume, weights_only=True)
    except SystemExit:
        raise KeyboardInterrupt from None  # without the hundred lines of the trainer's own frames
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


def _trainer(plan: FitPlan, callbacks: list[Callback]) -> pl.Trainer:
    recipe = plan.recipe
    several = recipe.devices > 1
    adversarial = bool(recipe.loss_values.get("adversarial"))
    return pl.Trainer(
        accelerator=recipe.device if gpu_of(type(plan.network)) else "cpu",  # of float64 an Apple GPU knows nothing
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
        logger=loggers_for(plan.loggers, plan.folder),
        # "warn": an operation that has no deterministic form on a GPU would end the run.
        deterministic="warn" if recipe.deterministic else False,
        enable_progress_bar=False,
        enable_model_summary=False,
        # A trial validation would call its hooks, in which pruning silences filters, before the first step.
        num_sanity_val_steps=0,
        log_every_n_steps=max(1, plan.steps_per_epoch),
        # The orders of samples/patches.py deal patches to processes themselves, so that runs repeat.
        use_distributed_sampler=False,
    )


class Keeper(Checkpoint):
    """After every epoch: history, best/ and last/ checkpoints, a picture, resume.ckpt, and the end after `patience`."""

    def __init__(self, plan: FitPlan) -> None:
        self.plan, self.records = plan, Records(plan)

    def state_dict(self) -> dict[str, Any]:
        return self.records.to_state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.records.restore(state_dict)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A run that had stopped early and was killed before its report is not trained on."""
        if self.records.has_stalled(self.plan.recipe.patience):
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task = task_of(pl_module)
        self.records.note(*task.epoch_losses, task.accuracies)
        if trainer.is_global_zero:
            self._write(trainer, task)
        resume = self.plan.folder / RESUME
        # Written beside its place: a kill while it is written leaves the former epoch's file.
        fresh = resume.with_suffix(".tmp")
        trainer.save_checkpoint(fresh)  # all processes: each has its share of what it waits for
        if trainer.is_global_zero:
            put_in_place(fresh, resume)
            self.plan.saved()
        if self.records.has_stalled(self.plan.recipe.patience):  # every process counts the same validation
            trainer.should_stop = True

    def _write(self, trainer: pl.Trainer, task: Task) -> None:
        with task.kept() as network:
            self.records.write(network, task.accuracies)
            task.eval()
            picture = self.records.draw(task, task.device)
            task.train()
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("validation", picture, trainer.current_epoch + 1, dataformats="HWC")


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
