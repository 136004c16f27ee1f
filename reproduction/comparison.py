"""Whether two rows of a table differ: a 95 % interval of the difference, over spatial blocks and over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.accuracy import bootstrap
from training.accuracy.bootstrap import DRAWS, SEED, Interval


@dataclass(frozen=True, eq=False)
class Sample:
    """What a row was measured by: confusion counts int64 (seeds, blocks, K, K), and the names of the K classes."""

    counts_SNKK: np.ndarray
    classes: Sequence[str]


def difference(left: Sample, right: Sample, key: str, *, same_blocks: bool) -> Interval | None:
    """95 % interval of left minus right by a measure that Scores.to_json names; None where nothing defines it.

    Rows judged on the same blocks err together, so each draw takes the same blocks for both: what a hard block takes
    from both does not hide which is better. Else they are drawn apart. Seeds are drawn for each row.
    """
    a_D = _drawn(left, key, block_seed=SEED, seed=SEED + 1)
    b_D = _drawn(right, key, block_seed=SEED if same_blocks else SEED + 3, seed=SEED + 2)
    return None if a_D is None or b_D is None else bootstrap.bounds(a_D - b_D, np.isfinite(a_D - b_D))


def _drawn(sample: Sample, key: str, *, block_seed: int, seed: int) -> np.ndarray | None:
    """The measure in every draw, a mean over drawn seeds, float64 (DRAWS,), NaN where it is not defined."""
    count, blocks = sample.counts_SNKK.shape[:2]
    if blocks < 2:
        return None
    by_seed = []
    for counts_NKK in sample.counts_SNKK:
        found = bootstrap.measures(bootstrap.resampled(counts_NKK, DRAWS, block_seed), sample.classes)
        if key not in found:
            return None
        values_D, defined_D = found[key]
        by_seed.append(np.where(defined_D, values_D, np.nan))
    chosen_DS = np.random.default_rng(seed).integers(count, size=(DRAWS, count))
    return np.stack(by_seed, axis=1)[np.arange(DRAWS)[:, None], chosen_DS].mean(axis=1)
