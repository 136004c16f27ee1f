"""Accuracy from confusion counts, by the formulas of CroFuseNet eqs. 13-17 and docs/reference/networks.md, "Losses and
measures".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isamap.gee_export.base.scheme import UNKNOWN


def confusion_counts(predicted: Tensor, label: Tensor, classes: int) -> Tensor:
    """Pixels by (reference class, predicted class), int64 (classes, classes); unknown labels are left out."""
    labelled = label != UNKNOWN
    reference = label[labelled].long()
    if reference.numel():
        _check_labels(int(reference.max()), classes)
    pairs = reference * classes + predicted[labelled].long()
    return torch.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def block_counts(
    predicted_BHW: np.ndarray, label_BHW: np.ndarray, block_B: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """`confusion_counts` of each patch added to its block's, int64 of `shape` (blocks, classes, classes)."""
    blocks, classes, _ = shape
    labelled_BHW = label_BHW != UNKNOWN
    reference = label_BHW[labelled_BHW].astype(np.int64)
    _check_labels(int(reference.max(initial=0)), classes)
    block = np.broadcast_to(block_B[:, None, None], label_BHW.shape)[labelled_BHW]
    cells = (block * classes + reference) * classes + predicted_BHW[labelled_BHW]
    return np.bincount(cells, minlength=blocks * classes * classes).reshape(shape)


def _check_labels(greatest: int, classes: int) -> None:
    if greatest >= classes:
        raise ValueError(f"label {greatest} in the data: the network knows classes 0 to {classes - 1} only")


@dataclass(frozen=True)
class ClassScores:
    """One class's intersection over union, producer's and user's accuracy, F1; None where nothing defines it."""

    iou: float | None
    pa: float | None
    ua: float | None
    f1: float | None


@dataclass(frozen=True)
class Scores:
    """All accuracies of a confusion matrix; means are over the classes for which the measure is defined."""

    classes: tuple[ClassScores, ...]
    oa: float
    miou: float
    mean_f1: float
    kappa: float | None

    @property
    def uncalled(self) -> tuple[int, ...]:
        """The classes that the reference has and no pixel was called."""
        return tuple(at for at, each in enumerate(self.classes) if each.pa is not None and each.ua is None)

    def to_json(self, names: Sequence[str]) -> dict[str, float | None]:
        """Flat and rounded to five digits: iou_impervious, ..., oa, miou, mean_f1, kappa."""
        flat: dict[str, float | None] = {"miou": self.miou, "oa": self.oa, "mean_f1": self.mean_f1, "kappa": self.kappa}
        for name, scores in zip(names, self.classes, strict=True):
            flat |= {f"{key}_{name}": getattr(scores, key) for key in ("iou", "pa", "ua", "f1")}
        return {key: None if value is None else round(value, 5) for key, value in flat.items()}


def scores(confusion: np.ndarray | Tensor) -> Scores:
    """Accuracies of a confusion matrix with reference rows and predicted columns.

    IoU = TP / (TP + FN + FP); PA = TP / reference; UA = TP / predicted; F1 = 2 TP / (reference + predicted), which is
    2 PA UA / (PA + UA); kappa = (OA - Pe) / (1 - Pe), Pe = sum of row sum x column sum / N^2.
    """
    counts = _checked(np.asarray(confusion))
    right, reference, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    per_class = tuple(
        ClassScores(_ratio(r, a + b - r), _ratio(r, a), _ratio(r, b), _ratio(2 * r, a + b))
        for r, a, b in zip(right.tolist(), reference.tolist(), predicted.tolist(), strict=True)
    )
    total = int(counts.sum())
    return Scores(
        classes=per_class,
        oa=_ratio(int(right.sum()), total) or 0.0,
        miou=_mean([c.iou for c in per_class]),
        mean_f1=_mean([c.f1 for c in per_class]),
        kappa=_kappa(
            int(right.sum()), sum(a * b for a, b in zip(reference.tolist(), predicted.tolist(), strict=True)), total
        ),
    )


# Python's integers, because the square of 3.1 billion pixels, 300,000 km2 at 10 m, no longer fits into int64.
def _kappa(right: int, chance: int, total: int) -> float | None:
    """Kappa from exact integers: (N x right - chance) / (N^2 - chance); None where chance agreement is certain."""
    return _ratio(total * right - chance, total * total - chance)


def _checked(counts: np.ndarray) -> np.ndarray:
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(f"confusion of {counts.dtype} {counts.shape}: expected whole counts, as many rows as columns")
    if counts.size and counts.min() < 0:
        raise ValueError("confusion with negative counts")
    return counts.astype(np.int64)


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def _mean(values: Sequence[float | None]) -> float:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else 0.0
