"""Methods whose truth is known, drawn at random, for the error rate of comparisons.

Blocks have different hardness and share of impervious ground, a method its own strength in each block, a training
(seed) its own strength, and its own in each block. The spreads are those of crofusenet-table2: MIoU varies by about
0.008 from seed to seed and by about 0.1 from block to block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from isamap.training.accuracy.comparison import MethodCounts
from isamap.training.accuracy.contrast import Contrast

CLASSES, KEY, LEVEL = ("pervious", "impervious"), "miou", 0.05
PIXELS = 16_384


@dataclass(frozen=True)
class Spread:
    """Standard deviations of strengths, on the logit of a class's producer's accuracy."""

    block: float = 0.8
    method: float = 0.2
    seed: float = 0.06
    seed_in_block: float = 0.15


@dataclass(frozen=True)
class Ground:
    """Blocks: pixels of each class, and how hard each class is there; float64 (blocks, 2)."""

    pixels_NK: np.ndarray
    ease_NK: np.ndarray

    @classmethod
    def drawn(cls, blocks: int, rng: np.random.Generator, spread: Spread) -> Ground:
        """Blocks whose impervious share is mostly small."""
        share_N = rng.beta(1.0, 3.0, blocks)
        pixels_NK = np.rint(np.stack([1 - share_N, share_N], axis=1) * PIXELS)
        return cls(pixels_NK, np.array([2.6, 1.0]) + spread.block * rng.standard_normal((blocks, 2)))


def measured(ground: Ground, seeds: int, gain: float, rng: np.random.Generator, spread: Spread) -> MethodCounts:
    """Confusion counts of a method's trainings on the ground."""
    blocks = len(ground.pixels_NK)
    own_NK = spread.method * rng.standard_normal((blocks, 2))
    seed_SK = spread.seed * rng.standard_normal((seeds, 1, 2))
    within_SNK = spread.seed_in_block * rng.standard_normal((seeds, blocks, 2))
    right_SNK = np.rint(ground.pixels_NK / (1 + np.exp(-(ground.ease_NK + gain + own_NK + seed_SK + within_SNK))))
    wrong_SNK = ground.pixels_NK - right_SNK
    rows = [(right_SNK[..., 0], wrong_SNK[..., 0]), (wrong_SNK[..., 1], right_SNK[..., 1])]
    return MethodCounts(np.stack([np.stack(row, axis=-1) for row in rows], axis=-2).astype(np.int64), CLASSES)


def pairs(
    blocks: int, seeds: int, gain: float, rounds: int, spread: Spread
) -> Iterator[tuple[MethodCounts, MethodCounts]]:
    """Two methods on the same ground, the first better by `gain` of strength."""
    rng = np.random.default_rng([blocks, seeds, round(1000 * gain)])
    for _ in range(rounds):
        ground = Ground.drawn(blocks, rng, spread)
        yield measured(ground, seeds, gain, rng, spread), measured(ground, seeds, 0.0, rng, spread)


def called_different(found: Contrast | None) -> bool:
    """Whether a single comparison calls the two different."""
    return found is not None and found.p < LEVEL
