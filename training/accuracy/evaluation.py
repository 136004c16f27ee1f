"""`isamap.training.evaluate`: how well a checkpoint does on a split of a dataset, from confusion counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.atomic import check_writable, local_path, write_json
from isamap.gee_export.base.scheme import SCHEMES, UNKNOWN
from isamap.gee_export.datasets.dataset import SPLITS
from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.conformal import Coverage, ShareCounts, coverage_of, share_counts
from isamap.training.accuracy.metrics import Scores, block_counts, scores
from isamap.training.accuracy.predictions import BlockSums, Predicted, predicted
from isamap.training.accuracy.reliability import Reliability, sums
from isamap.training.accuracy.share_errors import ShareErrors, ShareErrorWatcher, share_watcher
from isamap.training.accuracy.uncalled import uncalled_note
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.runtimes import open_forward
from isamap.training.samples.arguments import check_address, check_count, dataset_addresses
from isamap.training.samples.data import SampleSource, open_source
from isamap.training.samples.target import LearningTarget

Data = str | Path | Sequence[str | Path]
VERSION = 1
MEASURES = ("iou", "pa", "ua", "f1")


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """Confusion counts of each spatial block (rows reference, columns predicted) and where they come from.

    Prints as a table with 95 % intervals by block bootstrap (training/accuracy/bootstrap.py).
    """

    by_block: np.ndarray
    classes: tuple[str, ...]
    split: str
    split_kind: str
    patches: int
    unknown_share: float
    simulated: bool
    checkpoint: str
    fingerprint: str = ""
    dataset: str = ""
    runtime: str = "torch"
    precision: str = "fp32"
    tta: str = "none"
    reliability: Reliability | None = None
    coverage: Coverage | None = None
    shares: ShareErrors | None = None

    @property
    def confusion(self) -> np.ndarray:
        """Counts of all blocks, int64 (classes, classes)."""
        return self.by_block.sum(axis=0)

    @property
    def scores(self) -> Scores:
        """IoU, PA, UA, F1 per class; OA, MIoU, mean F1 and kappa."""
        return scores(self.confusion)

    @cached_property
    def intervals(self) -> Mapping[str, bootstrap.Interval | None]:
        """95 % interval of every measure by the names of Scores.to_json; None where blocks are too few."""
        return bootstrap.intervals(self.by_block, self.classes)

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON holds them; scores and intervals by the names of Scores.to_json."""
        return {
            "version": VERSION,
            "checkpoint": self.checkpoint,
            "fingerprint": self.fingerprint,
            "dataset": self.dataset,
            "split": self.split,
            "split_kind": self.split_kind,
            "simulated": self.simulated,
            "runtime": self.runtime,
            "precision": self.precision,
            **({} if self.tta == "none" else {"tta": self.tta}),
            "patches": self.patches,
            "unknown_share": round(self.unknown_share, 5),
            "classes": list(self.classes),
            "confusion": self.confusion.tolist(),
            "scores": self.scores.to_json(self.classes),
            "blocks": len(self.by_block),
            "draws": bootstrap.DRAWS,
            "intervals": bootstrap.rounded(self.intervals),
            **({} if self.reliability is None else {"reliability": self.reliability.to_json()}),
            **({} if self.coverage is None else {"sets": self.coverage.to_json()}),
            **({} if self.shares is None else {"shares": self.shares.to_json()}),
        }

    def write(self, path: str | Path) -> None:
        """All figures as a JSON file, whole or not at all. Fault: it cannot be written."""
        write_json(local_path(path), self.to_json())

    @staticmethod
    def check_target(path: str | Path) -> None:
        """Raises ValueError or Fault where `write` could not write; called before the figures are computed."""
        check_writable(local_path(path))

    def __str__(self) -> str:
        named = self.scores.to_json(self.classes)
        widest = max(12, *(len(name) for name in self.classes))
        head = f"{'class':<{widest}}" + "".join(f" {measure:<21}" for measure in ("IoU", "PA", "UA", "F1"))
        rows = [
            f"{name:<{widest}}" + "".join(f" {self._cell(named, f'{key}_{name}'):<21}" for key in MEASURES)
            for name in self.classes
        ]
        words = {"oa": "OA", "miou": "MIoU", "mean_f1": "mean F1", "kappa": "kappa"}
        means = ", ".join(f"{word} {self._cell(named, key)}" for key, word in words.items())
        lines = [self._title(), head.rstrip(), *(row.rstrip() for row in rows), means]
        further = [str(report) for report in (self.shares, self.reliability, self.coverage) if report is not None]
        return "\n".join([*lines, *further, *self._notes()])

    def _cell(self, named: Mapping[str, float | None], key: str) -> str:
        """`0.8123 [0.79, 0.83]`, without brackets where blocks are too few, - where nothing defines it."""
        if named[key] is None:
            return "-"
        bounds = self.intervals[key]
        return f"{named[key]:.4f}" + (f" [{bounds[0]:.2f}, {bounds[1]:.2f}]" if bounds else "")

    def _title(self) -> str:
        return (
            f"{self.checkpoint} on the {self.split} split: {self.patches:,} patches, "
            f"{int(self.by_block.sum()):,} known pixels, {self.unknown_share:.1%} unknown"
        )

    def _notes(self) -> list[str]:
        blocks = len(self.by_block)
        if blocks < 2:
            notes = ["One spatial block only: no intervals."]
        else:
            few = ", so few that they are too narrow" if blocks < bootstrap.FEW_BLOCKS else ""
            notes = [f"In brackets 95 % intervals by bootstrap over {blocks} spatial blocks{few}."]
        if note := uncalled_note(self.confusion, self.classes):
            notes.append(f"warning: {note}")
        if self.simulated:
            notes.append("The data are simulated: this says nothing about real imagery.")
        if "random" in self.split_kind:
            notes.append(
                "Random split: overlapping patches share pixels with training, so these figures are optimistic."
            )
        return notes


