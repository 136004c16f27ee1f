"""`training.calibrate_probabilities`: a checkpoint whose probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gee_export.base.atomic import local_path
from training.accuracy.curve_fits import METHODS, fitted, log_loss
from training.accuracy.evaluation import Data, check_fits, source_for
from training.accuracy.predictions import predicted
from training.accuracy.reliability import MEASURES, Reliability, Watcher
from training.accuracy.thresholds import check_calibration
from training.checkpoints import checkpoint as ck
from training.checkpoints.curve import curve_of
from training.samples.data import SampleSource


@dataclass(frozen=True, eq=False)
class CurveReport:
    """The copy of the checkpoint, and for each split the reliability before and after the curve."""

    folder: Path
    method: str
    threshold: float
    by_split: dict[str, tuple[Reliability, Reliability]]
    simulated: bool

    def __str__(self) -> str:
        words = (*MEASURES.values(), "log loss")
        lines = [
            f"{self.method} curve; impervious from {self.threshold:.4f} on, which are the same pixels as before",
            f"{'split':<6} {'':<7}" + "".join(f" {word:<13}" for word in words).rstrip(),
        ]
        for split, pair in self.by_split.items():
            for moment, measured in zip(("before", "after"), pair, strict=True):
                values = [*measured.values.values(), log_loss(measured.counts.mean_N, measured.counts)]
                lines.append(f"{split:<6} {moment:<7}" + "".join(f" {value:<13.4f}" for value in values).rstrip())
        if self.simulated:
            lines.append("The data are simulated: this says nothing about real imagery.")
        return "\n".join([*lines, f"checkpoint: {self.folder}"])


def calibrate_probabilities(
    checkpoint: str | Path,
    data: Data,
    out: str | Path,
    *,
    method: str = "beta",
    split: str = "val",
    device: str = "auto",
    batch: int = 16,
    session: Any = None,
) -> CurveReport:
    """Fit a curve from probability to share of impervious on a split; writes a copy of the checkpoint with it.

    method: of curve_fits.METHODS. The threshold of impervious moves along the curve, so maps keep their classes; the
    thresholds of other steps and the limits of sets go, as they are of other probabilities. An earlier curve is
    replaced.
    ValueError: more than two classes, no such method, `out` is taken, the test split (figures measured on it afterwards
    would be optimistic), labels of one class only.
    """
    trained, folder = ck.load(checkpoint, session), local_path(out)
    check_calibration(trained, folder, split)
    if method not in METHODS:
        raise ValueError(f"curve {method!r} is not known: choose one of {', '.join(METHODS)}")
    source = source_for(trained, data, session=session)
    check_fits(trained, source)
    own = _uncalibrated(trained)
    splits = [name for name in (split, "test") if len(source.split(name))]
    before = {name: _measured(own, source, name, device, batch) for name in splits}
    if split not in before:
        raise ValueError(f"the {split} split is empty: export a larger region or choose another split")
    curve = fitted(method, before[split].counts)
    threshold = curve.at(own.thresholds["impervious"])
    origin = {**own.origin, "curve": {"method": method, "split": split, "dataset": source.fingerprint}}
    better = replace(
        own, calibration=curve.to_json(), conformal={}, thresholds={"impervious": threshold}, origin=origin
    )
    pairs = {name: (before[name], _measured(better, source, name, device, batch)) for name in splits}
    ck.rewrite(better, folder)
    return CurveReport(folder, method, threshold, pairs, source.simulated)


def _uncalibrated(checkpoint: ck.Checkpoint) -> ck.Checkpoint:
    """The checkpoint without its curve, calling the same pixels impervious."""
    curve = curve_of(checkpoint)
    if curve is None:
        return checkpoint
    threshold = curve.inverse(checkpoint.thresholds["impervious"])
    return replace(checkpoint, calibration={}, thresholds={**checkpoint.thresholds, "impervious": threshold})


def _measured(checkpoint: ck.Checkpoint, source: SampleSource, split: str, device: str, batch: int) -> Reliability:
    watcher = Watcher(source.blocks(split), checkpoint.classes.index("impervious"))
    for _ in watcher.watch(predicted(checkpoint, source, source.split(split), batch=batch, device=device)):
        pass
    return watcher.reliability
