"""What a chain of years concludes of pixels: probabilities by year, the consistent path, first year and growth.

A level depends on the ground at the last year in which the pixel was known, so the recursions carry two grounds: that
one (`last`, which comes first in the arrays) and the present one. Until a pixel is known for the first time, `last` is
kept at pervious and has no effect.

Every number of a pixel comes from that pixel alone, by the same multiplications and additions wherever it lies in an
array, so a map that is cut in another way has the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.years.chain import IMPERVIOUS, PERVIOUS, STATES, YearChain
from inference.years.levels import LEVEL_OF, LEVELS

GROUNDS = (PERVIOUS, IMPERVIOUS)


@dataclass(frozen=True)
class Evidence:
    """What the maps say of N pixels: whether each year is known, and how probable its level is.

    weight_TSSN: probability of the level by year, ground at the last known year, and present ground; 1 where not known.
    """

    known_TN: np.ndarray
    weight_TSSN: np.ndarray


def evidence(share_TN: np.ndarray, chain: YearChain) -> Evidence:
    """The evidence of stored probabilities (years, N) uint8, 255 where not known."""
    level_TN = LEVEL_OF[share_TN]
    known_TN = level_TN < LEVELS
    weight_TSSN = np.ones((len(share_TN), STATES, STATES, share_TN.shape[1]))
    former_N = np.full(share_TN.shape[1], -1)
    before_N = np.zeros(share_TN.shape[1], np.uint8)
    for year, (level_N, known_N) in enumerate(zip(level_TN, known_TN, strict=True)):
        shown_N = np.where(known_N, level_N, 0)
        for ground in GROUNDS:
            alone_N = chain.emission_TSL[year, ground, shown_N]
            same_N = chain.repeated_TTSLL[year, np.maximum(former_N, 0), ground, before_N, shown_N]
            weight_TSSN[year, ground, ground] = np.where(known_N, np.where(former_N >= 0, same_N, alone_N), 1)
            weight_TSSN[year, 1 - ground, ground] = np.where(known_N, alone_N, 1)
        former_N, before_N = np.where(known_N, year, former_N), np.where(known_N, level_N, before_N)
    return Evidence(known_TN, weight_TSSN)


@dataclass(frozen=True)
class Recursions:
    """Forward and backward values of pixels by year, last known ground and present ground, scaled: (years, 2, 2, N).

    scale_TN: probability of each year's level given the former ones; its product is the pixel's likelihood.
    """

    forward_TSSN: np.ndarray
    backward_TSSN: np.ndarray
    scale_TN: np.ndarray

    @property
    def posterior_TSN(self) -> np.ndarray:
        """Probability of each ground in each year given all years; sums to 1 over the grounds, (years, 2, N)."""
        both_TSSN = self.forward_TSSN * self.backward_TSSN
        posterior_TSN: np.ndarray = both_TSSN[:, PERVIOUS] + both_TSSN[:, IMPERVIOUS]
        return posterior_TSN


def recursions(seen: Evidence, chain: YearChain) -> Recursions:
    """The scaled forward-backward recursions (Rabiner 1989, section V-A)."""
    forward_TSSN, scale_TN = _forward(seen, chain)
    backward_TSSN = np.ones_like(forward_TSSN)
    for year in range(len(scale_TN) - 2, -1, -1):
        ahead_SSN = after(seen, backward_TSSN[year + 1], year + 1) / scale_TN[year + 1]
        for ground in GROUNDS:
            to_S = chain.transitions_TSS[year, ground]
            backward_TSSN[year, :, ground] = to_S[PERVIOUS] * ahead_SSN[:, PERVIOUS]
            backward_TSSN[year, :, ground] += to_S[IMPERVIOUS] * ahead_SSN[:, IMPERVIOUS]
    return Recursions(forward_TSSN, backward_TSSN, scale_TN)


def after(seen: Evidence, backward_SSN: np.ndarray, year: int) -> np.ndarray:
    """Weight of a year's level and all later ones, by last known ground before the year and ground in it."""
    known_N = seen.known_TN[year]
    values_SSN = np.empty_like(backward_SSN)
    for ground in GROUNDS:
        for last in GROUNDS:
            later_N = np.where(known_N, backward_SSN[ground, ground], backward_SSN[last, ground])
            values_SSN[last, ground] = seen.weight_TSSN[year, last, ground] * later_N
    return values_SSN