@dataclass(frozen=True)
class Watchers:
    """What looks at predictions while they are counted: chances, prediction sets and percents, where there are any."""

    chances: BlockSums
    sets: BlockSums | None
    percents: ShareErrorWatcher | None

    @classmethod
    def of(cls, trained: ck.Checkpoint, source: SampleSource, split: str, batch: int) -> Watchers:
        """Those of a checkpoint on a split; batch: patches at once."""
        impervious = trained.classes.index("impervious")
        chances = BlockSums(source.blocks(split), impervious, partial(sums, impervious=impervious))
        sets = BlockSums(source.blocks(split), 1, share_counts) if trained.conformal else None
        return cls(chances, sets, share_watcher(trained, source, split, batch))

    def watch(self, batches: Iterable[Predicted]) -> Iterable[Predicted]:
        """The batches, each counted as it passes."""
        # All counters watch one stream of batches, so the network runs once however much is counted.
        batches = self.chances.watch(batches if self.sets is None else self.sets.watch(batches))
        return batches if self.percents is None else self.percents.watch(batches)

    def measures(self, trained: ck.Checkpoint) -> dict[str, Any]:
        """Fields of the report, after all batches have passed."""
        return {
            # shares are no probabilities
            "reliability": None if trained.target == "share" else Reliability(self.chances.by_block),
            "coverage": None if self.sets is None else coverage_of(trained, ShareCounts(self.sets.by_block)),
            "shares": None if self.percents is None else self.percents.errors,
        }


