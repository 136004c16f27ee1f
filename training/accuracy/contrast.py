"""Whether two methods differ, where both the ground and the trainings are samples: a t interval over blocks and seeds.

A score is a ratio of sums over blocks, so each block counts by its jackknife pseudo-value (Efron and Tibshirani 1993,
chapter 11). The variance of a difference has two parts: that of the blocks' own differences, and that of each method's
seeds. Their sum has the degrees of freedom of Satterthwaite (1946, Biometrics Bulletin 2, 110-114). What a seed does to
single blocks is in both parts, so the sum is a little too large: the test errs on the safe side. Its error rate is
shown by benchmarks/decisions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from training.accuracy import bootstrap
from training.accuracy.bootstrap import CONFIDENCE
from training.accuracy.comparison import Sample

LEAST_BLOCKS = 5


@dataclass(frozen=True)
class Contrast:
    """left minus right: the difference of the means over seeds, its 95 % interval, and two-sided p of no difference."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Part:
    """One part of a variance and its degrees of freedom."""

    variance: float
    freedom: int


def contrast(left: Sample, right: Sample, key: str, *, trained: tuple[bool, bool] = (True, True)) -> Contrast | None:
    """left minus right by a measure that Scores.to_json names.

    trained: whether another training of the method would give other counts; of one that is not, a single seed is all
    there is. Methods that were judged on the same pixels of the same blocks are compared block by block, others each by
    itself. None: a single seed of a method that is trained, fewer than LEAST_BLOCKS blocks, or a measure that nothing
    defines.
    """
    pair = (left, right)
    if any(again and len(sample.counts_SNKK) < 2 for sample, again in zip(pair, trained, strict=True)):
        return None
    scores = [_scores(sample, key) for sample in pair]
    if any(score is None for score in scores):
        return None
    (left_S, left_SN), (right_S, right_SN) = (score for score in scores if score is not None)
    parts = _block_parts(left_SN, right_SN, paired=same_pixels(left, right))
    parts += [_mean_part(by_seed) for by_seed in (left_S, right_S) if len(by_seed) > 1]
    return _interval(float(left_S.mean() - right_S.mean()), parts)


def same_pixels(left: Sample, right: Sample) -> bool:
    """Whether two methods were judged on equal blocks: as many, with as many pixels of each reference class."""
    a, b = (sample.counts_SNKK[0].sum(axis=2) for sample in (left, right))
    return a.shape == b.shape and bool(np.array_equal(a, b))


def _scores(sample: Sample, key: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Each seed's value, float64 (seeds,), and pseudo-values of its blocks, (seeds, blocks); None where undefined."""
    if sample.counts_SNKK.shape[1] < LEAST_BLOCKS:
        return None
    values, pseudo = [], []
    for counts_NKK in sample.counts_SNKK:
        total, count = counts_NKK.sum(axis=0), len(counts_NKK)
        measured = bootstrap.measures(np.concatenate([total[None], total - counts_NKK]), sample.classes).get(key)
        if measured is None or not measured[1].all():
            return None
        whole, without_N = measured[0][0], measured[0][1:]
        values.append(whole)
        pseudo.append(count * whole - (count - 1) * without_N)
    return np.array(values), np.array(pseudo)


def _block_parts(left_SN: np.ndarray, right_SN: np.ndarray, *, paired: bool) -> list[Part]:
    """Of the blocks' differences where both have the same blocks, else of each method's blocks."""
    left_N, right_N = left_SN.mean(axis=0), right_SN.mean(axis=0)
    return [_mean_part(left_N - right_N)] if paired else [_mean_part(left_N), _mean_part(right_N)]


def _mean_part(values: np.ndarray) -> Part:
    return Part(float(values.var(ddof=1) / len(values)), len(values) - 1)


def _interval(value: float, parts: Sequence[Part]) -> Contrast:
    variance = sum(part.variance for part in parts)
    if not variance:
        return Contrast(value, value, value, 1.0 if value == 0 else 0.0)
    freedom = variance**2 / sum(part.variance**2 / part.freedom for part in parts)
    error = variance**0.5
    reach = float(student_t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return Contrast(value, value - reach, value + reach, float(2 * student_t.sf(abs(value) / error, freedom)))
