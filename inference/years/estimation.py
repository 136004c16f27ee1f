"""The parameters of a chain of years from pixels of its maps, within limits that keep its meaning.

The tables are those of the maps' own probabilities: a map that says 0.8 is right in 8 of 10 pixels, as far as its
network is calibrated. So state 1 stays impervious ground whatever the pixels are, a year whose probabilities are less
sharp counts less, and a network that says more of everything in one year makes no growth. Freed tables were tried: they
fit the errors that return every year and lose the ground (docs/years.md).

The share of the first year, gain and loss come from EM (Baum-Welch; Rabiner 1989, section III-C,
doi:10.1109/5.18626; the expected steps within a gap of several years are exact). They are rates of one year, equal in
all years, and `loss` is at most `most_loss`. Persistence and renewal are those of a grid under which the pixels are
most probable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from isamap.inference.map_files.legend import PROB_STEPS
from isamap.inference.years.chain import IMPERVIOUS, STATES, YearChain, power
from isamap.inference.years.levels import LEVEL_OF, LEVELS
from isamap.inference.years.posterior import GROUNDS, Recursions, evidence, mean, recursions, total

MOST_LOSS = 0.005  # a year, of impervious ground: a guess, as ground that is sealed is seldom opened
# A guess that no city reaches: a fifth of its open ground in one year.
MOST_GAIN = 0.2
SMOOTHING = 1e-6  # of each table, so that no level is impossible
MOST_STEPS, LEAST_RISE = 60, 1e-6  # EM ends where the log likelihood of a pixel rises by less
FEW_STEPS = 3  # of EM at each point of the grid
# Closer together near 1: errors of one network mostly return.
PERSISTENCE = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.97, 0.985)
# Finer near 0: few pixels forget their rank where the sky is clear.
RENEWAL = (0.0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.3)
ROUNDS = 2  # over both axes of the grid


@dataclass(frozen=True)
class RateLimits:
    """What the rates keep to, in shares a year; ValueError where they cannot be kept.

    A gain that is never 0 lets ground become impervious in every period, however few pixels speak for it.
    """

    most_loss: float = MOST_LOSS
    most_gain: float = MOST_GAIN
    least_gain: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 <= self.most_loss <= 0.5:
            raise ValueError(f"--loss {self.most_loss}: expected a share of 0 (never back to pervious) to 0.5 a year")
        if not 0 < self.least_gain <= self.most_gain <= 0.45:
            raise ValueError(f"gain {self.least_gain} to {self.most_gain}: expected shares between 0 and 0.45 a year")


@dataclass(frozen=True)
class Patterns:
    """Different sequences of stored levels among pixels, and how many pixels show each.

    values_TP: (years, patterns) uint8, a stored value of each level (255 not known). weight_P: pixels. own_TSL: pixels
    that the maps' own probabilities give to each ground at each level, (years, 2, LEVELS).
    """

    years: tuple[int, ...]
    values_TP: np.ndarray
    weight_P: np.ndarray
    own_TSL: np.ndarray

    @classmethod
    def of(cls, share_TN: np.ndarray, years: Sequence[int]) -> Patterns:
        """The patterns of pixels' stored probabilities (years, N) uint8; pixels without any known year are left out."""
        level_TN = LEVEL_OF[share_TN]
        # A pixel that no year knows says nothing and would only pull the rates to their start.
        kept_N = (level_TN < LEVELS).any(axis=0)
        # Pixels repeat each other: EM runs over patterns, which are far fewer.
        patterns_TP, weight_P = np.unique(level_TN[:, kept_N], axis=1, return_counts=True)
        own_TSL = np.stack([_own(share_N, level_N) for share_N, level_N in zip(share_TN, level_TN, strict=True)])
        return cls(tuple(years), VALUE_OF[patterns_TP], weight_P.astype(np.float64), own_TSL)


def _own(share_N: np.ndarray, level_N: np.ndarray) -> np.ndarray:
    impervious_N = share_N / PROB_STEPS
    weights = [np.where(level_N < LEVELS, chance_N, 0) for chance_N in (1 - impervious_N, impervious_N)]
    return np.stack([np.bincount(level_N, weight_N, LEVELS + 1)[:LEVELS] for weight_N in weights])


VALUE_OF = np.array([int(np.flatnonzero(level == LEVEL_OF)[0]) for level in range(LEVELS + 1)], np.uint8)


@dataclass(frozen=True)
class RateEstimate:
    """A fitted chain; log_likelihood: of the pixels, by step of the last EM, which never falls."""

    chain: YearChain
    log_likelihood: tuple[float, ...]
    pixels: int


def fit(patterns: Patterns, limits: RateLimits | None = None) -> RateEstimate:
    """The chain under which the patterns are most probable, within the limits; ValueError where no pixel is known."""
    if not patterns.weight_P.sum():
        raise ValueError("no pixel of the maps is known in any year: give maps that overlap what they show")
    limits = limits or RateLimits()
    best, _ = em(_begin(patterns, limits), patterns, limits, FEW_STEPS)
    # Some steps before the grid, so that its points differ by their own value and not by the bad start.
    best, reached = em(best, patterns, limits, FEW_STEPS)
    for _ in range(ROUNDS if len(patterns.years) > 1 else 0):
        before = best
        # One axis at a time, twice: the whole grid would be 77 runs of EM.
        for value in PERSISTENCE:
            best, reached = _more_probable(best, reached, replace(best, persistence=value), patterns, limits)
        for value in RENEWAL:
            best, reached = _more_probable(best, reached, replace(best, renewal=value), patterns, limits)
        if (before.persistence, before.renewal) == (best.persistence, best.renewal):
            break
    chain, history = em(best, patterns, limits, MOST_STEPS)
    return RateEstimate(chain, tuple(history), int(patterns.weight_P.sum()))


