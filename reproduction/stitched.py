"""A judge of post-processing: maps of a dataset's places put together, without or with a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.reproduction.evaluators import run_of
from isamap.reproduction.labels import evaluated
from isamap.reproduction.study import Evaluated, Trial

if TYPE_CHECKING:
    from isamap.inference.mapping.mosaic import Mosaic
    from isamap.training.checkpoints.checkpoint import Checkpoint
    from isamap.training.samples.data import SampleSource


@dataclass(frozen=True)
class Stitched:
    """Scores of the test split put together on its ground; each dataset, region and date is a block for the intervals.

    post: a step of inference/postprocessing/postprocess.py. validated: the dataset on whose validation split its
    threshold is found, by its name in the study (the trial's own if empty).
    """

    post: str = "none"
    validated: str = ""

    def __call__(self, trial: Trial) -> Evaluated:
        from isamap.inference.map_files.legend import Legend
        from isamap.inference.mapping.mosaic import mosaics
        from isamap.inference.postprocessing.postprocess import POSTPROCESSING
        from isamap.training.checkpoints import checkpoint as ck

        trained = ck.load(run_of(trial))
        source = _source(trained, trial.addresses)
        legend, step = Legend.of(trained.classes, trained.thresholds), POSTPROCESSING[self.post]
        # On the validation split, so that the test split does not choose what it judges.
        threshold = self._threshold(trained, trial) if step.threshold else 0.0
        size, by_place = len(trained.classes), []
        maps: dict[str, Any] = {}
        heats: dict[str, Any] = {}
        for mosaic, entries in zip(mosaics(trained, source, "test"), _entries(source), strict=True):
            seen = mosaic.classes(step.step, threshold, legend) if step.threshold else mosaic.plain(legend)
            by_place.append(_counts(mosaic, seen, size))
            maps |= _windows(mosaic, seen, entries, trial.shown)
            heat = np.rint(255 * mosaic.heat(step.step, threshold))
            heats |= _windows(mosaic, heat, entries, trial.shown)
        further = {"threshold": threshold} if step.threshold else {}
        judged = evaluated(np.stack(by_place), tuple(trained.classes), further=further, maps=maps)
        return replace(judged, heats=heats)

    def _threshold(self, checkpoint: Checkpoint, trial: Trial) -> float:
        from isamap.inference.map_files.legend import Legend
        from isamap.inference.mapping.calibration import best_threshold
        from isamap.inference.mapping.mosaic import mosaics

        addresses = trial.folder.data(self.validated) if self.validated else trial.addresses
        pictures = mosaics(checkpoint, _source(checkpoint, addresses), "val")
        return best_threshold(pictures, Legend.of(checkpoint.classes, checkpoint.thresholds))


def _source(checkpoint: Checkpoint, addresses: Sequence[str]) -> SampleSource:
    from isamap.training.accuracy.evaluation import source_for

    return source_for(checkpoint, list(addresses))


def _entries(source: SampleSource) -> list[list[tuple[str, int, int, int]]]:
    """Ids, rows, columns and sides of each place's test patches, in the order of `mosaics`."""
    places: dict[tuple, list[tuple[str, int, int, int]]] = {}
    for data, patch in source.patches("test"):
        mosaic_entries = places.setdefault((id(data), patch.region, patch.period), [])
        mosaic_entries.append((patch.id, patch.row, patch.col, data.manifest.size))
    return list(places.values())


def _counts(mosaic: Mosaic, seen_HW: np.ndarray, size: int) -> np.ndarray:
    labelled_HW = mosaic.known_HW & (mosaic.label_HW != UNKNOWN)
    pairs = mosaic.label_HW[labelled_HW].astype(np.int64) * size + seen_HW[labelled_HW]
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def _windows(
    mosaic: Mosaic, picture_HW: np.ndarray, entries: Sequence[tuple[str, int, int, int]], ids: Sequence[str]
) -> dict[str, np.ndarray]:
    """The parts of the picture that the patches of `ids` cover."""
    windows = {}
    for name, row, col, side in entries:
        if name in ids:
            top, left = row - mosaic.offset.row, col - mosaic.offset.col
            windows[name] = picture_HW[top : top + side, left : left + side].astype(np.uint8)
    return windows
