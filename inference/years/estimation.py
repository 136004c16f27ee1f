"""The parameters of a chain of years from pixels of its maps: Baum-Welch (EM) within limits that keep its meaning.

Three limits. Gain and loss are rates of one year, equal in all years, and `loss` is at most `most_loss`. A higher
probability never speaks less for impervious ground (isotonic tables). And the tables begin at, and are drawn towards,
those of the maps' own probabilities, so that state 1 stays impervious ground whatever the pixels are; of two years
alone, from which errors and changes cannot be told apart, the tables stay there.
Source: Rabiner 1989, section III-C (doi:10.1109/5.18626); the expected steps within a gap of several years are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from inference.legend import PROB_STEPS
from inference.years.chain import IMPERVIOUS, PERVIOUS, STATES, YearChain, power
from inference.years.levels import LEVEL_OF, LEVELS
from inference.years.posterior import Recursions, recursions, seen

MOST_LOSS = 0.005  # a year, of impervious ground; docs/reference/world.md, "Geometry" draws 0.3 % of demolition
MOST_GAIN = 0.2
PULL = 0.1  # weight of the maps' own probabilities in the tables, as a share of the pixels
SMOOTHING = 1e-6  # of each table, so that no level is impossible
YEARS_TO_FIT = 3
MOST_STEPS, LEAST_RISE = 300, 1e-9  # EM ends where the log likelihood of a pixel rises by less


@dataclass(frozen=True)
class Limits:
    """What the rates keep to, in shares a year; ValueError where they cannot be kept.

    A gain that is never 0 lets ground become impervious in every period, however few pixels speak for it.
    """

    most_loss: float = MOST_LOSS
    most_gain: float = MOST_GAIN
    least_gain: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 <= self.most_loss <= 0.5:
            raise ValueError(f"loss {self.most_loss}: expected a share of 0 (never back to pervious) to 0.5 a year")
        if not 0 < self.least_gain <= self.most_gain <= 0.45:
            raise ValueError(f"gain {self.least_gain} to {self.most_gain}: expected shares between 0 and 0.45 a year")


@dataclass(frozen=True)
class Patterns:
    """Different sequences of stored levels among pixels, and how many pixels show each.

    values_TP: (years, patterns) uint8, a stored value of each level (255 not known). weight_P: pixels. drawn_TSL:
    weight that the maps' own probabilities give to each ground at each level, (years, 2, LEVELS).
    """

    years: tuple[int, ...]
    values_TP: np.ndarray
    weight_P: np.ndarray
    drawn_TSL: np.ndarray

    @classmethod
    def of(cls, shares_TN: np.ndarray, years: Sequence[int]) -> Patterns:
        """The patterns of pixels' stored probabilities (years, N) uint8; pixels without any known year are left out."""
        level_TN = LEVEL_OF[shares_TN]
        kept_N = (level_TN < LEVELS).any(axis=0)
        patterns_TP, weight_P = np.unique(level_TN[:, kept_N], axis=1, return_counts=True)
        drawn_TSL = np.stack([_drawn(share_N, level_N) for share_N, level_N in zip(shares_TN, level_TN, strict=True)])
        return cls(tuple(years), _VALUE_OF[patterns_TP], weight_P.astype(np.float64), drawn_TSL)

    @property
    def level_TP(self) -> np.ndarray:
        """Level of each pattern by year."""
        return LEVEL_OF[self.values_TP]


def _drawn(share_N: np.ndarray, level_N: np.ndarray) -> np.ndarray:
    impervious_N = share_N / PROB_STEPS
    known_N = level_N < LEVELS
    weights = [np.where(known_N, chance_N, 0) for chance_N in (1 - impervious_N, impervious_N)]
    return np.stack([np.bincount(level_N, weight_N, LEVELS + 1)[:LEVELS] for weight_N in weights])


_VALUE_OF = np.array([int(np.flatnonzero(level == LEVEL_OF)[0]) for level in range(LEVELS + 1)], np.uint8)


@dataclass(frozen=True)
class Estimate:
    """A fitted chain; log_posterior: of the pixels and the tables' pull, by step of EM, which never falls."""

    chain: YearChain
    log_posterior: tuple[float, ...]
    pixels: int


def fit(patterns: Patterns, limits: Limits | None = None) -> Estimate:
    """The chain under which the patterns are most probable, within the limits; ValueError where no pixel is known."""
    limits = limits or Limits()
    if not patterns.weight_P.sum():
        raise ValueError("no pixel of the maps is known in any year: give maps that overlap what they show")
    chain, history = _begin(patterns, limits), []
    for _ in range(MOST_STEPS):
        likelihood_TSP = seen(patterns.values_TP, chain)
        both = recursions(likelihood_TSP, chain.start_S, chain.transitions_TSS)
        history.append(_log_posterior(both, patterns, chain))
        if len(history) > 1 and history[-1] - history[-2] < LEAST_RISE * patterns.weight_P.sum():
            break
        chain = _better(chain, both, likelihood_TSP, patterns, limits)
    return Estimate(chain, tuple(history), int(patterns.weight_P.sum()))


