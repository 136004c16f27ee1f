"""`training.calibrate_probabilities`: a checkpoint whose probabilities, or shares, mean what they say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.atomic import local_path
from isamap.training.accuracy.curve_fits import METHODS, fitted, log_loss
from isamap.training.accuracy.evaluation import Data, source_for
from isamap.training.accuracy.held_out import HeldOut, held_out
from isamap.training.accuracy.predictions import BlockSums, Predicted, predicted
from isamap.training.accuracy.reliability import MEASURES, Reliability, share_sums
from isamap.training.accuracy.reliability import sums as reliability_sums
from isamap.training.accuracy.share_errors import NAMES, PIXELS, ShareErrors, share_watcher, sums
from isamap.training.accuracy.thresholds import check_calibration
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.curve import curve_of
from isamap.training.samples.data import SampleSource


@dataclass(frozen=True, eq=False)
class SplitMeasurement:
    """What a split says of a checkpoint; shares: of a network that learned them, else None."""

    reliability: Reliability
    shares: ShareErrors | None = None

    @property
    def values(self) -> dict[str, float]:
        """Measures by their words: calibration errors, or of shares bias and RMSE in points of percent."""
        counts = self.reliability.counts
        loss = {"log loss": log_loss(counts.mean_N, counts)}
        if self.shares is not None:
            return {"bias": self.shares.bias, "RMSE": self.shares.rmse} | loss
        return {word: self.reliability.values[name] for name, word in MEASURES.items()} | loss


@dataclass(frozen=True, eq=False)
class CurveReport:
    """The copy of the checkpoint, and for each split what is measured before and after the curve.

    elsewhere: what the curve does to blocks that it was not fitted to; None where that cannot be measured.
    """

    folder: Path
    method: str
    threshold: float
    by_split: dict[str, tuple[SplitMeasurement, SplitMeasurement]]
    simulated: bool
    elsewhere: HeldOut | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the curve should not be used, sentence by sentence."""
        if self.elsewhere is None:
            return ("warning: too few blocks of ground to say whether the curve helps elsewhere",)
        words = []
        if self.elsewhere.is_worse:
            words.append("warning: it makes blocks worse that it was not fitted to: keep the checkpoint without it")
        losses = [measured.values["log loss"] for measured in self.by_split.get("test", ())]
        if losses and losses[1] > losses[0]:
            words.append("warning: it makes the test split worse: keep the checkpoint without it")
        return tuple(words)

    def __str__(self) -> str:
        first = next(iter(self.by_split.values()))[0]
        if first.shares is None:
            lines = [
                f"{self.method} curve; impervious from {self.threshold:.4f} on, which are the same pixels as before"
            ]
        else:
            lines = [f"{self.method} curve of shares; impervious from {100 * self.threshold:g} % on, as before"]
        lines.append(f"{'split':<6} {'':<7}" + "".join(f" {word:<13}" for word in first.values).rstrip())
        for split, pair in self.by_split.items():
            for moment, measured in zip(("before", "after"), pair, strict=True):
                values = measured.values.values()
                lines.append(f"{split:<6} {moment:<7}" + "".join(f" {value:<13.4f}" for value in values).rstrip())
        if (elsewhere := self.elsewhere) is not None:
            lines.append(
                f"Fitted without a fifth of the blocks, and measured on it: log loss {elsewhere.before:.4f} before, "
                f"{elsewhere.after:.4f} after"
            )
        lines += self.warnings
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
    replaced. Of a network that learned shares the curve goes from its share to the mean share of the labels, and the
    threshold stays, as it is a percentage of ground.
    ValueError: more than two classes, no such method, `out` is taken, the test split (figures measured on it afterwards
    would be optimistic), labels of one class only, a network of shares and a dataset without them.
    """
    trained, folder = ck.load(checkpoint, session), local_path(out)
    check_calibration(trained, folder, split)
    if method not in METHODS:
        raise ValueError(f"curve {method!r} is not known: choose one of {', '.join(METHODS)}")
    source = source_for(trained, data, session=session)
    source.filled(split)
    own = _uncalibrated(trained)
    splits = [name for name in (split, "test") if len(source.split(name))]
    before = {name: _measured(own, source, name, device, batch) for name in splits}
    curve = fitted(method, before[split].reliability.counts)
    threshold = own.thresholds["impervious"] if own.target == "share" else curve.at(own.thresholds["impervious"])
    origin = {**own.origin, "curve": {"method": method, "split": split, "dataset": source.fingerprint}}
    better = replace(
        own, calibration=curve.to_json(), conformal={}, thresholds={"impervious": threshold}, origin=origin
    )
    pairs = {name: (before[name], _measured(better, source, name, device, batch)) for name in splits}
    ck.rewrite(better, folder)
    elsewhere = held_out(method, before[split].reliability)
    return CurveReport(folder, method, threshold, pairs, source.simulated, elsewhere)


def _uncalibrated(checkpoint: ck.Checkpoint) -> ck.Checkpoint:
    """The checkpoint without its curve, calling the same pixels impervious."""
    curve = curve_of(checkpoint)
    if curve is None:
        return checkpoint
    threshold = checkpoint.thresholds["impervious"]
    if checkpoint.target != "share":
        threshold = curve.inverse(threshold)
    return replace(checkpoint, calibration={}, thresholds={**checkpoint.thresholds, "impervious": threshold})


def _measured(checkpoint: ck.Checkpoint, source: SampleSource, split: str, device: str, batch: int) -> SplitMeasurement:
    batches = predicted(checkpoint, source, source.split(split), batch=batch, device=device)
    if checkpoint.target == "share":
        return _measured_shares(checkpoint, source, split, batch, batches)
    chances = BlockSums(source.blocks(split), checkpoint.classes.index("impervious"), reliability_sums)
    return SplitMeasurement(Reliability(chances.of(batches)))


def _measured_shares(
    checkpoint: ck.Checkpoint, source: SampleSource, split: str, batch: int, batches: Iterable[Predicted]
) -> SplitMeasurement:
    beside = share_watcher(checkpoint, source, split, batch)
    if beside is None:
        raise ValueError(
            "the checkpoint learned shares, and the dataset holds none: export it with --share, or give another one"
        )
    shares, errors = BlockSums(source.blocks(split), beside.impervious, share_sums), np.zeros((5, len(NAMES)))
    percents = (replace(prediction, label_BHW=percent_BHW) for prediction, percent_BHW in beside.beside(batches))
    for prediction in shares.watch(percents):
        errors += sums(prediction.probabilities_BKHW[:, beside.impervious], prediction.label_BHW)
    if not errors[PIXELS].any():
        raise ValueError(f"no share is known in the {split} split: a curve cannot be fitted, take another split")
    return SplitMeasurement(Reliability(shares.by_block), ShareErrors(errors))
