"""The probability from which a pixel is called impervious, chosen on labels; from histograms, so for any amount."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.atomic import check_writable, local_path
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.training.accuracy.evaluation import Data, source_for
from isamap.training.accuracy.predictions import predicted
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.samples.data import SampleSource

BINS = 256
DEFAULT = 0.5


@dataclass(frozen=True)
class CalibrationReport:
    """The threshold chosen, the measure with it and with the one before, and the checkpoint that maps with it."""

    folder: Path
    threshold: float
    before: float
    measure: str
    value: float
    value_before: float
    split: str
    simulated: bool

    def __str__(self) -> str:
        note = " The data are simulated." if self.simulated else ""
        return (
            f"impervious from {self.threshold:.4f} on: {self.measure} {self.value:.4f} on the {self.split} split "
            f"({self.value_before:.4f} from {self.before:.4f} on).{note}\ncheckpoint: {self.folder}"
        )


def calibrate(probabilities: np.ndarray, label: np.ndarray, measure: str = "f1") -> float:
    """The probability of impervious, a whole number of 256ths, from which the measure is best on known pixels.

    chances: of impervious, 0 to 1; label: 0, 1 or 255, of the same shape. Of equally good ones the nearest to 0.5.
    """
    return best(histogram(probabilities, label), measure)[0]


def histogram(probabilities: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Known pixels by label (0, 1) and by their probability in 256 equal steps, int64 (2, 256)."""
    labelled = label != UNKNOWN
    steps = np.minimum((probabilities[labelled].astype(np.float32) * np.float32(BINS)).astype(np.int64), BINS - 1)
    return np.bincount(label[labelled].astype(np.int64) * BINS + steps, minlength=2 * BINS).reshape(2, BINS)


def best(counts_2N: np.ndarray, measure: str) -> tuple[float, float]:
    """The best threshold of a histogram and the measure there. ValueError: no known pixel of one class."""
    if measure not in MEASURES:
        raise ValueError(f"measure {measure!r} is not known: choose one of {', '.join(MEASURES)}")
    if not counts_2N.sum(axis=1).all():
        raise ValueError("the labels hold one class only: a threshold cannot be chosen on them, take another split")
    thresholds = np.arange(1, BINS) / BINS
    values = _values(counts_2N, measure)
    # Rounding apart: where no pixel lies between two thresholds, both are equally good.
    good = np.flatnonzero(values >= values.max() - 1e-12)
    at = good[np.argmin(np.abs(thresholds[good] - DEFAULT))]
    return float(thresholds[at]), float(values[at])


def _values(counts_2N: np.ndarray, measure: str) -> np.ndarray:
    """The measure at every threshold: what lies at or above it is impervious."""
    # Sums from above give the counts of all 255 thresholds in one pass over the histogram.
    above = counts_2N[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:].astype(np.float64)
    pixels_2 = counts_2N.sum(axis=1, keepdims=True)
    false, hit = above
    right, missed = (pixels_2 - above)[0], (pixels_2 - above)[1]
    return MEASURES[measure](hit, false, missed, right)


def calibrate_checkpoint(
    checkpoint: str | Path,
    data: Data,
    out: str | Path,
    *,
    measure: str = "f1",
    split: str = "val",
    device: str = "auto",
    batch: int = 16,
    session: Any = None,
) -> CalibrationReport:
    """Choose the threshold on a split and write a copy of the checkpoint with it.

    measure: "f1" of impervious or "miou". ValueError: more than two classes, `out` is taken, the test split (figures
    measured on it afterwards would be optimistic).
    """
    trained, folder = ck.load(checkpoint, session), local_path(out)
    check_calibration(trained, folder, split)
    source = source_for(trained, data, session=session)
    counts = _counted(trained, source, split, device=device, batch=batch)
    threshold, value = best(counts, measure)
    before = float(trained.thresholds["impervious"])
    origin = {**trained.origin, "calibrated": {"measure": measure, "split": split, "dataset": source.fingerprint}}
    ck.rewrite(replace(trained, thresholds={**trained.thresholds, "impervious": threshold}, origin=origin), folder)
    old_value = _values(counts, measure)[max(1, min(BINS - 1, round(before * BINS))) - 1]
    return CalibrationReport(folder, threshold, before, measure, value, float(old_value), split, source.simulated)


def check_calibration(checkpoint: ck.Checkpoint, folder: Path, split: str) -> None:
    """ValueError where a checkpoint of more than two classes, the test split or a folder with content is given."""
    if len(checkpoint.classes) != 2:
        raise ValueError(f"thresholds and curves are of two classes, the checkpoint knows {len(checkpoint.classes)}")
    check_copy(folder, split=split)


def check_copy(folder: Path, **splits: str) -> None:
    """ValueError where what a copy of a checkpoint gets would be chosen on the test split, or its folder is taken."""
    for option, name in splits.items():
        if name not in ("train", "val"):
            raise ValueError(f"{option} {name!r}: choose on val or train, so that test stays unseen")
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty: choose another --out")
    # Before the network runs over a whole split, not after it.
    check_writable(folder / ck.DESCRIPTION)


def _counted(checkpoint: ck.Checkpoint, source: SampleSource, split: str, **run_options: Any) -> np.ndarray:
    counts = np.zeros((2, BINS), np.int64)
    for prediction in predicted(checkpoint, source, source.filled(split), **run_options):
        counts += histogram(prediction.probabilities_BKHW[:, 1], prediction.label_BHW)
    return counts


def _f1(hit: np.ndarray, false: np.ndarray, missed: np.ndarray, right: np.ndarray) -> np.ndarray:
    return 2 * hit / np.maximum(1, 2 * hit + false + missed)


def _miou(hit: np.ndarray, false: np.ndarray, missed: np.ndarray, right: np.ndarray) -> np.ndarray:
    wrong = false + missed
    return (hit / np.maximum(1, hit + wrong) + right / np.maximum(1, right + wrong)) / 2


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "f1": _f1,
    "miou": _miou,
}
