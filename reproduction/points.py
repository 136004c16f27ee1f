"""A judge of points: the overall accuracy that so many places of the test patches give, as papers measure it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.reproduction.study import Evaluated, Evaluator, Trial

POINTS, SEED = 1940, 0  # as many as LandCover3m's Tables 2 and 3 have
OA_POINTS = "oa_points"


@dataclass(frozen=True)
class AtPoints:
    """Another judge's outcome, and the overall accuracy at points drawn at random from all labelled test pixels.

    Points are the same for every row: drawn once, without regard to any map. ValueError: fewer labelled pixels than
    points.
    """

    evaluator: Evaluator
    points: int = POINTS

    def __call__(self, trial: Trial) -> Evaluated:
        """The judge's values, and one more."""
        from isamap.gee_export.datasets.dataset import Dataset

        data_of = {p.id: data for data in map(Dataset.open, trial.addresses) for p in data.in_split("test")}
        outcome = self.evaluator(replace(trial, shown=tuple(data_of)))
        labels = {name: data_of[name].read_label(name) for name in data_of}
        values = {**outcome.values, OA_POINTS: accuracy(labels, outcome.maps, self.points)}
        return replace(outcome, values=values, maps={name: outcome.maps[name] for name in trial.shown})


def accuracy(labels: dict[str, np.ndarray], maps, points: int) -> float:
    """The share of points at which map and label agree; a map that knows nothing there is wrong."""
    # Sorted: the same points for every row, whatever the order in which its maps came.
    names = sorted(labels)
    reference = np.concatenate([labels[name].ravel() for name in names])
    seen = np.concatenate([maps[name].ravel() for name in names])
    labelled = np.flatnonzero(reference != UNKNOWN)
    if len(labelled) < points:
        raise ValueError(f"the test split has {len(labelled):,} labelled pixels for {points:,} points: export more")
    drawn = np.random.default_rng(SEED).choice(labelled, points, replace=False)
    return float((reference[drawn] == seen[drawn]).mean())
