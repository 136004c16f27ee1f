"""How often the comparison of a study's rows calls equal methods different, and how large a difference it sees.

    python benchmarks/decisions.py                  # both tables, about five minutes of one core
    python benchmarks/decisions.py --rounds 200     # coarser

Methods are drawn at random: blocks of different hardness and share of impervious ground, a method's own strength
in each block, a training's (seed's) own strength, and a training's in each block. Two equal methods have equal
distributions of all of them. The spreads are those of crofusenet-table2: MIoU varies by about 0.008 from seed to seed
and by about 0.1 from block to block.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from training.accuracy.comparison import Sample, difference, holm
from training.accuracy.contrast import Contrast, contrast

CLASSES, KEY, LEVEL = ("pervious", "impervious"), "miou", 0.05
PIXELS, FAMILY = 16_384, 5
BLOCKS, SEEDS = (10, 20, 60, 100), (1, 2, 3, 5)
GAINS = (0.05, 0.1, 0.2)  # of strength; printed as the MIoU they make


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


def measured(ground: Ground, seeds: int, gain: float, rng: np.random.Generator, spread: Spread) -> Sample:
    """Confusion counts of a method's trainings on the ground."""
    blocks = len(ground.pixels_NK)
    own_NK = spread.method * rng.standard_normal((blocks, 2))
    seed_SK = spread.seed * rng.standard_normal((seeds, 1, 2))
    within_SNK = spread.seed_in_block * rng.standard_normal((seeds, blocks, 2))
    right_SNK = np.rint(ground.pixels_NK / (1 + np.exp(-(ground.ease_NK + gain + own_NK + seed_SK + within_SNK))))
    wrong_SNK = ground.pixels_NK - right_SNK
    rows = [(right_SNK[..., 0], wrong_SNK[..., 0]), (wrong_SNK[..., 1], right_SNK[..., 1])]
    return Sample(np.stack([np.stack(row, axis=-1) for row in rows], axis=-2).astype(np.int64), CLASSES)


def pairs(blocks: int, seeds: int, gain: float, rounds: int, spread: Spread) -> Iterator[tuple[Sample, Sample]]:
    """Two methods on the same ground, the first better by `gain` of strength."""
    rng = np.random.default_rng([blocks, seeds, round(1000 * gain)])
    for _ in range(rounds):
        ground = Ground.drawn(blocks, rng, spread)
        yield measured(ground, seeds, gain, rng, spread), measured(ground, seeds, 0.0, rng, spread)


def called_different(found: Contrast | None) -> bool:
    """Whether a single comparison calls the two different."""
    return found is not None and found.p < LEVEL


def by_blocks_alone(left: Sample, right: Sample) -> bool:
    """The former rule for one seed: the bootstrap interval over blocks, as if no other training could differ."""
    bounds = difference(left, right, KEY, same_blocks=True, draws=200)
    return bounds is not None and not bounds[0] <= 0 <= bounds[1]


def error_table(rounds: int) -> list[str]:
    """Equal methods called different, percent, by seeds and blocks."""
    fixed = Spread(seed=0.0, seed_in_block=0.0)
    rows = {
        "nothing trained (products), 1": [_rate(b, 1, 0.0, rounds, fixed, _fixed) for b in BLOCKS],
        "1 seed, by blocks alone (former rule)": [_rate(b, 1, 0.0, rounds, Spread(), by_blocks_alone) for b in BLOCKS],
    }
    for seeds in SEEDS:
        rows[f"trained, {seeds}"] = [_rate(b, seeds, 0.0, rounds, Spread(), _trained) for b in BLOCKS]
    return _table("equal pairs called different, %", rows)


def family_table(rounds: int) -> list[str]:
    """Families of equal methods in which any pair is called different after Holm, percent."""
    return _table(
        f"families of {FAMILY} equal methods with any pair called different (Holm), %",
        {f"trained, {seeds}": [_family_rate(b, seeds, rounds) for b in BLOCKS] for seeds in SEEDS[1:]},
    )


def power_table(rounds: int) -> list[str]:
    """True differences that are seen, percent; the first column is the mean difference of MIoU."""
    rows = {}
    for gain in GAINS:
        apart = [_score(a) - _score(b) for a, b in pairs(100, 5, gain, 200, Spread())]
        for seeds in SEEDS[1:]:
            rates = [_rate(b, seeds, gain, rounds, Spread(), _trained) for b in BLOCKS]
            rows[f"MIoU +{np.mean(apart):.3f}, {seeds} seeds"] = rates
    return _table("true differences that are seen, %", rows)


def _rate(blocks: int, seeds: int, gain: float, rounds: int, spread: Spread, judge) -> float:
    return float(np.mean([judge(*pair) for pair in pairs(blocks, seeds, gain, rounds, spread)]))


def _trained(left: Sample, right: Sample) -> bool:
    return called_different(contrast(left, right, KEY))


def _fixed(left: Sample, right: Sample) -> bool:
    return called_different(contrast(left, right, KEY, trained=(False, False)))


def _family_rate(blocks: int, seeds: int, rounds: int) -> float:
    rng, wrong = np.random.default_rng([7, blocks, seeds]), 0
    for _ in range(rounds):
        ground = Ground.drawn(blocks, rng, Spread())
        methods = [measured(ground, seeds, 0.0, rng, Spread()) for _ in range(FAMILY)]
        chances = [found.p for a, b in combinations(methods, 2) if (found := contrast(a, b, KEY)) is not None]
        wrong += min(holm(chances)) < LEVEL
    return wrong / rounds


def _score(sample: Sample) -> float:
    from training.accuracy.metrics import scores

    return float(np.mean([scores(counts.sum(axis=0)).to_json(CLASSES)[KEY] for counts in sample.counts_SNKK]))


def _table(title: str, rows: dict[str, list[float]]) -> list[str]:
    head = [f"| {title} | {' | '.join(f'{blocks} blocks' for blocks in BLOCKS)} |", "|---|" + "---:|" * len(BLOCKS)]
    return [
        *head,
        *(f"| {name} | {' | '.join(f'{100 * rate:.1f}' for rate in rates)} |" for name, rates in rows.items()),
    ]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000, help="simulated comparisons per figure")
    rounds = parser.parse_args().rounds
    for table in (error_table, family_table, power_table):
        print("\n".join(table(max(1, rounds // 2) if table is family_table else rounds)), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
