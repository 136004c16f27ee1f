"""Folds of a cross-validation: blocks of ground that are held out in turn, and nothing that touches them is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from isamap.gee_export.datasets.dataset import SPLITS, Dataset, Patch
from isamap.training.samples.data import SampleSource
from isamap.training.samples.ground import BLOCK_M, overlapping_pairs, square_of

PER_FOLD = 4  # blocks of ground at least, where there are as many
WIDTHS = (8, 6, 4, 3, 2, 1)  # of a block, in squares of ground.BLOCK_M
LEAST, MOST = 2, 20
Pair = tuple[Dataset, Patch]


@dataclass(frozen=True)
class Fold:
    """One of several folds (from 1): tested on its blocks, validated on the next fold's, trained on all others."""

    ordinal: int
    folds: int
    seed: int = 0

    def __post_init__(self) -> None:
        # One fold tests and the next one validates: of two folds none would be left to train on.
        if not LEAST < self.folds <= MOST:
            raise ValueError(f"--folds {self.folds}: expected {LEAST + 1} to {MOST}")
        if not 1 <= self.ordinal <= self.folds:
            raise ValueError(f"fold {self.ordinal} of {self.folds}: expected 1 to {self.folds}")

    @property
    def sentence(self) -> str:
        """What is held out; another division is another sentence."""
        return (
            f"fold {self.ordinal} of {self.folds} by place, seed {self.seed}: tests on ground that no other fold tests"
        )

    def of(self, source: SampleSource) -> SampleSource:
        """The source with these splits instead of the datasets' own; ValueError: too few blocks of ground."""
        pairs = [(dataset, patch) for dataset in source.datasets for patch in dataset.patches]
        split_N = self._splits(fold_of(pairs, self.folds, self.seed), overlapping_pairs(pairs))
        ends = np.cumsum([len(dataset.patches) for dataset in source.datasets])
        return replace(source, divided=tuple(np.split(split_N, ends[:-1])))

    def _splits(self, fold_N: np.ndarray, touching: np.ndarray) -> np.ndarray:
        """Numbers in SPLITS; -1 for patches that touch one of a later split's ground."""
        train, val, test = range(len(SPLITS))
        split_N = np.full(len(fold_N), train)
        split_N[fold_N == self.ordinal % self.folds] = val
        split_N[fold_N == self.ordinal - 1] = test
        left, right = touching
        # Of two patches that share ground the one of the earlier split goes: no test patch is given up for training.
        lost = left[split_N[left] < split_N[right]]
        split_N[lost] = -1
        return split_N


def fold_of(pairs: Sequence[Pair], folds: int, seed: int) -> np.ndarray:
    """The fold (0 to folds - 1) of each patch: whole blocks of ground, alike in patches and in impervious ground.

    The widest blocks of which there are PER_FOLD a fold; ValueError where there are fewer blocks than folds.
    """
    squares = [square_of(*pair) for pair in pairs]
    # Wide blocks lose fewer patches along their rims; narrow ones are taken only where ground is too scarce for them.
    for width in WIDTHS:
        keys = [(crs, row // width, col // width) for crs, row, col in squares]
        names = {key: at for at, key in enumerate(dict.fromkeys(keys))}
        if len(names) >= PER_FOLD * folds:
            break
    if len(names) < folds:
        raise ValueError(
            f"--folds {folds}: the patches lie in {len(names)} blocks of {BLOCK_M / 1000:g} km or two patches: "
            "take fewer folds or more ground"
        )
    block_N = np.array([names[key] for key in keys])
    share_N = np.array([patch.impervious_share or 0.0 for _, patch in pairs])
    return _dealt(np.bincount(block_N), np.bincount(block_N, weights=share_N), folds, seed)[block_N]


def _dealt(patches_B: np.ndarray, impervious_B: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each block: the largest first, each to the fold that lacks most of its patches and classes."""
    rng, fold_B = np.random.default_rng(seed), np.zeros(len(patches_B), np.int64)
    weights_B2 = np.stack([patches_B / patches_B.sum(), impervious_B / max(1e-9, impervious_B.sum())], axis=1)
    filled = np.zeros((folds, 2))
    order = rng.permutation(len(patches_B))
    # Largest first, so that small blocks can even out what large ones left; the permutation decides among equals,
    # so that another seed is another division.
    for block in order[np.argsort(-weights_B2[order].max(axis=1), kind="stable")]:
        excess = np.maximum(filled + weights_B2[block] - 1 / folds, 0).sum(axis=1)
        fold_B[block] = int(np.lexsort((filled.sum(axis=1), excess))[0])
        filled[fold_B[block]] += weights_B2[block]
    return fold_B
