"""The process `train`: a network fitted to datasets by `isamap train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isamap.gee_export.datasets.dataset import Dataset
from isamap.inference.serve import request_fields
from isamap.inference.serve.estimate import JobEstimate
from isamap.inference.serve.job import Job
from isamap.inference.serve.library import RUN, Library
from isamap.inference.serve.request_fields import optional
from isamap.inference.serve.training_time import START_MIN, epoch_minutes, source
from isamap.training.recipes import RECIPES

EPOCHS, SEEDS = (1, 1000), (0, 2**31 - 1)
DEFAULT = "crofusenet-tiny"
MOST_DATASETS = 20
INPUTS: dict[str, dict[str, Any]] = {
    "data": {
        "title": "Datasets, by their names in GET /datasets",
        "schema": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_DATASETS},
    },
    "recipe": optional("The network and how it is trained", "string", enum=list(RECIPES), default=DEFAULT),
    "epochs": optional("Passes over the data; 0: the recipe's own", "integer", minimum=0, maximum=EPOCHS[1]),
    "seed": optional("Of all that is random", "integer", minimum=0),
    "name": optional("Of the checkpoint", "string", maxLength=60),
}


@dataclass(frozen=True)
class TrainRequest:
    """A training run as a request asks for it, checked."""

    data: tuple[str, ...]
    recipe: str
    epochs: int
    seed: int
    name: str
    library: Library

    @classmethod
    def of(cls, inputs: Any, library: Library) -> TrainRequest:
        """From inputs; ValueError says what is wrong with them."""
        fields = request_fields.check_names(inputs, INPUTS)
        names = fields.get("data")
        if not isinstance(names, list) or not 1 <= len(names) <= MOST_DATASETS:
            raise ValueError(f"data: expected a list of 1 to {MOST_DATASETS} names of datasets")
        data = tuple(request_fields.name({"data": each}, "data") for each in names)
        for each in data:
            library.dataset(each)
        request = cls(
            data,
            request_fields.choice(fields, "recipe", RECIPES, DEFAULT),
            request_fields.whole(fields, "epochs", (0, EPOCHS[1]), 0),
            request_fields.whole(fields, "seed", SEEDS, 0),
            request_fields.word(fields, "name"),
            library,
        )
        request.estimate()  # a training that is too long is refused before it waits
        return request

    @property
    def inputs(self) -> dict[str, Any]:
        """Plain JSON from which `of` makes the same request."""
        names = {"name": self.name} if self.name else {}
        return {"data": list(self.data), "recipe": self.recipe, "epochs": self.epochs, "seed": self.seed} | names

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides the run but the datasets' content, which does not change under a name."""
        return self.inputs

    def commands(self, folder: Path) -> tuple[tuple[str, ...], ...]:
        """`isamap train`, which continues a run that is there."""
        addresses = [str(Path(self.library.dataset(name)).absolute()) for name in self.data]
        settings = [f"seed={self.seed}", *([f"epochs={self.epochs}"] if self.epochs else [])]
        data = [word for address in addresses for word in ("--data", address)]
        options = [word for setting in settings for word in ("--set", setting)]
        return (("train", *data, "--out", str(folder / RUN), "--recipe", self.recipe, *options),)

    def progress(self, folder: Path) -> tuple[int, str]:
        """`isamap train` tells a terminal only: its log says more."""
        return 0, "trains"

    def results(self, job: Job, folder: Path) -> dict[str, Any]:
        """The name of the checkpoint, for the process map."""
        return {"checkpoint": {"value": f"{self.name or 'train'}-{job.id[:8]}"}}

    def estimate(self) -> JobEstimate:
        """Minutes of all epochs by a measured rate. Fault: a dataset is damaged; ValueError: it takes too long."""
        datasets = [Dataset.open(self.library.dataset(name)) for name in self.data]
        patches = sum(len(dataset) for dataset in datasets)
        pixels = sum(len(dataset) * dataset.manifest.size**2 for dataset in datasets)
        minutes = epoch_minutes(self.recipe, pixels)
        if minutes is None:
            note = f"recipe {self.recipe!r} has no measured rate, its minutes are not counted: see the log of the job"
            return JobEstimate(patches=patches, notes=(note,))
        epochs = self.epochs or RECIPES[self.recipe]().epochs
        limits = self.library.settings.limits
        if epochs * minutes > limits.train_minutes:
            raise ValueError(
                f"{epochs:,} epochs of {patches:,} patches take {epochs * minutes / 60:,.0f} hours by the measured "
                f"rate: this service trains at most {limits.train_minutes / 60:,.0f}: choose fewer epochs or a "
                "smaller recipe"
            )
        notes = (
            f"at most {epochs} epochs of {patches:,} patches: fewer where the accuracy no longer rises",
            f"by the rate of {source()}, with nothing else to do; a GPU is many times faster",
        )
        total = START_MIN + epochs * minutes
        return JobEstimate(patches=patches, minutes=round(total, 2), epoch_minutes=round(minutes, 3), notes=notes)
