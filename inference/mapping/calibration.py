"""The threshold of a post-processing step, found on a dataset's validation patches and kept in the checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.legend import Legend
from isamap.inference.mapping.mosaic import Mosaic, mosaics
from isamap.inference.postprocessing.postprocess import (
    LEVELS,
    OFF_MASK,
    ON_MASK,
    POSTPROCESSING,
    equalised,
    threshold_of,
)
from isamap.training.accuracy.evaluation import Data, source_for
from isamap.training.accuracy.metrics import Scores, scores
from isamap.training.accuracy.thresholds import check_copy
from isamap.training.checkpoints import checkpoint as ck

CALIBRATED = tuple(name for name, post in POSTPROCESSING.items() if post.threshold)


@dataclass(frozen=True, eq=False)
class Compared:
    """Confusion counts (rows reference, columns predicted) of one split without and with a post-processing step."""

    split: str
    classes: tuple[str, ...]
    plain: np.ndarray
    processed: np.ndarray

    @property
    def scores(self) -> tuple[Scores, Scores]:
        """Without and with the step."""
        return scores(self.plain), scores(self.processed)

    def __str__(self) -> str:
        impervious = self.classes.index("impervious")
        lines = []
        for word, split_scores in zip(("without", "with"), self.scores, strict=True):
            measures = split_scores.classes[impervious]
            cells = ", ".join(f"{name} {_cell(getattr(measures, name.lower()))}" for name in ("F1", "IoU", "PA", "UA"))
            lines.append(
                f"{self.split:<5} {word:<8} impervious {cells}; OA {split_scores.oa:.4f}, MIoU {split_scores.miou:.4f}"
            )
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class StepReport:
    """The checkpoint's copy, the threshold found for a step, and what the step does on that split and on test."""

    folder: Path
    post: str
    threshold: float
    compared: tuple[Compared, ...]
    simulated: bool

    def __str__(self) -> str:
        lines = [f"{self.post} with threshold {self.threshold:.4f}", *map(str, self.compared)]
        if self.simulated:
            lines.append("The data are simulated: this says nothing about real imagery.")
        return "\n".join([*lines, f"checkpoint: {self.folder}"])


def calibrate_step(
    checkpoint: str | Path,
    data: Data,
    out: str | Path,
    *,
    post: str = "clahe",
    split: str = "val",
    device: str = "auto",
    batch: int = 16,
    session: Any = None,
) -> StepReport:
    """Find a step's threshold with the best F1 of impervious on a split; writes a copy of the checkpoint with it.

    ValueError: no such step, no impervious pixel, `out` is taken, the test split (figures measured on it afterwards
    would be optimistic).
    """
    _check(post, Path(out), split)
    trained = ck.load(checkpoint, session)
    source = source_for(trained, data, session=session)
    run_options: dict[str, Any] = {"device": device, "batch": batch}
    threshold = best_threshold(
        mosaics(trained, source, split, **run_options), Legend.of(trained.classes, trained.thresholds)
    )
    origin = {**trained.origin, post: {"split": split, "dataset": source.fingerprint}}
    thresholds = {**trained.thresholds, POSTPROCESSING[post].threshold: threshold}
    trained = replace(trained, thresholds=thresholds, origin=origin)
    shown = [name for name in (split, "test") if len(source.split(name))]
    compared = tuple(_compared(trained, mosaics(trained, source, name, **run_options), name, post) for name in shown)
    ck.rewrite(trained, Path(out))
    return StepReport(Path(out), post, threshold, compared, source.simulated)


def best_threshold(pictures: Iterable[Mosaic], legend: Legend) -> float:
    """The threshold (0..1) of CLAHE with the best F1 of impervious; of equally good ones the middle one.

    Only pixels for which the mask decides count by level; the rest is the same for every threshold.
    """
    counts = np.zeros((2, LEVELS + 1), np.int64)  # by label (other, impervious) and equalised level, where undecided
    always = np.zeros(2, np.int64)
    labelled = np.zeros(2, np.int64)
    for picture in pictures:
        level_HW = equalised(picture.impervious_HW, picture.known_HW, picture.offset)
        truth_HW = (picture.label_HW == legend.impervious).astype(int)
        judged_HW = picture.known_HW & (picture.label_HW != UNKNOWN)
        sure_HW = picture.impervious_HW * OFF_MASK > picture.other_HW
        open_HW = judged_HW & ~sure_HW & (picture.impervious_HW * ON_MASK > picture.other_HW)
        for value in (0, 1):
            of_value_HW = truth_HW == value
            counts[value] += np.bincount(level_HW[open_HW & of_value_HW], minlength=LEVELS + 1)
            always[value] += int((judged_HW & sure_HW & of_value_HW).sum())
            labelled[value] += int((judged_HW & of_value_HW).sum())
    if not labelled[1]:
        raise ValueError("the validation patches hold no impervious pixel: no threshold can be found on them")
    # called impervious at threshold t: all that is sure, and what is undecided and brighter than t
    above = counts.sum(axis=1, keepdims=True) - counts.cumsum(axis=1) + always[:, None]
    f1 = 2 * above[1] / (above.sum(axis=0) + labelled[1])
    best = np.flatnonzero(f1 == f1.max())
    return (float(best[len(best) // 2]) + 0.5) / LEVELS  # between two levels, so that rounding decides nothing


def _compared(trained: ck.Checkpoint, pictures: Iterable[Mosaic], split: str, post: str) -> Compared:
    legend, threshold = Legend.of(trained.classes, trained.thresholds), threshold_of(trained, post)
    size = len(trained.classes)
    counts = np.zeros((2, size, size), np.int64)
    for picture in pictures:
        judged_HW = picture.known_HW & (picture.label_HW != UNKNOWN)
        processed = picture.classes(POSTPROCESSING[post].step, threshold, legend)
        for step_index, class_HW in enumerate((picture.plain(legend), processed)):
            pairs = picture.label_HW[judged_HW].astype(np.int64) * size + class_HW[judged_HW]
            counts[step_index] += np.bincount(pairs, minlength=size * size).reshape(size, size)
    if not counts.any():
        raise ValueError(f"the {split} split has no labelled pixel: export a larger region or name another split")
    return Compared(split, trained.classes, counts[0], counts[1])


def _check(post: str, folder: Path, split: str) -> None:
    if post not in CALIBRATED:
        raise ValueError(f"post {post!r} has no threshold to choose: expected one of {', '.join(CALIBRATED)}")
    check_copy(folder, split=split)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
