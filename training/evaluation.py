"""`training.evaluate`: how well a checkpoint does on a split of a dataset, from confusion counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gee_export.datasets.dataset import SPLITS
from training import checkpoint as ck
from training.cpu import tune_cpu
from training.data import Source, loader, open_source, prepare
from training.losses import UNKNOWN
from training.metrics import Scores, confusion_counts, scores
from training.recipes import DEVICES


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """Confusion counts (rows reference, columns predicted) and where they come from; prints as a table."""

    confusion: np.ndarray
    classes: tuple[str, ...]
    split: str
    split_kind: str
    patches: int
    unknown_share: float
    simulated: bool
    checkpoint: str

    @property
    def scores(self) -> Scores:
        """IoU, PA, UA, F1 per class; OA, MIoU, mean F1 and kappa."""
        return scores(self.confusion)

    def __str__(self) -> str:
        found = self.scores
        head = f"{'class':<12} {'IoU':>8} {'PA':>8} {'UA':>8} {'F1':>8}"
        rows = [
            f"{name:<12} {_cell(c.iou)} {_cell(c.pa)} {_cell(c.ua)} {_cell(c.f1)}"
            for name, c in zip(self.classes, found.classes, strict=True)
        ]
        means = (
            f"OA {found.oa:.4f}, MIoU {found.miou:.4f}, mean F1 {found.mean_f1:.4f}, kappa {_cell(found.kappa).strip()}"
        )
        return "\n".join([self._title(), head, *rows, means, *self._notes()])

    def _title(self) -> str:
        return (
            f"{self.checkpoint} on the {self.split} split: {self.patches:,} patches, "
            f"{int(self.confusion.sum()):,} known pixels, {self.unknown_share:.1%} unknown"
        )

    def _notes(self) -> list[str]:
        notes = ["The data are simulated: this says nothing about real imagery."] if self.simulated else []
        if "random" in self.split_kind:
            notes.append(
                "Random split: overlapping patches share pixels with training, so these figures are optimistic."
            )
        return notes


def evaluate(
    checkpoint: str | Path,
    data: str | Path | Sequence[str | Path],
    split: str = "test",
    *,
    device: str = "auto",
    batch: int = 16,
    session: Any = None,
) -> EvaluationReport:
    """Scores of a checkpoint (a run's folder or one checkpoint) on train, val or test of one or more datasets.

    Every known pixel of every patch counts once per patch. ValueError: no such split, an empty one, bands that the
    dataset lacks or holds in another unit, sigma0 against gamma0.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is not known: choose one of {', '.join(SPLITS)}")
    found = ck.load(checkpoint, session)
    source = open_source([data] if isinstance(data, (str, Path)) else data, found.band_names, session=session)
    _check_fits(found, source)
    patches = source.split(split)
    if not len(patches):
        raise ValueError(f"the {split} split is empty: export a larger region or evaluate another split")
    network = found.build().to(_device(device))
    counts, unknown = _count(network, found, source, loader(patches, batch))
    pixels = len(patches) * source.datasets[0].manifest.size ** 2
    return EvaluationReport(
        confusion=counts,
        classes=found.classes,
        split=split,
        split_kind=", ".join(sorted({str(dataset.manifest.split.get("kind")) for dataset in source.datasets})),
        patches=len(patches),
        unknown_share=unknown / pixels,
        simulated=source.simulated,
        checkpoint=str(checkpoint),
    )


def classify(logits_BKHW: Tensor, threshold: float) -> Tensor:
    """Class of the largest logit; of two classes, impervious from `threshold` probability on."""
    if logits_BKHW.shape[1] != 2:
        return logits_BKHW.argmax(dim=1)
    return (logits_BKHW.float().softmax(dim=1)[:, 1] >= threshold).long()


def _count(
    network: nn.Module, checkpoint: ck.Checkpoint, source: Source, batches: torch.utils.data.DataLoader
) -> tuple[np.ndarray, int]:
    """Confusion counts and the number of unknown pixels."""
    tune_cpu()
    device = next(network.parameters()).device
    classes = len(checkpoint.classes)
    counts, unknown = torch.zeros((classes, classes), dtype=torch.int64, device=device), 0
    network.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for batch in tqdm(batches, desc="evaluate", unit="batch", leave=False, disable=None):
            batch = batch.to(device)
            image = prepare(batch, source.stored, checkpoint.bands).image_BCHW
            output = network(image.contiguous(memory_format=torch.channels_last))
            predicted = classify(output.logits_BKHW, checkpoint.thresholds["impervious"])
            counts += confusion_counts(predicted, batch.label_BHW, classes)
            unknown += int((batch.label_BHW == UNKNOWN).sum())
    return counts.cpu().numpy(), unknown


def _check_fits(checkpoint: ck.Checkpoint, source: Source) -> None:
    for wanted, held in zip(checkpoint.bands, source.stored, strict=True):
        if wanted.unit != held.unit:
            raise ValueError(f"band {held.name} is in {held.unit}, the checkpoint was trained on {wanted.unit}")
    held = source.datasets[0].manifest
    if checkpoint.backscatter != held.backscatter:
        raise ValueError(
            f"dataset {held.name} holds {held.backscatter}, the checkpoint was trained on {checkpoint.backscatter}"
        )
    if held.level and checkpoint.level and checkpoint.level != held.level:
        raise ValueError(
            f"dataset {held.name} holds Sentinel-2 {held.level}, the checkpoint was trained on {checkpoint.level}"
        )
    if held.size % checkpoint.multiple:
        raise ValueError(
            f"patches of {held.size} px: the checkpoint's network needs multiples of {checkpoint.multiple}"
        )


def _device(name: str) -> torch.device:
    if name not in DEVICES:
        raise ValueError(f"device {name!r}: expected one of {', '.join(DEVICES)}")
    if name == "gpu" and not torch.cuda.is_available():
        raise ValueError("device gpu: this machine has no GPU that torch can use; leave it out or choose cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _cell(value: float | None) -> str:
    return f"{'-':>8}" if value is None else f"{value:>8.4f}"