def _forward(seen: Evidence, chain: YearChain) -> tuple[np.ndarray, np.ndarray]:
    forward_TSSN = np.empty_like(seen.weight_TSSN)
    scale_TN = np.empty(seen.known_TN.shape)
    for year, known_N in enumerate(seen.known_TN):
        come_SSN = np.zeros_like(forward_TSSN[0])
        for ground in GROUNDS:
            if year == 0:
                come_SSN[PERVIOUS, ground] = chain.start_S[ground]
            else:
                onto_S, former_SSN = chain.transitions_TSS[year - 1, :, ground], forward_TSSN[year - 1]
                come_SSN[:, ground] = onto_S[PERVIOUS] * former_SSN[:, PERVIOUS]
                come_SSN[:, ground] += onto_S[IMPERVIOUS] * former_SSN[:, IMPERVIOUS]
        come_SSN *= seen.weight_TSSN[year]
        forward_TSSN[year] = _settled(come_SSN, known_N)
        scale_TN[year] = come_SSN[0, 0] + come_SSN[0, 1] + (come_SSN[1, 0] + come_SSN[1, 1])
        forward_TSSN[year] /= scale_TN[year]
    return forward_TSSN, scale_TN


def _settled(come_SSN: np.ndarray, known_N: np.ndarray) -> np.ndarray:
    """Where the year is known, the present ground becomes the last known one."""
    settled_SSN = np.where(known_N, 0, come_SSN)
    for ground in GROUNDS:
        both_N = come_SSN[PERVIOUS, ground] + come_SSN[IMPERVIOUS, ground]
        settled_SSN[ground, ground] = np.where(known_N, both_N, settled_SSN[ground, ground])
    return settled_SSN


@dataclass(frozen=True)
class Histories:
    """Probabilities of whole histories of pixels given all years.

    onset_KN: (years + 1, N), that the first impervious year is each year; last row: in none of the years.
    growth_KN: (years + 2, N), that the pixel is impervious from each year on and pervious before (first row: in all
    years; row `years`: in none); last row: any history that goes back to pervious.
    """

    onset_KN: np.ndarray
    growth_KN: np.ndarray


def histories(seen: Evidence, chain: YearChain, both: Recursions) -> Histories:
    """The exact probabilities of first impervious years and of histories without a way back."""
    pervious_TN = _pervious_until(seen, chain, both.scale_TN)
    impervious_TN = _impervious_from(seen, chain, both.scale_TN)
    never_TN = pervious_TN * both.backward_TSSN[:, PERVIOUS, PERVIOUS]  # pervious in this year and all before it
    before_TN = np.concatenate([np.ones_like(never_TN[:1]), never_TN])
    onset_KN = np.concatenate([np.maximum(before_TN[:-1] - before_TN[1:], 0), never_TN[-1:]])
    rises_T = chain.transitions_TSS[:, PERVIOUS, IMPERVIOUS]
    growth = [chain.start_S[IMPERVIOUS] * impervious_TN[0]]
    growth += [pervious_TN[k] * rises_T[k] * impervious_TN[k + 1] for k in range(len(rises_T))]
    growth.append(pervious_TN[-1])
    total_N = growth[0]
    for share_N in growth[1:]:
        total_N = total_N + share_N
    return Histories(onset_KN, np.stack([*growth, np.maximum(1 - total_N, 0)]))


def _pervious_until(seen: Evidence, chain: YearChain, scale_TN: np.ndarray) -> np.ndarray:
    """Scaled probability of what is seen up to each year and of pervious ground in all of these years."""
    weight_TN = seen.weight_TSSN[:, PERVIOUS, PERVIOUS] / scale_TN
    until_TN = np.empty_like(scale_TN)
    until_TN[0] = chain.start_S[PERVIOUS] * weight_TN[0]
    for year in range(1, len(scale_TN)):
        until_TN[year] = until_TN[year - 1] * chain.transitions_TSS[year - 1, PERVIOUS, PERVIOUS] * weight_TN[year]
    return until_TN


def _impervious_from(seen: Evidence, chain: YearChain, scale_TN: np.ndarray) -> np.ndarray:
    """Scaled probability of what is seen from each year on and of impervious ground since, pervious before."""
    from_TSN = seen.weight_TSSN[:, :, IMPERVIOUS] / scale_TN[:, None]  # by last known ground
    for year in range(len(scale_TN) - 2, -1, -1):
        stays, later_SN = chain.transitions_TSS[year, IMPERVIOUS, IMPERVIOUS], from_TSN[year + 1]
        from_TSN[year] *= stays * np.where(seen.known_TN[year], later_SN[IMPERVIOUS], later_SN)
    return from_TSN[:, PERVIOUS]


def quantile(onset_KN: np.ndarray, probability: float) -> np.ndarray:
    """The first row up to which the probabilities sum to at least `probability`, uint8 (N,)."""
    below_N, total_N = np.zeros(onset_KN.shape[1], np.uint8), np.zeros(onset_KN.shape[1])
    for share_N in onset_KN[:-1]:
        total_N = total_N + share_N
        below_N += total_N < probability
    return below_N
