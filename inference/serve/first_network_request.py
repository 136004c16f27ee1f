"""The process `first-network`: patches of a place, then a short training on them, as one job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isamap.inference.serve import export_request, request_fields
from isamap.inference.serve.estimate import JobEstimate
from isamap.inference.serve.export_request import ExportJobRequest
from isamap.inference.serve.job import Job
from isamap.inference.serve.library import DATASET, FIRST_NETWORK, RUN, Library
from isamap.inference.serve.request_fields import optional
from isamap.inference.serve.train_request import DEFAULT
from isamap.inference.serve.training_time import START_MIN

PATCH_PX = 64
MOST_BATCH = 8  # of the recipe
LEAST_PATCHES = 16  # of fewer, cut at every edge, no validation split may be left
PATCHES_OF_ONE = 5  # of the place for each patch of a batch: some are cut by its edges, some are no training's
EPOCHS, DEFAULT_EPOCHS = (1, 100), 20  # after 2 epochs a network of few patches says pervious everywhere
INPUTS: dict[str, dict[str, Any]] = {
    name: field for name, field in export_request.INPUTS.items() if name not in ("size", "stride")
} | {
    "epochs": optional("Passes over the data", "integer", minimum=EPOCHS[0], maximum=EPOCHS[1], default=DEFAULT_EPOCHS)
}


@dataclass(frozen=True)
class FirstNetworkRequest:
    """Patches as the process export cuts them, and how long a small network is trained on them."""

    patches: ExportJobRequest
    epochs: int

    @classmethod
    def of(cls, inputs: Any, library: Library) -> FirstNetworkRequest:
        """From inputs; ValueError says what is wrong with them."""
        fields = request_fields.check_names(inputs, INPUTS)
        epochs = request_fields.whole(fields, "epochs", EPOCHS, DEFAULT_EPOCHS)
        cut: Mapping[str, Any] = {name: value for name, value in fields.items() if name != "epochs"}
        request = cls(ExportJobRequest.of({**cut, "size": PATCH_PX, "stride": PATCH_PX}, library), epochs)
        if request.patches.patches < LEAST_PATCHES:
            raise ValueError(
                f"this place gives about {request.patches.patches} of the {LEAST_PATCHES} patches that a first network "
                "needs: choose a place of 3 km or more each way"
            )
        return request

    @property
    def inputs(self) -> dict[str, Any]:
        """Plain JSON from which `of` makes the same request."""
        cut = {name: value for name, value in self.patches.inputs.items() if name not in ("size", "stride")}
        return cut | {"epochs": self.epochs}

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the network."""
        return self.patches.identity | {"epochs": self.epochs, "recipe": DEFAULT}

    @property
    def batch(self) -> int:
        """Patches of a step: of a small place fewer, as a batch may not be larger than the train split."""
        return min(MOST_BATCH, max(1, self.patches.patches // PATCHES_OF_ONE))

    def commands(self, folder: Path) -> tuple[tuple[str, ...], ...]:
        """`isamap export`, then `isamap train`; each continues what it has begun."""
        train = ("train", "--data", str(folder / DATASET), "--out", str(folder / RUN), "--recipe", DEFAULT,
                 "--set", f"epochs={self.epochs}", "--set", f"batch={self.batch}")  # fmt: skip
        return (*self.patches.commands(folder), train)

    def progress(self, folder: Path) -> tuple[int, str]:
        """Half when the patches are there."""
        return (50, "2 of 2: trains") if (folder / RUN).is_dir() else (0, "1 of 2: cuts patches")

    def results(self, job: Job, folder: Path) -> dict[str, Any]:
        """The names of the checkpoint, for the process map, and of the dataset."""
        name = f"{self.patches.name or FIRST_NETWORK}-{job.id[:8]}"
        return {"checkpoint": {"value": name}, "dataset": {"value": name}}

    def estimate(self) -> JobEstimate:
        """Minutes of both steps together; those of an epoch apart."""
        price = self.patches.estimate()
        minutes = price.minutes + START_MIN + self.epochs * price.epoch_minutes
        return replace(price, minutes=round(minutes, 2))
