"""Whether two methods differ: interval and probability of their difference, over spatial blocks and over seeds.

Intervals are percentiles of a bootstrap (training/accuracy/bootstrap.py). Probabilities are the larger one of the same
bootstrap's and of an approximate randomisation test (Yeh 2000, COLING, "More accurate tests for the statistical
significance of result differences"): were the methods alike, exchanging their counts in any blocks would give a
difference as large as often as not. That test stays valid with few blocks, where the bootstrap is too sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.bootstrap import DRAWS, SEED, Interval

# Ten times the interval's: p is compared with 5 % after Holm's factor, so its far tail counts.
TEST_DRAWS = 10_000
MOST_EXCHANGES = 12  # blocks of which every exchange is tried: 4096
# The observed exchange, summed in another order, must count as large as itself.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class MethodCounts:
    """What a method was measured by: confusion counts int64 (seeds, blocks, K, K), and the names of the K classes."""

    counts_SNKK: np.ndarray
    classes: Sequence[str]


def difference(left: MethodCounts, right: MethodCounts, key: str) -> Interval | None:
    """95 % interval of left minus right by a measure that Scores.to_json names; None where nothing defines it.

    Methods measured on the same blocks err together, so each draw takes the same blocks for both: what a hard block
    takes from both does not hide which is better. Seeds are drawn for each method.
    """
    differences_D = _differences(left, right, key, DRAWS)
    return None if differences_D is None else bootstrap.bounds(differences_D, np.isfinite(differences_D))


def probability(left: MethodCounts, right: MethodCounts, key: str) -> float | None:
    """Two-sided p of left and right being alike by a measure, on the same blocks; None where nothing defines it."""
    differences_D = _differences(left, right, key, TEST_DRAWS)
    exchanged = _of_exchanges(left, right, key)
    if differences_D is None or exchanged is None:
        return None
    # The larger of the two, as each is too sure where the other is not.
    return max(_of_draws(differences_D[np.isfinite(differences_D)]), exchanged)


def least_probability(blocks: int) -> float:
    """The smallest p that `probability` can give with so many blocks: all of them speak for one method."""
    return 2.0 ** (1 - blocks) if blocks <= MOST_EXCHANGES else 2 / (TEST_DRAWS + 1)


def holm(probabilities: Sequence[float]) -> list[float]:
    """Adjusted for being several, in the order given (Holm 1979, Scandinavian Journal of Statistics 6, 65-70).

    A difference whose adjusted p is below 5 % may be called one: the chance of any false call among them is below 5 %.
    """
    order = np.argsort(probabilities, kind="stable")
    factors = np.arange(len(order), 0, -1)
    # Accumulated: a larger p must not become more certain than a smaller one by its smaller factor.
    adjusted = np.minimum(np.maximum.accumulate(np.asarray(probabilities, float)[order] * factors), 1)
    by_place = np.empty(len(order))
    by_place[order] = adjusted
    return by_place.tolist()


def _of_draws(differences: np.ndarray) -> float:
    """Twice the share of draws on the far side of 0, of which the observed one counts as one more."""
    if not len(differences):
        return 1.0
    # Draws of exactly 0 speak for neither side, so they count on both.
    fewest = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1.0, 2 * (fewest + 1) / (len(differences) + 1)))


def _of_exchanges(left: MethodCounts, right: MethodCounts, key: str) -> float | None:
    """The share of exchanges of blocks that give a difference at least as large; counts are means over seeds."""
    a_NKK, b_NKK = (sample.counts_SNKK.mean(axis=0) for sample in (left, right))
    exchanges_EN = _exchanges(len(a_NKK))
    # Middle and half difference: an exchange only turns a sign, so each costs one sum.
    apart = np.einsum("en,nij->eij", exchanges_EN, (a_NKK - b_NKK) / 2)
    middle = ((a_NKK + b_NKK) / 2).sum(axis=0)
    a, b = (bootstrap.measures(middle + sign * apart, left.classes).get(key) for sign in (1, -1))
    if a is None or b is None:
        return None
    (a_E, a_defined), (b_E, b_defined) = a, b
    if not (a_defined[0] and b_defined[0]):
        return None
    observed = abs(a_E[0] - b_E[0])
    # An exchange that leaves a measure undefined is counted against the difference.
    as_large = (np.abs(a_E - b_E) >= observed - _ROUNDING) | ~a_defined | ~b_defined
    return float(as_large.mean())


def _exchanges(blocks: int) -> np.ndarray:
    """+1 and -1 for each block, float64 (exchanges, blocks): all there are, or TEST_DRAWS at random; as seen first."""
    if blocks <= MOST_EXCHANGES:
        return np.array(list(product((1.0, -1.0), repeat=blocks)))
    drawn = np.random.default_rng(SEED).integers(2, size=(TEST_DRAWS, blocks))
    # What was seen is one of the exchanges, so p is never 0.
    return np.concatenate([np.ones((1, blocks)), drawn * 2.0 - 1])


def _differences(left: MethodCounts, right: MethodCounts, key: str, draws: int) -> np.ndarray | None:
    a_D = _drawn(left, key, seed=SEED + 1, draws=draws)
    # Other seeds for the choice of trainings: the methods' seeds are not pairs.
    b_D = _drawn(right, key, seed=SEED + 2, draws=draws)
    return None if a_D is None or b_D is None else a_D - b_D


def _drawn(sample: MethodCounts, key: str, *, seed: int, draws: int) -> np.ndarray | None:
    """The measure in every draw, a mean over drawn seeds, float64 (draws,), NaN where it is not defined."""
    count, blocks = sample.counts_SNKK.shape[:2]
    if blocks < 2:
        return None
    by_seed = []
    for counts_NKK in sample.counts_SNKK:
        measured = bootstrap.measures(bootstrap.resampled(counts_NKK, draws, SEED), sample.classes)
        if key not in measured:
            return None
        values_D, defined_D = measured[key]
        by_seed.append(np.where(defined_D, values_D, np.nan))
    chosen_DS = np.random.default_rng(seed).integers(count, size=(draws, count))
    return np.stack(by_seed, axis=1)[np.arange(draws)[:, None], chosen_DS].mean(axis=1)
