"""`training.calibrate_sets`: a checkpoint with the limits of its prediction sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isamap.gee_export.base.atomic import local_path
from isamap.training.accuracy.conformal import Coverage, ShareCounts, share_counts
from isamap.training.accuracy.evaluation import Data, source_for
from isamap.training.accuracy.predictions import BlockSums, predicted
from isamap.training.accuracy.thresholds import check_calibration
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.samples.data import SampleSource


@dataclass(frozen=True, eq=False)
class SetsReport:
    """The copy of the checkpoint, and the coverage of its sets on the split that chose them and on test."""

    folder: Path
    by_split: Mapping[str, Coverage]
    simulated: bool

    def __str__(self) -> str:
        lines = [f"{split}: {coverage}" for split, coverage in self.by_split.items()]
        if self.simulated:
            lines.append("The data are simulated: this says nothing about real imagery.")
        return "\n".join([*lines, f"checkpoint: {self.folder}"])


def calibrate_sets(
    checkpoint: str | Path,
    data: Data,
    out: str | Path,
    *,
    alpha: float = 0.1,
    split: str = "val",
    device: str = "auto",
    batch: int = 16,
    session: Any = None,
) -> SetsReport:
    """Choose the limits of prediction sets on a split; writes a copy of the checkpoint with them.

    alpha: the share of each class's pixels that the sets may miss. ValueError: more than two classes, too few spatial
    blocks for alpha, `out` is taken, the test split.
    """
    trained, folder = ck.load(checkpoint, session), local_path(out)
    check_calibration(trained, folder, split)
    source = source_for(trained, data, session=session)
    source.filled(split)
    splits = [name for name in (split, "test") if len(source.split(name))]
    counts = {name: _counted(trained, source, name, device, batch) for name in splits}
    limits = counts[split].limits(alpha)
    origin = {**trained.origin, "sets": {"alpha": alpha, "split": split, "dataset": source.fingerprint}}
    ck.rewrite(replace(trained, conformal=limits.to_json(), origin=origin), folder)
    coverage = {name: Coverage(limits, of_split, trained.classes) for name, of_split in counts.items()}
    return SetsReport(folder, coverage, source.simulated)


def _counted(checkpoint: ck.Checkpoint, source: SampleSource, split: str, device: str, batch: int) -> ShareCounts:
    batches = predicted(checkpoint, source, source.split(split), batch=batch, device=device)
    return ShareCounts(BlockSums(source.blocks(split), 1, share_counts).of(batches))