def _more_probable(
    best: YearChain, reached: list[float], candidate: YearChain, patterns: Patterns, limits: RateLimits
) -> tuple[YearChain, list[float]]:
    """The candidate after some steps where it is more probable than the best so far, else the best."""
    if (candidate.persistence, candidate.renewal) == (best.persistence, best.renewal):
        return best, reached
    tried, history = em(candidate, patterns, limits, FEW_STEPS)
    return (tried, history) if history[-1] > reached[-1] else (best, reached)


def _begin(patterns: Patterns, limits: RateLimits) -> YearChain:
    """The maps' own tables and first share, small rates, and errors that mostly return."""
    counts_TS = patterns.own_TSL.sum(axis=2)
    # The first year that knows any pixel: the first map may be empty here.
    first_S = counts_TS[counts_TS.sum(axis=1) > 0][0]
    return YearChain(
        patterns.years,
        initial=float(np.clip(first_S[IMPERVIOUS] / first_S.sum(), 1e-4, 1 - 1e-4)),
        gain=min(max(0.01, limits.least_gain), limits.most_gain),
        loss=min(0.001, limits.most_loss),
        persistence=0.7,
        renewal=0.06,
        emission_TSL=own_tables(patterns.own_TSL),
    )


def own_tables(own_TSL: np.ndarray) -> np.ndarray:
    """Tables of the maps' own probabilities, never 0; a year without any known pixel has that of all years."""
    empty_T = own_TSL.sum(axis=(1, 2)) == 0
    counts_TSL = np.where(empty_T[:, None, None], own_TSL.sum(axis=0), own_TSL)
    # Relative to the year's pixels, so that a large map is smoothed no less than a small one.
    counts_TSL = counts_TSL + SMOOTHING * counts_TSL.sum(axis=(1, 2), keepdims=True)
    tables_TSL: np.ndarray = counts_TSL / counts_TSL.sum(axis=2, keepdims=True)
    return tables_TSL


def em(chain: YearChain, patterns: Patterns, limits: RateLimits, most_steps: int) -> tuple[YearChain, list[float]]:
    """The chain after some steps of EM on first share, gain and loss, and the log likelihood before each and after.

    It ends early where a pixel's log likelihood rises by less than LEAST_RISE.
    """
    seen_TSRP, history = evidence(patterns.values_TP, chain), []
    for _ in range(most_steps):
        both = recursions(seen_TSRP, chain)
        history.append(float(np.log(both.scale_TN).sum(axis=0) @ patterns.weight_P))
        if len(history) > 1 and history[-1] - history[-2] < LEAST_RISE * patterns.weight_P.sum():
            break
        chain = _better(chain, both, seen_TSRP, patterns.weight_P, limits)
    return chain, history


def _better(
    chain: YearChain, both: Recursions, seen_TSRP: np.ndarray, weight_P: np.ndarray, limits: RateLimits
) -> YearChain:
    """One step of EM: the rates that maximise the expected logarithm under the present chain, within the limits."""
    steps_SS = _expected_steps(chain, both, seen_TSRP, weight_P)
    gain, loss = (_rate(steps_SS[ground], 1 - ground) for ground in GROUNDS)
    return replace(
        chain,
        initial=float(both.impervious_TN[0] @ weight_P / weight_P.sum()),
        gain=min(max(gain, limits.least_gain), limits.most_gain),
        loss=min(loss, limits.most_loss),
    )


def _rate(steps_S: np.ndarray, onto: int) -> float:
    total = steps_S.sum()
    return float(steps_S[onto] / total) if total > 0 else 0.0


def _expected_steps(chain: YearChain, both: Recursions, seen_TSRP: np.ndarray, weight_P: np.ndarray) -> np.ndarray:
    """Expected number of steps of one year from ground to ground in all pixels, (2, 2)."""
    steps_SS = np.zeros((STATES, STATES))
    for year, gap in enumerate(chain.gaps):
        ahead_SRP = seen_TSRP[year + 1] * both.backward_TSRN[year + 1] * weight_P / both.scale_TN[year + 1]
        pairs_SS = np.empty((STATES, STATES))
        for ground in GROUNDS:
            from_RP = both.forward_TSRN[year, ground]
            pairs_SS[ground, ground] = (from_RP * ahead_SRP[ground]).sum()
            pairs_SS[ground, 1 - ground] = total(from_RP) @ mean(ahead_SRP[1 - ground])
        # The rank stays while the ground does and is drawn again when it changes: hence two kinds of sums above.
        pairs_SS *= chain.transitions_TSS[year]
        steps_SS += np.einsum("ij,ijab->ab", pairs_SS, _steps_within(chain.gain, chain.loss, gap))
    return steps_SS


def _steps_within(gain: float, loss: float, gap: int) -> np.ndarray:
    """Expected steps a to b of one year within a gap, given the ground at its ends: (2, 2, 2, 2) as [i, j, a, b]."""
    step_SS, total = power(gain, loss, 1), power(gain, loss, gap)[:, :, None, None]
    expected = np.zeros((STATES,) * 4)
    for before in range(gap):
        to_SS, from_SS = power(gain, loss, before), power(gain, loss, gap - 1 - before)
        expected += np.einsum("ia,ab,bj->ijab", to_SS, step_SS, from_SS)
    # An impossible gap has no steps, instead of 0 / 0.
    return np.divide(expected, total, out=np.zeros_like(expected), where=total > 0)
