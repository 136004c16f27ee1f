"""What a chain of years concludes of pixels: probabilities by year, the consistent path, first year and growth.

Every number of a pixel comes from that pixel alone, by the same multiplications and additions wherever it lies in an
array, so a map that is cut in another way has the same bytes. Sums over ranks are therefore written out (`total`):
NumPy's own may add in another order in an array of another shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isamap.inference.years.chain import IMPERVIOUS, PERVIOUS, RANK_SHARES, RANKS, STATES, YearChain
from isamap.inference.years.levels import LEVEL_OF

GROUNDS = (PERVIOUS, IMPERVIOUS)


def evidence(share_TN: np.ndarray, chain: YearChain) -> np.ndarray:
    """How probable each year's level is by ground and rank, (years, 2, RANKS, N); 1 where the year is not known.

    share_TN: stored probabilities (years, N) uint8, 255 where not known.
    """
    table_TSRL = np.concatenate([chain.ranked_TSRL, np.ones((len(share_TN), STATES, RANKS, 1))], axis=3)
    level_TN = LEVEL_OF[share_TN]  # LEVELS where not known
    return np.stack([table_SRL[:, :, level_N] for table_SRL, level_N in zip(table_TSRL, level_TN, strict=True)])


def total(values_RN: np.ndarray) -> np.ndarray:
    """The sum over ranks, in the order of the ranks."""
    sum_N = values_RN[0]
    for value_N in values_RN[1:]:
        sum_N = sum_N + value_N
    return sum_N


def mean(values_RN: np.ndarray) -> np.ndarray:
    """The mean over ranks by their shares, for pixels of which any rank is possible."""
    return total(values_RN * RANK_SHARES[:, None])


@dataclass(frozen=True)
class Recursions:
    """Forward and backward values of pixels by year, ground and rank, scaled so that their product is the posterior.

    forward_TSRN, backward_TSRN: (years, 2, RANKS, N). scale_TN: probability of each year's level given the former ones;
    its product is the pixel's likelihood.
    """

    forward_TSRN: np.ndarray
    backward_TSRN: np.ndarray
    scale_TN: np.ndarray

    @property
    def impervious_TN(self) -> np.ndarray:
        """Probability of impervious ground in each year given all years."""
        both_TRN = self.forward_TSRN[:, IMPERVIOUS] * self.backward_TSRN[:, IMPERVIOUS]
        return np.stack([total(both_RN) for both_RN in both_TRN])


def recursions(seen_TSRN: np.ndarray, chain: YearChain) -> Recursions:
    """The scaled forward-backward recursions (Rabiner 1989, section V-A).

    On the same ground a pixel keeps its rank; where the ground changes, it takes any rank by RANK_SHARES.
    """
    forward_TSRN, scale_TN = _forward(seen_TSRN, chain)
    backward_TSRN = np.ones_like(forward_TSRN)
    for year in range(len(scale_TN) - 2, -1, -1):
        ahead_SRN = seen_TSRN[year + 1] * backward_TSRN[year + 1] / scale_TN[year + 1]
        any_SN = np.stack([mean(ahead_SRN[ground]) for ground in GROUNDS])
        for ground in GROUNDS:
            to_S = chain.transitions_TSS[year, ground]
            backward_TSRN[year, ground] = to_S[ground] * ahead_SRN[ground] + to_S[1 - ground] * any_SN[1 - ground]
    return Recursions(forward_TSRN, backward_TSRN, scale_TN)


def _forward(seen_TSRN: np.ndarray, chain: YearChain) -> tuple[np.ndarray, np.ndarray]:
    forward_TSRN = np.empty_like(seen_TSRN)
    scale_TN = np.empty((len(seen_TSRN), seen_TSRN.shape[3]))
    for year, seen_SRN in enumerate(seen_TSRN):
        for ground in GROUNDS:
            if year == 0:
                forward_TSRN[year, ground] = chain.start_S[ground] * RANK_SHARES[:, None] * seen_SRN[ground]
            else:
                onto_S, former_SRN = chain.transitions_TSS[year - 1, :, ground], forward_TSRN[year - 1]
                changed_N = onto_S[1 - ground] * total(former_SRN[1 - ground])
                come_RN = onto_S[ground] * former_SRN[ground] + changed_N * RANK_SHARES[:, None]
                forward_TSRN[year, ground] = come_RN * seen_SRN[ground]
        scale_TN[year] = total(forward_TSRN[year, PERVIOUS]) + total(forward_TSRN[year, IMPERVIOUS])
        # Scaled year by year: products of many small probabilities would run below the smallest double.
        forward_TSRN[year] /= scale_TN[year]
    return forward_TSRN, scale_TN


@dataclass(frozen=True)
class Histories:
    """Probabilities of whole histories of pixels given all years.

    onset_KN: (years + 1, N), that the first impervious year is each year; last row: in none of the years.
    growth_KN: (years + 2, N), that the pixel is impervious from each year on and pervious before (first row: in all
    years; row `years`: in none); last row: any history that goes back to pervious.
    """

    onset_KN: np.ndarray
    growth_KN: np.ndarray


def histories(seen_TSRN: np.ndarray, chain: YearChain, both: Recursions) -> Histories:
    """The exact probabilities of first impervious years and of histories without a way back."""
    pervious_TRN = _pervious_until(seen_TSRN, chain, both.scale_TN)
    impervious_TN = _impervious_from(seen_TSRN, chain, both.scale_TN)
    # pervious in a year and all before it, whatever comes after
    never_TRN = pervious_TRN * both.backward_TSRN[:, PERVIOUS]
    never_TN = np.stack([total(never_RN) for never_RN in never_TRN])
    before_TN = np.concatenate([np.ones_like(never_TN[:1]), never_TN])
    # Never below 0: the two are nearly equal where nothing begins, and rounding decides their sign.
    onset_KN = np.concatenate([np.maximum(before_TN[:-1] - before_TN[1:], 0), never_TN[-1:]])
    rises_T = chain.transitions_TSS[:, PERVIOUS, IMPERVIOUS]
    growth = [chain.start_S[IMPERVIOUS] * impervious_TN[0]]
    growth += [total(pervious_TRN[k]) * rises_T[k] * impervious_TN[k + 1] for k in range(len(rises_T))]
    growth.append(never_TN[-1])
    return Histories(onset_KN, np.stack([*growth, np.maximum(1 - total(np.stack(growth)), 0)]))


def _pervious_until(seen_TSRN: np.ndarray, chain: YearChain, scale_TN: np.ndarray) -> np.ndarray:
    """Scaled probability of what is seen up to each year and of pervious ground in all of these years, by rank."""
    until_TRN = seen_TSRN[:, PERVIOUS] / scale_TN[:, None]
    until_TRN[0] *= chain.start_S[PERVIOUS] * RANK_SHARES[:, None]
    for year in range(1, len(scale_TN)):
        until_TRN[year] *= until_TRN[year - 1] * chain.transitions_TSS[year - 1, PERVIOUS, PERVIOUS]
    return until_TRN


def _impervious_from(seen_TSRN: np.ndarray, chain: YearChain, scale_TN: np.ndarray) -> np.ndarray:
    """Scaled probability of what is seen from each year on, where impervious ground begins in it and stays."""
    from_TRN = seen_TSRN[:, IMPERVIOUS] / scale_TN[:, None]
    for year in range(len(scale_TN) - 2, -1, -1):
        from_TRN[year] *= from_TRN[year + 1] * chain.transitions_TSS[year, IMPERVIOUS, IMPERVIOUS]
    return np.stack([mean(from_RN) for from_RN in from_TRN])


def quantile(onset_KN: np.ndarray, probability: float) -> np.ndarray:
    """The first row up to which the probabilities sum to at least `probability`, uint8 (N,)."""
    below_N, total_N = np.zeros(onset_KN.shape[1], np.uint8), np.zeros(onset_KN.shape[1])
    for share_N in onset_KN[:-1]:
        total_N = total_N + share_N
        below_N += total_N < probability
    return below_N


def most_probable_path(seen_TSRN: np.ndarray, chain: YearChain) -> np.ndarray:
    """The sequence of grounds with the greatest posterior of each pixel, uint8 (years, N); of equals the longer stay.

    Viterbi's recursion (Rabiner 1989, section III-B) over stretches of equal ground: a stretch sums over the ranks that
    the pixel may have kept in it, so the path is the most probable sequence of grounds whatever the ranks are. Levels
    are scaled by powers of two, which loses no bit, so that the same pixel has the same path in every cut.
    """
    years, pixels = len(seen_TSRN), seen_TSRN.shape[3]
    scaled_TSRN = np.ldexp(seen_TSRN, -np.frexp(seen_TSRN.max(axis=(1, 2)))[1][:, None, None])
    best_TSN = np.zeros((years, STATES, pixels))  # of histories whose last stretch is on a ground and reaches a year
    begin_TSN = np.zeros((years, STATES, pixels), np.int16)  # the year in which that stretch begins
    for begin in range(years):
        for ground in GROUNDS:
            if begin == 0:
                before_N = np.full(pixels, chain.start_S[ground])
            else:
                before_N = best_TSN[begin - 1, 1 - ground] * chain.transitions_TSS[begin - 1, 1 - ground, ground]
            stretch_RN = before_N * RANK_SHARES[:, None]
            for year in range(begin, years):
                stays = 1.0 if year == begin else chain.transitions_TSS[year - 1, ground, ground]
                stretch_RN = stays * stretch_RN * scaled_TSRN[year, ground]
                score_N = total(stretch_RN)
                better_N = score_N > best_TSN[year, ground]
                best_TSN[year, ground] = np.where(better_N, score_N, best_TSN[year, ground])
                begin_TSN[year, ground] = np.where(better_N, begin, begin_TSN[year, ground])
    return _traced(best_TSN[-1], begin_TSN)


def _traced(best_SN: np.ndarray, begin_TSN: np.ndarray) -> np.ndarray:
    """The grounds from the last year back, stretch by stretch."""
    ground_N = (best_SN[IMPERVIOUS] > best_SN[PERVIOUS]).astype(np.uint8)
    every_N = np.arange(len(ground_N))
    begin_N = begin_TSN[-1, ground_N, every_N]
    path_TN = np.empty((len(begin_TSN), len(ground_N)), np.uint8)
    for year in range(len(begin_TSN) - 1, -1, -1):
        ends_N = begin_N > year  # the stretch after this year begins in the next one
        ground_N = np.where(ends_N, 1 - ground_N, ground_N).astype(np.uint8)
        begin_N = np.where(ends_N, begin_TSN[year, ground_N, every_N], begin_N)
        path_TN[year] = ground_N
    return path_TN
