"""A judge at 1 m: networks of either scale against a dataset's finer labels."""

from __future__ import annotations

from pathlib import Path

from isamap.reproduction.evaluators import class_maps, evaluated_once, run_of
from isamap.reproduction.labels import evaluated
from isamap.reproduction.study import Evaluated, Trial

GFLOP = "gflop"


def on_fine_labels(trial: Trial) -> Evaluated:
    """Scores of the test split at 1 m; a 10-m network's classes are repeated over the finer pixels.

    Beside the keys of Scores.to_json: area_percent (labels.judged) and gflop, billions of operations for one patch.
    """
    run, addresses = run_of(trial), list(trial.addresses)
    report = evaluated_once(run, trial.addresses, "test", (("layer", "fine"),))
    maps = class_maps(run, addresses, trial.shown)
    return evaluated(report.by_block, tuple(report.classes), further={GFLOP: _gflop(run, addresses[0])}, maps=maps)


def _gflop(run: Path, address: str) -> float:
    """GFLOP of one forward pass on a patch of the dataset."""
    from isamap.gee_export.datasets.dataset import Dataset
    from isamap.training.checkpoints import checkpoint as ck
    from isamap.training.models.cost import flop

    trained = ck.load(run)
    return flop(trained.build(), Dataset.open(address).manifest.size, dates=trained.frames) / 1e9
