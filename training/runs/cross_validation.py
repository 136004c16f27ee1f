"""`isamap.cross_validate`: a recipe trained once for every fold of the ground, and one table of how it did."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from isamap.gee_export.base.storage import open_storage
from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.evaluation import counted, source_for
from isamap.training.accuracy.metrics import scores
from isamap.training.accuracy.predictions import predicted
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.recipes import Recipe, override
from isamap.training.recipes import recipe as named
from isamap.training.recipes.settings import pairs
from isamap.training.runs.run import Data, train
from isamap.training.samples.arguments import check_address, dataset_addresses
from isamap.training.samples.folds import Fold

TABLE = "folds.json"
MEASURES = {"miou": "MIoU", "f1_impervious": "F1 of impervious", "oa": "OA"}


@dataclass(frozen=True)
class FoldsReport:
    """Test scores of each fold's run, and the confusion counts of every spatial block of all of them together.

    patches: of each fold's training, validation and test.
    """

    out: str
    recipe: str
    scores: tuple[Mapping[str, float], ...]
    patches: tuple[tuple[int, ...], ...]
    by_block: np.ndarray
    classes: tuple[str, ...]
    simulated: bool

    def interval(self, measure: str) -> tuple[float, float, float]:
        """Mean over folds and the ends of its 95 % interval, by Student's t over the folds."""
        from scipy.stats import t

        values = [each[measure] for each in self.scores]
        half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
        return fmean(values), fmean(values) - half, fmean(values) + half

    def to_json(self) -> dict[str, Any]:
        """The table; "together": of all test patches as one, with intervals over blocks."""
        bounds = bootstrap.rounded(bootstrap.intervals(self.by_block, self.classes))
        together = scores(self.by_block.sum(axis=0)).to_json(self.classes)
        return {
            "recipe": self.recipe,
            "folds": [
                dict(each) | dict(zip(("train", "val", "test"), patches, strict=True))
                for each, patches in zip(self.scores, self.patches, strict=True)
            ],
            "mean": {measure: [round(value, 5) for value in self.interval(measure)] for measure in MEASURES},
            "together": {measure: [together[measure], bounds[measure]] for measure in MEASURES},
            "simulated": self.simulated,
        }

    def __str__(self) -> str:
        head = f"{'fold':<9}" + "".join(f" {word:<25}" for word in MEASURES.values()) + " train/val/test patches"
        rows = [
            f"{fold:<9}"
            + "".join(f" {each[measure]:<25.4f}" for measure in MEASURES)
            + " {}/{}/{}".format(*self.patches[fold - 1])
            for fold, each in enumerate(self.scores, 1)
        ]
        means = f"{'mean':<9}" + "".join(
            " {:<25}".format("{:.4f} [{:.4f}, {:.4f}]".format(*self.interval(measure))) for measure in MEASURES
        )
        pooled = self.to_json()["together"]
        together = f"{'together':<9}" + "".join(f" {_cell(*pooled[measure]):<25}" for measure in MEASURES)
        notes = [
            f"{self.recipe}: every patch is tested once, by a network that saw neither it nor any ground it touches.",
            "mean: 95 % by Student's t over folds, whose training ground is shared, so it is rather too narrow; "
            f"together: by bootstrap over {len(self.by_block)} spatial blocks of all folds.",
        ]
        if self.simulated:
            notes.append("The data are simulated: this says nothing about real imagery.")
        return "\n".join([head, *(row.rstrip() for row in rows), means.rstrip(), together.rstrip(), *notes,
                          f"table: {self.out}/{TABLE}"])  # fmt: skip


def cross_validate(
    data: Data,
    recipe: str | Recipe,
    out: str | Path,
    *,
    folds: int = 5,
    settings: Mapping[str, Any] | Sequence[str] | None = None,
    loggers: Sequence[str] = (),
    session: Any = None,
) -> FoldsReport:
    """A recipe's test scores on every fold of the datasets' ground; writes the runs out/fold-1, ... and out/folds.json.

    The datasets' own splits play no part, but bands are standardised by the statistics of their training patches. The
    recipe's seed divides the ground. Interrupted, the same call goes on; finished folds are only measured.
    ValueError: fewer blocks of ground than folds, and what `train` refuses.
    """
    check_address("out", out, "runs/folds")
    addresses, folder = dataset_addresses(data), str(out).rstrip("/")
    seed = _seed(recipe, settings)
    measured = []
    for fold_number in range(1, folds + 1):
        fold, home = Fold(fold_number, folds, seed), f"{folder}/fold-{fold_number}"
        # One fold after another, each a run of its own folder: a stopped call resumes within the fold that it was in.
        train(addresses, recipe, home, settings=settings, loggers=loggers, fold=fold, session=session)
        measured.append(_measured(home, addresses, fold, session))
    trained = ck.load(f"{folder}/fold-1", session)
    by_fold, patches, simulated = zip(*measured, strict=True)
    report = FoldsReport(
        out=folder,
        recipe=str(trained.recipe.get("name", trained.model)),
        scores=tuple(_scores(by_block.sum(axis=0), trained.classes) for by_block in by_fold),
        patches=patches,
        by_block=np.concatenate(by_fold),
        classes=trained.classes,
        simulated=any(simulated),
    )
    open_storage(folder, session).write(TABLE, (json.dumps(report.to_json(), indent=1) + "\n").encode())
    return report


def _measured(
    home: str, addresses: Sequence[str | Path], fold: Fold, session: Any
) -> tuple[np.ndarray, tuple[int, ...], bool]:
    """Confusion counts of each block of the fold's test ground, patches of its splits, whether they are simulated."""
    best = ck.load(home, session)
    source = fold.of(source_for(best, addresses, session=session))
    split, device = source.split("test"), str(best.recipe.get("device", "auto"))
    by_block, _ = counted(best, predicted(best, source, split, device=device), source.blocks("test"))
    return by_block, tuple(len(source.split(name)) for name in ("train", "val", "test")), source.simulated


def _scores(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """The table's measures; 0 where a fold holds nothing that defines one."""
    values = scores(confusion).to_json(classes)
    return {measure: values[measure] or 0.0 for measure in MEASURES}


def _seed(recipe: str | Recipe, settings: Mapping[str, Any] | Sequence[str] | None) -> int:
    changes = pairs(settings)
    return (override(recipe, changes) if isinstance(recipe, Recipe) else named(recipe, changes)).seed


def _cell(value: float, bounds: Sequence[float] | None) -> str:
    return f"{value:.4f}" + (f" [{bounds[0]:.4f}, {bounds[1]:.4f}]" if bounds else "")
