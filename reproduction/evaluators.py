"""Judges: functions that measure one row, from a finished run to values, counts and maps for the panel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isamap.reproduction.study import Evaluated, Evaluator, Trial

if TYPE_CHECKING:
    from isamap.training.accuracy.evaluation import EvaluationReport


def on_split(split: str = "test", **options: Any) -> Evaluator:
    """A judge by `isamap.training.evaluate` on a split of the row's dataset; options are its further arguments.

    Values go by the names of Scores.to_json (training/accuracy/metrics.py): miou, oa, mean_f1, kappa,
    iou_impervious, pa_impervious, ...
    """

    def evaluator(trial: Trial) -> Evaluated:
        run, addresses = run_of(trial), list(trial.addresses)
        report = evaluated_once(run, trial.addresses, split, tuple(sorted(options.items())))
        maps = class_maps(run, addresses, trial.shown)
        return Evaluated(report.scores.to_json(report.classes), report.by_block, maps, tuple(report.classes))

    return evaluator


# rows of several studies, and of several strata, ask for the same finished run
@lru_cache(maxsize=256)
def evaluated_once(
    run: Path, addresses: tuple[str, ...], split: str = "test", options: tuple[tuple[str, Any], ...] = ()
) -> EvaluationReport:
    """`isamap.training.evaluate` of a finished run, which this process asks for once."""
    from isamap.training import evaluate

    return evaluate(run, list(addresses), split, **dict(options))


def run_of(trial: Trial) -> Path:
    """The trial's finished run; ValueError for a row that trains nothing."""
    if trial.run is None:
        raise ValueError("a row that trains nothing has no checkpoint to judge: give it a judge of its own")
    return trial.run


def class_maps(run: Path, addresses: Sequence[str], ids: Sequence[str], layer: str = "") -> dict[str, np.ndarray]:
    """Classes uint8 (rows, columns) that the run's checkpoint gives the patches named, as fine as its output."""
    from isamap.training.accuracy.evaluation import classify
    from isamap.training.checkpoints import checkpoint as ck

    trained = ck.load(run)
    return {
        name: classify(probabilities_KHW[None], trained.thresholds.get("impervious", 0.5))[0].astype(np.uint8)
        for name, probabilities_KHW, _ in probabilities(run, addresses, ids, layer)
    }


def probabilities(
    run: Path, addresses: Sequence[str], ids: Sequence[str], layer: str = ""
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Id, class probabilities float32 (classes, rows, columns) and label of each patch in `ids`."""
    from torch.utils.data import Subset

    from isamap.training.accuracy.evaluation import source_for
    from isamap.training.accuracy.predictions import predicted
    from isamap.training.checkpoints import checkpoint as ck

    if not ids:
        return
    trained = ck.load(run)
    source = source_for(trained, list(addresses), layer=layer)
    for split in ("test", "val", "train"):
        names = [patch.id for dataset in source.datasets for patch in dataset.patches if patch.split == split]
        indices = [names.index(name) for name in ids if name in names]
        if not indices:
            continue
        for batch in predicted(trained, source, Subset(source.split(split), indices)):
            for patch_index, probabilities_KHW, label in zip(
                batch.patch_B, batch.probabilities_BKHW, batch.label_BHW, strict=True
            ):
                yield names[int(patch_index)], probabilities_KHW, label
