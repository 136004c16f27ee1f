"""The process `train`: a network fitted to datasets by `isamap train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gee_export.datasets.dataset import Dataset
from inference.serve import request_fields
from inference.serve.estimate import Estimate
from inference.serve.job import Job
from inference.serve.library import RUN, Library
from inference.serve.training_time import START_MIN, epoch_minutes, source
from training.recipes import RECIPES

EPOCHS, SEEDS = (1, 1000), (0, 2**31 - 1)
DEFAULT = "crofusenet-tiny"
MOST_DATASETS = 20
INPUTS: dict[str, dict[str, Any]] = {
    "data": {
        "title": "Datasets, by their names in GET /datasets",
        "schema": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_DATASETS},
    },
    "recipe": {
        "title": "The network and how it is trained",
        "schema": {"type": "string", "enum": list(RECIPES), "default": DEFAULT},
        "minOccurs": 0,
    },
    "epochs": {
        "title": "Passes over the data; 0: the recipe's own",
        "schema": {"type": "integer", "minimum": 0, "maximum": EPOCHS[1]},
        "minOccurs": 0,
    },
    "seed": {"title": "Of all that is random", "schema": {"type": "integer", "minimum": 0}, "minOccurs": 0},
    "name": {"title": "Of the checkpoint", "schema": {"type": "string", "maxLength": 60}, "minOccurs": 0},
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
        known = request_fields.check_names(inputs, INPUTS)
        names = known.get("data")
        if not isinstance(names, list) or not 1 <= len(names) <= MOST_DATASETS:
            raise ValueError(f"data: expected a list of 1 to {MOST_DATASETS} names of datasets")
        data = tuple(request_fields.name({"data": each}, "data") for each in names)
        for each in data:
            library.dataset(each)
        return cls(
            data,
            request_fields.choice(known, "recipe", RECIPES, DEFAULT),
            request_fields.whole(known, "epochs", (0, EPOCHS[1]), 0),
            request_fields.whole(known, "seed", SEEDS, 0),
            request_fields.word(known, "name"),
            library,
        )

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

    def estimate(self) -> Estimate:
        """Minutes of all epochs by a measured rate; Fault where a dataset is damaged."""
        datasets = [Dataset.open(self.library.dataset(name)) for name in self.data]
        patches = sum(len(dataset) for dataset in datasets)
        pixels = sum(len(dataset) * dataset.manifest.size**2 for dataset in datasets)
        epochs = self.epochs or RECIPES[self.recipe]().epochs
        minutes = epoch_minutes(self.recipe, pixels)
        if minutes is None:
            note = f"recipe {self.recipe!r} has no measured rate, its minutes are not counted: see the log of the job"
            return Estimate(patches=patches, notes=(note,))
        notes = (
            f"at most {epochs} epochs of {patches:,} patches: fewer where the accuracy no longer rises",
            f"by the rate of {source()}, with nothing else to do; a GPU is many times faster",
        )
        total = START_MIN + epochs * minutes
        return Estimate(patches=patches, minutes=round(total, 2), epoch_minutes=round(minutes, 3), notes=notes)
