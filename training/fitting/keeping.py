"""What a run keeps of each epoch: history, best/ and last/ checkpoints, pictures; of networks and pixel classifiers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gee_export.base.atomic import write_whole
from training.accuracy.metrics import Scores
from training.checkpoints import checkpoint as ck
from training.fitting import pictures
from training.fitting.plan import Plan
from training.models.output import Network, Output
from training.samples.patches import classes_of

HISTORY, PICTURES = "history.json", "pictures"
PICTURED = 4


class Records:
    """A run's epochs so far, in memory and as files of its folder; each file is whole at any time."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.history: list[dict[str, float]] = []
        self.best_epoch, self.best_miou = 0, -1.0

    def to_state(self) -> dict[str, Any]:
        """What `restore` takes: plain numbers."""
        return {"history": self.history, "best_epoch": self.best_epoch, "best_miou": self.best_miou}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the epochs of an interrupted run."""
        self.history = list(state["history"])
        self.best_epoch, self.best_miou = state["best_epoch"], state["best_miou"]

    def note(self, train_loss: float, validation_loss: float, validation: Scores) -> None:
        """One more epoch is over; history.json has it."""
        epoch = len(self.history) + 1
        entry = {"epoch": epoch, "train_loss": train_loss, "val_loss": validation_loss}
        self.history.append(entry | {"val_miou": validation.miou, "val_oa": validation.oa})
        if validation.miou > self.best_miou:
            self.best_epoch, self.best_miou = epoch, validation.miou

    def write(self, network: Network, validation: Scores) -> None:
        """history.json, the checkpoint last/, and best/ if no earlier epoch is as good."""
        write_whole(self.plan.folder / HISTORY, (json.dumps(self.history, indent=1) + "\n").encode())
        epoch = self.history[-1]["epoch"]
        for name in (ck.LAST, ck.BEST) if epoch == self.best_epoch else (ck.LAST,):
            self._save(network, validation, name)

    def _save(self, network: Network, validation: Scores, name: str) -> None:
        plan = self.plan
        metrics = {"epoch": self.history[-1]["epoch"], "split": "val"} | validation.to_json(plan.source.classes)
        described = ck.of_network(network, plan.recipe.model, plan.source.bands, metrics=metrics, **plan.about)
        ck.save(described, network, plan.folder / name)

    def draw(self, forward: Callable[[Tensor], Output], device: torch.device | str = "cpu") -> np.ndarray:
        """The epoch's picture (rows, columns, 3), written too: the same few validation patches every time."""
        plan, count = self.plan, len(self.plan.validation)
        indices = np.unique(np.linspace(0, count - 1, min(count, PICTURED)).astype(int)).tolist()
        prepared = plan.source.prepare(plan.validation.__getitems__(indices).to(torch.device(device)))
        with torch.no_grad():
            predicted = forward(prepared.image_BCHW).logits_BKHW.argmax(dim=1)
        views = [array.cpu().numpy() for array in (prepared.image_BCHW, classes_of(prepared.label_BHW), predicted)]
        picture = pictures.panel(*views, bands=plan.network.bands, classes=plan.source.classes)
        pictures.save_png(plan.folder / PICTURES / f"epoch_{self.history[-1]['epoch']:04d}.png", picture)
        return picture