def evaluate(
    checkpoint: str | Path, data: Data, split: str = "test", *, layer: str = "", device: str = "auto", batch: int = 16,
    runtime: str = "torch", precision: str = "fp32", tta: str = "none", session: Any = None,
) -> EvaluationReport:  # fmt: skip
    """Scores of a checkpoint (a run's folder or one checkpoint) on train, val or test of one or more datasets.

    layer: the labels judged against, "label" or "fine" (10 x finer); as fine as the network's output if not named.
    runtime, precision, tta: of training.runtimes. Every known pixel of every patch counts once per patch. ValueError:
    no such split, an empty one, no known label in it, bands that the dataset lacks or holds in another unit, sigma0
    against gamma0.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not known: choose one of {', '.join(SPLITS)}")
    check_address("checkpoint", checkpoint, "runs/wuhan")
    check_count("batch", batch)
    addresses = dataset_addresses(data)
    trained = ck.load(checkpoint, session)
    source = source_for(trained, addresses, layer=layer, session=session)
    patches = source.filled(split)
    forward = open_forward(trained, runtime=runtime, precision=precision, device=device, tta=tta)
    batches = predicted(trained, source, patches, forward=forward, batch=batch, device=device)
    watchers = Watchers.of(trained, source, split, batch)
    by_block, unknown_share = counted(trained, watchers.watch(batches), source.blocks(split))
    kinds = sorted({str(dataset.manifest.split.get("kind")) for dataset in source.datasets})
    return EvaluationReport(
        by_block, trained.classes, split, ", ".join(kinds), len(patches), unknown_share, source.simulated,
        str(checkpoint), trained.fingerprint, source.fingerprint, runtime, precision, tta, **watchers.measures(trained),
    )  # fmt: skip


def source_for(checkpoint: ck.Checkpoint, data: Data, *, layer: str = "", session: Any = None) -> SampleSource:
    """The datasets as the checkpoint needs them: its bands by name, its classes, labels as fine as its output.

    ValueError where a dataset holds other units, backscatter, processing level or sizes than it was trained on.
    """
    target = LearningTarget(
        _scheme(checkpoint), layer or ("fine" if checkpoint.scale > 1 else "label"), checkpoint.frames
    )
    source = open_source(dataset_addresses(data), checkpoint.band_names, target=target, session=session)
    _check_fits(checkpoint, source)
    return source


def classify(probabilities_BKHW: np.ndarray, threshold: float) -> np.ndarray:
    """The most probable class; of two classes, impervious from `threshold` probability on."""
    if probabilities_BKHW.shape[1] != 2:
        return probabilities_BKHW.argmax(axis=1)
    # In float32, as probabilities are: in float64 the threshold may lie on the other side of a pixel that equals it.
    return (probabilities_BKHW[:, 1] >= np.float32(threshold)).astype(np.int64)


def counted(
    checkpoint: ck.Checkpoint, batches: Iterable[Predicted], block_of_patch: np.ndarray
) -> tuple[np.ndarray, float]:
    """Confusion counts of each spatial block, int64 (blocks, K, K), and the share of unknown pixels.

    ValueError: no label is known.
    """
    names, block_at = np.unique(block_of_patch, return_inverse=True)
    by_block = np.zeros((len(names), len(checkpoint.classes), len(checkpoint.classes)), np.int64)
    unknown = pixels = 0
    for batch in batches:
        classes = classify(batch.probabilities_BKHW, checkpoint.thresholds["impervious"])
        by_block += block_counts(classes, batch.label_BHW, block_at[batch.patch_B], by_block.shape)
        unknown, pixels = unknown + int((batch.label_BHW == UNKNOWN).sum()), pixels + batch.label_BHW.size
    if unknown == pixels:
        raise ValueError("all labels are unknown: nothing to judge by, take another split or export other labels")
    return by_block, unknown / pixels


def _scheme(checkpoint: ck.Checkpoint) -> str:
    """The name of the label scheme that has the checkpoint's classes."""
    for name, classes in ((scheme.name, scheme.names) for scheme in SCHEMES.values()):
        if classes == checkpoint.classes:
            return name
    raise ValueError(
        f"the checkpoint tells {', '.join(checkpoint.classes)} apart: no dataset's labels do (isamap evaluate)"
    )


def _check_fits(checkpoint: ck.Checkpoint, source: SampleSource) -> None:
    for band, actual in zip(checkpoint.bands, source.stored, strict=True):
        if band.unit != actual.unit:
            raise ValueError(f"band {actual.name} is in {actual.unit}, the checkpoint was trained on {band.unit}")
    head = source.datasets[0].manifest
    if ck.see_radar(checkpoint.bands) and checkpoint.backscatter != head.backscatter:
        raise ValueError(
            f"dataset {head.name} holds {head.backscatter}, the checkpoint was trained on {checkpoint.backscatter}"
        )
    if head.level and checkpoint.learned_levels and head.level not in checkpoint.learned_levels:
        raise ValueError(
            f"dataset {head.name} holds Sentinel-2 {head.level}, the checkpoint was trained on {checkpoint.level}"
        )
    if head.size % checkpoint.multiple:
        raise ValueError(
            f"patches of {head.size} px: the checkpoint's network needs multiples of {checkpoint.multiple}"
        )
