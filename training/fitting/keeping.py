"""What a run keeps of each epoch: history, best/ and last/ checkpoints, pictures; of networks and pixel classifiers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isamap.gee_export.base.atomic import write_whole
from isamap.training.accuracy.metrics import Scores
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.fitting import pictures
from isamap.training.fitting.plan import FitPlan
from isamap.training.models.output import Network, Output
from isamap.training.samples.patches import classes_of

HISTORY, PICTURES = "history.json", "pictures"
# So many fit side by side on a screen, and are drawn in no time.
PICTURED = 4


class Records:
    """A run's epochs so far, in memory and as files of its folder; each file is whole at any time.

    best_epoch: of the highest validation MIoU; of equal ones, that of the lowest validation loss. advanced_epoch: the
    last one that brought the run forward: a new best one, or, while the network still says nothing of a class that the
    labels have, one with a lower validation loss than all before. That class may be about to get its first pixel.
    """

    def __init__(self, plan: FitPlan) -> None:
        self.plan = plan
        self.history: list[dict[str, float]] = []
        self.best_epoch, self.best_miou, self.advanced_epoch = 0, -1.0, 0

    def to_state(self) -> dict[str, Any]:
        """What `restore` takes: plain numbers."""
        epochs = {"best_epoch": self.best_epoch, "advanced_epoch": self.advanced_epoch}
        return {"history": self.history, "best_miou": self.best_miou} | epochs

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the epochs of an interrupted run; of an earlier isamap, which knew the best epoch only."""
        self.history = list(state["history"])
        self.best_epoch, self.best_miou = state["best_epoch"], state["best_miou"]
        self.advanced_epoch = state["advanced_epoch"]

    def has_stalled(self, patience: int) -> bool:
        """Whether so many epochs in a row brought the run no further."""
        return len(self.history) - self.advanced_epoch >= patience

    def note(self, train_loss: float, validation_loss: float, validation: Scores) -> None:
        """One more epoch is over; history.json has it."""
        epoch, lowest = len(self.history) + 1, min((entry["val_loss"] for entry in self.history), default=math.inf)
        is_best = self._is_best(validation.miou, validation_loss)
        entry = {"epoch": epoch, "train_loss": train_loss, "val_loss": validation_loss}
        self.history.append(entry | {"val_miou": validation.miou, "val_oa": validation.oa})
        if is_best:
            self.best_epoch, self.best_miou = epoch, validation.miou
        if is_best or (validation.uncalled and validation_loss < lowest):
            self.advanced_epoch = epoch

    def _is_best(self, miou: float, loss: float) -> bool:
        if miou != self.best_miou:
            return miou > self.best_miou
        return loss < self.history[self.best_epoch - 1]["val_loss"]

    def write(self, network: Network, validation: Scores) -> None:
        """history.json, the checkpoint last/, and best/ if no earlier epoch is as good."""
        write_whole(self.plan.folder / HISTORY, (json.dumps(self.history, indent=1) + "\n").encode())
        epoch = self.history[-1]["epoch"]
        # last/ first: a kill in between leaves a run whose best/ is of an earlier epoch, as after any kill.
        for name in (ck.LAST, ck.BEST) if epoch == self.best_epoch else (ck.LAST,):
            self._save(network, validation, name)

    def _save(self, network: Network, validation: Scores, name: str) -> None:
        plan = self.plan
        metrics = {"epoch": self.history[-1]["epoch"], "split": "val"} | validation.to_json(plan.source.classes)
        described = ck.of_network(network, plan.recipe.model, plan.source.bands, metrics=metrics, **plan.description)
        ck.save(described, network, plan.folder / name)

    def draw(self, forward: Callable[[Tensor], Output], device: torch.device | str = "cpu") -> np.ndarray:
        """The epoch's picture (rows, columns, 3), written too: the same few validation patches every time."""
        plan, count = self.plan, len(self.plan.validation)
        # Spread over the split, and the same in each epoch: pictures then show progress.
        indices = np.unique(np.linspace(0, count - 1, min(count, PICTURED)).astype(int)).tolist()
        prepared = plan.source.prepare(plan.validation.__getitems__(indices).to(torch.device(device)))
        with torch.no_grad():
            predicted = forward(prepared.image_BCHW).logits_BKHW.argmax(dim=1)
        views = [array.cpu().numpy() for array in (prepared.image_BCHW, classes_of(prepared.label_BHW), predicted)]
        picture = pictures.panel(*views, bands=plan.network.bands, classes=plan.source.classes)
        pictures.save_png(plan.folder / PICTURES / f"epoch_{self.history[-1]['epoch']:04d}.png", picture)
        return picture
