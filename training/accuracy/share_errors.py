"""How far predicted shares of impervious ground are from those of the labels: bias and RMSE, by class of share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.training.accuracy.predictions import Predicted
from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.samples.data import SampleSource, loader
from isamap.training.samples.target import LearningTarget

EDGES = (0, 1, 20, 50, 80, 100, 101)  # percent of the reference: from each edge to before the next
NAMES = ("0", "1 to 19", "20 to 49", "50 to 79", "80 to 99", "100")
PIXELS, ERROR, SQUARE, PREDICTED, REFERENCE = range(5)


@dataclass(frozen=True, eq=False)
class ShareErrors:
    """Sums by class of the reference's share, float64 (5, classes): pixels, errors, squares, predicted, reference.

    Errors are predicted less reference, in points of percent.
    """

    sums_5C: np.ndarray

    @property
    def pixels(self) -> int:
        """Pixels with a share of reference."""
        return int(self.sums_5C[PIXELS].sum())

    @property
    def bias(self) -> float:
        """Mean error, points of percent: by it the area of impervious ground is wrong, as a share of all ground."""
        return float(self.sums_5C[ERROR].sum() / self.pixels)

    @property
    def rmse(self) -> float:
        """Root of the mean square error, points of percent."""
        return float(np.sqrt(self.sums_5C[SQUARE].sum() / self.pixels))

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "pixels": self.pixels,
            "bias": round(self.bias, 4),
            "rmse": round(self.rmse, 4),
            "predicted_mean": round(float(self.sums_5C[PREDICTED].sum() / self.pixels), 4),
            "reference_mean": round(float(self.sums_5C[REFERENCE].sum() / self.pixels), 4),
            "by_class": [
                {"percent": name, "pixels": int(pixels), "bias": _rounded(error, pixels), "rmse": _root(square, pixels)}
                for name, pixels, error, square in zip(NAMES, *self.sums_5C[: SQUARE + 1], strict=True)
            ],
        }

    def __str__(self) -> str:
        facts = self.to_json()
        lines = [
            f"percent impervious: bias {self.bias:+.2f}, RMSE {self.rmse:.2f} points; mean "
            f"{facts['predicted_mean']:.2f} predicted, {facts['reference_mean']:.2f} in the labels "
            f"({self.pixels:,} pixels)",
            f"{'of labels':<10} {'pixels':>10} {'bias':>8} {'RMSE':>8}",
        ]
        for each in facts["by_class"]:
            bias, rmse = (
                "-" if each[key] is None else f"{each[key]:{sign}.2f}" for key, sign in (("bias", "+"), ("rmse", ""))
            )
            lines.append(f"{each['percent'] + ' %':<10} {each['pixels']:>10,} {bias:>8} {rmse:>8}")
        return "\n".join(lines)


def share_watcher(trained: Checkpoint, source: SampleSource, split: str, batch: int) -> ShareErrorWatcher | None:
    """What compares shares where the network learned them and the datasets hold them; else None.

    batch: patches at once, as `predicted` is asked for.
    """
    if trained.target != "share" or not all("shares" in dataset.manifest.layers for dataset in source.datasets):
        return None
    of_shares = replace(source, target=LearningTarget(layer="share", frames=trained.frames))
    return ShareErrorWatcher(of_shares, split, max(1, batch // trained.scale), trained.classes.index("impervious"))


@dataclass
class ShareErrorWatcher:
    """Counts the batches of a prediction as they pass by, beside the shares of the same patches.

    source, split: the dataset with its shares as labels; batch: patches at once, as the prediction takes them.
    """

    source: SampleSource
    split: str
    batch: int
    impervious: int
    _sums: np.ndarray = field(default_factory=lambda: np.zeros((5, len(NAMES))))

    def watch(self, batches: Iterable[Predicted]) -> Iterator[Predicted]:
        """The same batches, counted."""
        for predicted, percent_BHW in self.beside(batches):
            self._sums += sums(predicted.probabilities_BKHW[:, self.impervious], percent_BHW)
            yield predicted

    def beside(self, batches: Iterable[Predicted]) -> Iterator[tuple[Predicted, np.ndarray]]:
        """Each batch and the percents of its pixels, uint8 (255 unknown)."""
        shares = loader(self.source.split(self.split), self.batch)
        for predicted, reference in zip(batches, shares, strict=True):
            assert (np.asarray(predicted.patch_B) == np.asarray(reference.patch_B)).all()
            yield predicted, np.asarray(reference.label_BHW)

    @property
    def errors(self) -> ShareErrors | None:
        """What has passed so far; None where no share was known."""
        return ShareErrors(self._sums) if self._sums[PIXELS].any() else None


def sums(share: np.ndarray, percent: np.ndarray) -> np.ndarray:
    """The five sums of pixels whose percent is known, by its class, float64 (5, classes)."""
    is_known_N = percent != UNKNOWN
    reference, predicted = percent[is_known_N].astype(np.float64), 100 * share[is_known_N].astype(np.float64)
    at = np.searchsorted(EDGES, reference, side="right") - 1
    error = predicted - reference
    weights = (np.ones_like(error), error, error**2, predicted, reference)
    return np.stack([np.bincount(at, weights=weight, minlength=len(NAMES)) for weight in weights])


def _rounded(total: float, pixels: float) -> float | None:
    return round(float(total / pixels), 4) if pixels else None


def _root(total: float, pixels: float) -> float | None:
    return round(float(np.sqrt(total / pixels)), 4) if pixels else None
