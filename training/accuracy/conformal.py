"""Prediction sets with a promised coverage, by split-conformal prediction for each class over spatial blocks.

A set holds every class whose probability is at least that class's limit. The limit is the largest with which the sets
of new ground hold the true class in a share of 1 - alpha: for each class apart (Vovk 2012, "Conditional validity of
inductive conformal predictors"), and with whole spatial blocks as what is exchangeable, because neighbouring pixels
err together: the blocks' distributions count equally, and one more block counts as missed (Dunn, Wasserman and Ramdas
2023, JASA 118, "Distribution-Free Prediction Sets for Two-Layer Hierarchical Models", pooling CDFs). Probabilities are
taken in the 254 steps in which maps store them, so a map's sets are exactly those that were measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.bootstrap import DRAWS, SEED, Interval
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.conformal import STEPS, SetLimits, limits_of


@dataclass(frozen=True, eq=False)
class ShareCounts:
    """Known pixels by spatial block, label (two classes) and stored probability, int64 (blocks, 2, STEPS + 1)."""

    by_block: np.ndarray

    def limits(self, alpha: float) -> SetLimits:
        """The limits of sets that hold the true class in a share of 1 - alpha; ValueError: too few blocks for it."""
        if not 0 < alpha < 0.5:
            raise ValueError(f"alpha {alpha}: expected a share of errors between 0 and 0.5, such as 0.1")
        least = [_limit(own_BN, alpha, label) for label, own_BN in enumerate(self._own)]
        return SetLimits(alpha, (least[0], least[1]))

    @cached_property
    def _own(self) -> tuple[np.ndarray, np.ndarray]:
        """For each class its pixels by block and by the stored probability of that class."""
        return self.by_block[:, 0, ::-1], self.by_block[:, 1]


@dataclass(frozen=True, eq=False)
class Coverage:
    """How the sets of given limits do on counted pixels."""

    limits: SetLimits
    counts: ShareCounts
    classes: tuple[str, ...]

    @cached_property
    def shares(self) -> dict[str, float | None]:
        """Share of each class's pixels whose set holds it, and shares of sets with one class, both and none."""
        return {name: _ratio(*pair) for name, pair in self._pairs(self.counts.by_block.sum(axis=0)[None]).items()}

    @cached_property
    def intervals(self) -> dict[str, Interval | None]:
        """95 % intervals of the same by drawing blocks; None with fewer than two."""
        by_block = self.counts.by_block
        if len(by_block) < 2:
            return dict.fromkeys(self.shares)
        times = np.random.default_rng(SEED).multinomial(
            len(by_block), np.full(len(by_block), 1 / len(by_block)), size=DRAWS
        )
        drawn = (times.astype(float) @ by_block.reshape(len(by_block), -1)).reshape(DRAWS, 2, -1)
        intervals = {}
        for name, (hits, pixels) in self._pairs(drawn).items():
            defined = pixels > 0
            intervals[name] = bootstrap.bounds(np.divide(hits, pixels, out=np.zeros(DRAWS), where=defined), defined)
        return intervals

    def to_json(self) -> dict[str, Any]:
        """Alpha, limits, shares and intervals."""
        shares = {name: None if share is None else round(share, 5) for name, share in self.shares.items()}
        return {**self.limits.to_json(), "shares": shares, "intervals": bootstrap.rounded(self.intervals)}

    def __str__(self) -> str:
        cells = ", ".join(f"{name} {_cell(self.shares[name], self.intervals[name])}" for name in self.classes)
        sizes = ", ".join(f"{name} {self.shares[name]:.1%}" for name in ("one class", "both", "none"))
        return f"sets meant to hold {1 - self.limits.alpha:.0%} of each class hold: {cells}; sets: {sizes}"

    def _pairs(self, counts_D2N: np.ndarray) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        """Hits and pixels of each share, by draw."""
        members_2N = self.limits.members(np.arange(STEPS + 1))
        size_N = members_2N.sum(axis=0)
        pixels_D = counts_D2N.sum(axis=(1, 2))
        of_class = {
            name: ((counts_D2N[:, label] * members_2N[label]).sum(axis=1), counts_D2N[:, label].sum(axis=1))
            for label, name in enumerate(self.classes)
        }
        of_size = {
            name: ((counts_D2N * (size_N == size)).sum(axis=(1, 2)), pixels_D)
            for name, size in (("one class", 1), ("both", 2), ("none", 0))
        }
        return of_class | of_size


def share_counts(probability: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Known pixels by label and by probability as a map stores it, int64 (2, STEPS + 1)."""
    labelled = label != UNKNOWN
    share = np.rint(np.clip(probability[labelled], 0, 1) * STEPS).astype(np.int64)
    cells = label[labelled].astype(np.int64) * (STEPS + 1) + share
    return np.bincount(cells, minlength=2 * (STEPS + 1)).reshape(2, STEPS + 1)


def coverage_of(checkpoint: ck.Checkpoint, counts: ShareCounts) -> Coverage | None:
    """The coverage of the checkpoint's sets; None where it has none."""
    limits = limits_of(checkpoint)
    return None if limits is None else Coverage(limits, counts, checkpoint.classes)


def _limit(own_BN: np.ndarray, alpha: float, label: int) -> int:
    """The largest stored probability from which a class may be in the set.

    Each block with pixels of the class weighs as much as one more that counts as missed.
    """
    pixels_B = own_BN.sum(axis=1)
    blocks = int((pixels_B > 0).sum())
    # The block that counts as missed weighs 1 / (blocks + 1): with fewer blocks it alone is more than alpha.
    needed = math.ceil(1 / alpha - 1)
    if blocks < needed:
        raise ValueError(
            f"{blocks} spatial blocks hold pixels of class {label}: alpha {alpha:g} needs {needed} or more; choose a "
            "larger alpha or export a larger region"
        )
    shares_BN = own_BN[pixels_B > 0] / pixels_B[pixels_B > 0, None]
    below_N = np.concatenate([[0.0], shares_BN.sum(axis=0).cumsum()[:-1]])  # of the class below each step
    # 1e-12: sums of shares that are alpha in exact arithmetic may come out above it by rounding.
    return int(np.flatnonzero((below_N + 1) / (blocks + 1) <= alpha + 1e-12)[-1])


def _ratio(hits: np.ndarray, pixels: np.ndarray) -> float | None:
    return float(hits[0] / pixels[0]) if pixels[0] else None


def _cell(share: float | None, interval: Interval | None) -> str:
    if share is None:
        return "-"
    return f"{share:.4f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")
