"""How sure accuracies are: 95 % intervals by drawing whole spatial blocks with replacement.

Neighbouring pixels err together, so pixels or patches drawn one by one would look far surer than they are. Percentile
intervals (Efron and Tibshirani 1993, chapter 13); with few blocks they are too narrow, which reports say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# 1,000 draws leave 25 beyond each end of the interval.
DRAWS, SEED, CONFIDENCE = 1000, 0, 0.95
# Below it percentile intervals are clearly too narrow, and reports say so.
FEW_BLOCKS = 10
# 32 MiB of float64.
MOST_AT_ONCE = 2**22  # draws x blocks in memory

Interval = tuple[float, float]


def intervals(
    by_block_NKK: np.ndarray, names: Sequence[str], *, draws: int = DRAWS, seed: int = SEED
) -> dict[str, Interval | None]:
    """Lower and upper bound of every measure that Scores.to_json names, from each block's confusion counts.

    by_block_NKK: rows reference, columns predicted. None where there are fewer than two blocks or a measure is not
    defined in any draw.
    """
    if len(by_block_NKK) < 2:
        # Of a single block every draw is the block itself: an interval of no width would look sure.
        drawn = np.zeros((0, *by_block_NKK.shape[1:]), np.int64)
    else:
        drawn = resampled(by_block_NKK, draws, seed)
    return {name: bounds(*values) for name, values in measures(drawn, names).items()}


def resampled(by_block_NKK: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Confusion counts of `draws` samples of as many blocks as there are, int64 (draws, K, K)."""
    count, classes = by_block_NKK.shape[:2]
    # One seed for all methods: equal draws of blocks, which `comparison` pairs.
    rng, each = np.random.default_rng(seed), np.full(count, 1 / count)
    # float64 holds whole numbers to 9e15 exactly, and multiplies matrices a hundred times faster than int64
    counts, at_once = by_block_NKK.reshape(count, -1).astype(np.float64), max(1, MOST_AT_ONCE // count)
    # In parts: draws x blocks of a whole country would take gigabytes.
    times = (rng.multinomial(count, each, size=min(at_once, draws - at)) for at in range(0, draws, at_once))
    totals = np.concatenate([times_DN.astype(np.float64) @ counts for times_DN in times])
    return np.rint(totals).astype(np.int64).reshape(draws, classes, classes)


def measures(counts_DKK: np.ndarray, names: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """metrics.scores of many confusion matrices at once: each measure's values and where it is defined."""
    counts = counts_DKK.astype(np.float64)
    right, reference, predicted = np.einsum("dkk->dk", counts), counts.sum(axis=2), counts.sum(axis=1)
    total = counts.sum(axis=(1, 2))
    hit, chance = right.sum(axis=1), (reference * predicted).sum(axis=1)
    iou = _ratio(right, reference + predicted - right)
    f1 = _ratio(2 * right, reference + predicted)
    value_and_defined = {
        "miou": _mean(*iou),
        "oa": _ratio(hit, total),
        "mean_f1": _mean(*f1),
        "kappa": _ratio(total * hit - chance, total * total - chance),
    }
    per_class = {"iou": iou, "pa": _ratio(right, reference), "ua": _ratio(right, predicted), "f1": f1}
    for at, name in enumerate(names):
        value_and_defined |= {
            f"{key}_{name}": (values[:, at], defined[:, at]) for key, (values, defined) in per_class.items()
        }
    return value_and_defined


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    defined = denominator != 0
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=defined), defined


def _mean(values_DK: np.ndarray, defined_DK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over the classes for which the measure is defined."""
    return _ratio((values_DK * defined_DK).sum(axis=1), defined_DK.sum(axis=1).astype(np.float64))


def bounds(values: np.ndarray, defined: np.ndarray) -> Interval | None:
    """The interval that CONFIDENCE of the defined values lie in; None where none is."""
    kept = values[defined]
    if not len(kept):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(kept, (tail, 1 - tail))
    return float(low), float(high)


def rounded(interval_of: Mapping[str, Interval | None]) -> dict[str, list[float] | None]:
    """Intervals as JSON keeps them: pairs of five digits."""
    return {name: None if pair is None else [round(bound, 5) for bound in pair] for name, pair in interval_of.items()}
