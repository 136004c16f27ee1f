"""The training loop: pytorch-lightning's Trainer with our checkpoints, pictures, progress line and resuming."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint, EarlyStopping
from pytorch_lightning.loggers import TensorBoardLogger
from torch.utils.data import DataLoader
from tqdm import tqdm

from gee_export.console import Fault
from training import checkpoint as ck
from training import pictures
from training.cpu import tune_cpu
from training.data import CLASSES, EpochOrder, loader
from training.plan import Fitted, Plan
from training.recipes import Recipe
from training.task import Task

RESUME, HISTORY, TENSORBOARD, PICTURES = "resume.ckpt", "history.json", "tensorboard", "pictures"
_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
_PICTURED = 4


def fit(plan: Plan) -> Fitted:
    """Train until the epochs are over or validation stops getting better; goes on from resume.ckpt if there is one."""
    tune_cpu()
    recipe = plan.recipe
    task = Task(plan.network, plan.source, recipe, steps=recipe.epochs * plan.steps_per_epoch)
    task.to(memory_format=torch.channels_last)
    keeper, progress = Keeper(plan), Progress(plan)
    resume = plan.folder / RESUME
    with _quiet():
        trainer = _trainer(plan, [_early_stopping(recipe), progress, keeper])
        order = EpochOrder(len(plan.train), recipe.seed)
        batches = loader(plan.train, recipe.batch, order), loader(plan.validation, recipe.batch)
        _run(trainer, task, batches, _whole(resume))
    return Fitted(tuple(keeper.history), keeper.best_epoch, keeper.best_miou, progress.samples_per_s)


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
    return pl.Trainer(
        accelerator=recipe.device,
        devices=1,
        precision=_PRECISION[recipe.precision],
        max_epochs=recipe.epochs,
        callbacks=callbacks,
        logger=TensorBoardLogger(plan.folder, name="", version=TENSORBOARD),
        deterministic="warn",
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
        self.plan = plan
        self.history: list[dict[str, float]] = []
        self.best_epoch, self.best_miou = 0, -1.0

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history, "best_epoch": self.best_epoch, "best_miou": self.best_miou}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = list(state_dict["history"])
        self.best_epoch, self.best_miou = state_dict["best_epoch"], state_dict["best_miou"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: Task) -> None:
        """A run that had stopped early and was killed before its report is not trained on."""
        if self.history and len(self.history) - self.best_epoch >= self.plan.recipe.patience:
            trainer.should_stop = True

    def on_validation_start(self, trainer: pl.Trainer, pl_module: Task) -> None:
        self.plan.after_epoch(pl_module.network, trainer.current_epoch + 1)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Task) -> None:
        self._note(trainer, pl_module)
        written = self._save(pl_module, ck.LAST)
        if self.best_epoch == written.metrics["epoch"]:
            self._save(pl_module, ck.BEST)
        self._draw(trainer, pl_module)
        resume = self.plan.folder / RESUME
        fresh = resume.with_suffix(".tmp")
        trainer.save_checkpoint(fresh)
        os.replace(fresh, resume)
        self.plan.saved()

    def _note(self, trainer: pl.Trainer, task: Task) -> None:
        epoch = trainer.current_epoch + 1
        train_loss, validation_loss = task.epoch_losses
        entry = {"epoch": epoch, "train_loss": train_loss, "val_loss": validation_loss}
        self.history.append(entry | {"val_miou": task.validation.miou, "val_oa": task.validation.oa})
        if task.validation.miou > self.best_miou:
            self.best_epoch, self.best_miou = epoch, task.validation.miou
        fresh = self.plan.folder / f".{HISTORY}.tmp"
        fresh.write_text(json.dumps(self.history, indent=1) + "\n")
        os.replace(fresh, self.plan.folder / HISTORY)

    def _save(self, task: Task, name: str) -> ck.Checkpoint:
        plan = self.plan
        epoch = self.history[-1]["epoch"]
        metrics = {"epoch": epoch, "split": "val"} | task.validation.to_json(CLASSES)
        described = ck.of_network(task.network, plan.recipe.model, plan.source.bands, metrics=metrics, **plan.about)
        return ck.save(described, task.network, plan.folder / name)

    def _draw(self, trainer: pl.Trainer, task: Task) -> None:
        """The same few validation patches every time."""
        count = len(self.plan.validation)
        chosen = np.unique(np.linspace(0, count - 1, min(count, _PICTURED)).astype(int)).tolist()
        batch = self.plan.validation.__getitems__(chosen)
        prepared = self.plan.source.prepare(batch.to(task.device))
        task.eval()
        with torch.no_grad():
            predicted = task(prepared.image_BCHW).logits_BKHW.argmax(dim=1)
        task.train()
        picture = pictures.panel(
            prepared.image_BCHW.cpu().numpy(),
            batch.label_BHW.numpy(),
            predicted.cpu().numpy(),
            bands=task.network.bands,
        )
        epoch = trainer.current_epoch + 1
        pictures.save_png(self.plan.folder / PICTURES / f"epoch_{epoch:04d}.png", picture)
        trainer.logger.experiment.add_image("validation", picture, epoch, dataformats="HWC")


class Progress(Callback):
    """A bar while an epoch runs, one line when it is over, with training samples per second."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.bar: tqdm | None = None
        self.marked_s = self.spent_s = self.epoch_s = 0.0
        self.samples = self.epoch_samples = 0

    @property
    def samples_per_s(self) -> float:
        """Over the whole fit, validation left out."""
        return self.samples / self.spent_s if self.spent_s else 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Task) -> None:
        name = f"epoch {trainer.current_epoch + 1}/{self.plan.recipe.epochs}"
        self.bar = tqdm(total=self.plan.steps_per_epoch, desc=name, unit="step", leave=False, disable=None)
        self.epoch_samples, self.epoch_s = self.samples, self.spent_s
        self.marked_s = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Task, outputs: Any, *_: Any) -> None:
        now_s = time.perf_counter()
        self.spent_s, self.marked_s = self.spent_s + now_s - self.marked_s, now_s
        self.samples += self.plan.recipe.batch
        self.bar.update()
        self.bar.set_postfix_str(f"{self.samples_per_s:,.0f} samples/s", refresh=False)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Task) -> None:
        self.bar.close()
        rate = (self.samples - self.epoch_samples) / max(1e-9, self.spent_s - self.epoch_s)
        train_loss, validation_loss = pl_module.epoch_losses
        tqdm.write(
            f"epoch {trainer.current_epoch + 1}/{self.plan.recipe.epochs}: loss {train_loss:.4f}, "
            f"validation loss {validation_loss:.4f}, MIoU {pl_module.validation.miou:.4f}, "
            f"OA {pl_module.validation.oa:.4f}; {rate:,.0f} samples/s"
        )

    def on_exception(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()


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
