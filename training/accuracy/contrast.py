"""Whether two methods differ, where both the ground and the trainings are samples: a t interval over blocks and seeds.

A score is a ratio of sums over blocks, so each block counts by its jackknife pseudo-value (Efron and Tibshirani 1993,
chapter 11). The variance of a difference has two parts: that of the blocks' own differences, and that of each method's
seeds. Their sum has the degrees of freedom of Satterthwaite (1946, Biometrics Bulletin 2, 110-114). What a seed does to
single blocks is in both parts, so the sum is a little too large: the test errs on the safe side. docs/reproduction.md
shows its error rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.bootstrap import CONFIDENCE
from isamap.training.accuracy.comparison import MethodCounts

# Four degrees of freedom: with fewer, t's tails make every interval useless.
LEAST_BLOCKS = 5
# confusion counts (N, K, K) and classes -> each measure's values (N) and where they are defined
Measures = Callable[[np.ndarray, Sequence[str]], Mapping[str, tuple[np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class Contrast:
    """left minus right: the difference of the means over seeds, its 95 % interval, and two-sided p of no difference."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class VarianceComponent:
    """One part of a variance and its degrees of freedom."""

    variance: float
    freedom: int


def contrast(
    left: MethodCounts,
    right: MethodCounts,
    key: str,
    *,
    trained: tuple[bool, bool] = (True, True),
    measures: Measures = bootstrap.measures,
) -> Contrast | None:
    """left minus right by one of the measures, those that Scores.to_json names by default.

    trained: whether another training of the method would give other counts; of one that is not, a single seed is all
    there is. Methods that were judged on the same pixels of the same blocks are compared block by block, others each by
    itself. None: a single seed of a method that is trained, fewer than LEAST_BLOCKS blocks, or a measure that nothing
    defines.
    """
    pair = (left, right)
    if any(again and len(sample.counts_SNKK) < 2 for sample, again in zip(pair, trained, strict=True)):
        return None
    scores = [_scores(sample, key, measures) for sample in pair]
    if any(score is None for score in scores):
        return None
    (left_S, left_SN), (right_S, right_SN) = (score for score in scores if score is not None)
    parts = _block_parts(left_SN, right_SN, paired=same_pixels(left, right))
    parts += [_mean_part(by_seed) for by_seed in (left_S, right_S) if len(by_seed) > 1]
    return _interval(float(left_S.mean() - right_S.mean()), parts)


def same_pixels(left: MethodCounts, right: MethodCounts) -> bool:
    """Whether two methods were judged on equal blocks: as many, with as many pixels of each reference class."""
    a, b = (sample.counts_SNKK[0].sum(axis=2) for sample in (left, right))
    return a.shape == b.shape and bool(np.array_equal(a, b))


def _scores(sample: MethodCounts, key: str, measures: Measures) -> tuple[np.ndarray, np.ndarray] | None:
    """Each seed's value, float64 (seeds,), and pseudo-values of its blocks, (seeds, blocks); None where undefined."""
    if sample.counts_SNKK.shape[1] < LEAST_BLOCKS:
        return None
    values, pseudo = [], []
    for counts_NKK in sample.counts_SNKK:
        total, count = counts_NKK.sum(axis=0), len(counts_NKK)
        # The whole and each leave-one-out in one call: measures are computed for all matrices at once.
        measured = measures(np.concatenate([total[None], total - counts_NKK]), sample.classes).get(key)
        if measured is None or not measured[1].all():
            return None
        of_all, without_N = measured[0][0], measured[0][1:]
        values.append(of_all)
        pseudo.append(count * of_all - (count - 1) * without_N)
    return np.array(values), np.array(pseudo)


def _block_parts(left_SN: np.ndarray, right_SN: np.ndarray, *, paired: bool) -> list[VarianceComponent]:
    """Of the blocks' differences where both have the same blocks, else of each method's blocks."""
    # Means over seeds first: what seeds do is the other part of the variance.
    left_N, right_N = left_SN.mean(axis=0), right_SN.mean(axis=0)
    return [_mean_part(left_N - right_N)] if paired else [_mean_part(left_N), _mean_part(right_N)]


def _mean_part(values: np.ndarray) -> VarianceComponent:
    return VarianceComponent(float(values.var(ddof=1) / len(values)), len(values) - 1)


def _interval(value: float, parts: Sequence[VarianceComponent]) -> Contrast:
    variance = sum(component.variance for component in parts)
    # Rows that change with neither block nor seed have no test; equal ones are equal for certain.
    if not variance:
        return Contrast(value, value, value, 1.0 if value == 0 else 0.0)
    freedom = variance**2 / sum(component.variance**2 / component.freedom for component in parts)
    error = variance**0.5
    reach = float(student_t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return Contrast(value, value - reach, value + reach, float(2 * student_t.sf(abs(value) / error, freedom)))