def _begin(patterns: Patterns, limits: Limits) -> YearChain:
    """The chain that the maps' own probabilities speak for: tables and first share as they are, small rates."""
    share_T = patterns.drawn_TSL[:, IMPERVIOUS].sum(axis=1) / np.maximum(patterns.drawn_TSL.sum(axis=(1, 2)), 1)
    known = share_T[patterns.drawn_TSL.sum(axis=(1, 2)) > 0]
    gain = min(max(0.02, limits.least_gain), limits.most_gain)
    initial = float(np.clip(known[0], 1e-4, 1 - 1e-4))
    return YearChain(patterns.years, initial, gain, min(0.001, limits.most_loss), _pulled(patterns, 0.0, None))


def _pulled(patterns: Patterns, pull: float, counted_TSL: np.ndarray | None) -> np.ndarray:
    """Tables of expected counts and of the maps' own probabilities, isotonic and never 0; (years, 2, LEVELS)."""
    own_TSL = patterns.drawn_TSL
    pooled_SL = own_TSL.sum(axis=0)  # a year without any known pixel takes the table of all years
    empty_T = own_TSL.sum(axis=(1, 2)) == 0
    base_TSL = np.where(empty_T[:, None, None], pooled_SL, own_TSL)
    counts_TSL = base_TSL if counted_TSL is None else counted_TSL + pull * base_TSL
    counts_TSL = counts_TSL + SMOOTHING * counts_TSL.sum(axis=(1, 2), keepdims=True)
    ordered_TSL = np.stack([_ordered(counts_SL) for counts_SL in counts_TSL])
    return ordered_TSL / ordered_TSL.sum(axis=2, keepdims=True)


def _ordered(counts_SL: np.ndarray) -> np.ndarray:
    """Counts whose share of impervious rises with the level: the isotonic regression, which keeps both totals.

    This is the most probable pair of tables with a rising ratio, as the totals of a pooled block stay what they were.
    """
    weight_L = counts_SL.sum(axis=0)
    blocks: list[list[float]] = []  # impervious, total, levels
    for impervious, weight in zip(counts_SL[IMPERVIOUS], weight_L, strict=True):
        blocks.append([impervious, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [former + later for former, later in zip(blocks[-1], last, strict=True)]
    share_L = np.concatenate([np.full(int(levels), impervious / total) for impervious, total, levels in blocks])
    return np.stack([(1 - share_L) * weight_L, share_L * weight_L])


def _better(
    chain: YearChain, both: Recursions, likelihood_TSP: np.ndarray, patterns: Patterns, limits: Limits
) -> YearChain:
    """One step of EM: the parameters that maximise the expected logarithm under the present chain."""
    weighted_TSP = both.posterior_TSN * patterns.weight_P
    first_S = weighted_TSP[0].sum(axis=1)
    steps_SS = _expected_steps(chain, both, likelihood_TSP, patterns.weight_P)
    gain, loss = (_rate(steps_SS[state], 1 - state) for state in (PERVIOUS, IMPERVIOUS))
    rates = {
        "initial": float(first_S[IMPERVIOUS] / first_S.sum()),
        "gain": min(max(gain, limits.least_gain), limits.most_gain),
        "loss": min(loss, limits.most_loss),
    }
    if len(chain.years) < YEARS_TO_FIT:
        return replace(chain, **rates)
    counted_TSL = np.stack(
        [
            np.stack([np.bincount(level_P, weight_P, LEVELS + 1)[:LEVELS] for weight_P in weighted_SP])
            for level_P, weighted_SP in zip(patterns.level_TP, weighted_TSP, strict=True)
        ]
    )
    return replace(chain, **rates, emission_TSL=_pulled(patterns, PULL, counted_TSL))


def _rate(steps_S: np.ndarray, onto: int) -> float:
    total = steps_S.sum()
    return float(steps_S[onto] / total) if total > 0 else 0.0


def _expected_steps(chain: YearChain, both: Recursions, likelihood_TSP: np.ndarray, weight_P: np.ndarray) -> np.ndarray:
    """Expected number of steps of one year from ground to ground in all pixels, (2, 2)."""
    total_SS = np.zeros((STATES, STATES))
    for year, gap in enumerate(chain.gaps):
        ahead_SP = likelihood_TSP[year + 1] * both.backward_TSN[year + 1] / both.scale_TN[year + 1] * weight_P
        pairs_SS = (both.forward_TSN[year] @ ahead_SP.T) * chain.transitions_TSS[year]
        total_SS += np.einsum("ij,ijab->ab", pairs_SS, _steps_within(chain.gain, chain.loss, gap))
    return total_SS


def _steps_within(gain: float, loss: float, gap: int) -> np.ndarray:
    """Expected steps a to b of one year within a gap, given the ground at its ends: (2, 2, 2, 2) as [i, j, a, b]."""
    step_SS, total = power(gain, loss, 1), power(gain, loss, gap)
    expected = np.zeros((STATES,) * 4)
    for before in range(gap):
        to_SS, from_SS = power(gain, loss, before), power(gain, loss, gap - 1 - before)
        expected += np.einsum("ia,ab,bj->ijab", to_SS, step_SS, from_SS)
    return np.divide(expected, total[:, :, None, None], out=np.zeros_like(expected), where=total[:, :, None, None] > 0)


def _log_posterior(both: Recursions, patterns: Patterns, chain: YearChain) -> float:
    """Logarithm of the patterns' probability and of the pull towards the maps' own tables."""
    likelihood = float(np.log(both.scale_TN).sum(axis=0) @ patterns.weight_P)
    if len(chain.years) < YEARS_TO_FIT:
        return likelihood
    return likelihood + PULL * float((patterns.drawn_TSL * np.log(chain.emission_TSL)).sum())
