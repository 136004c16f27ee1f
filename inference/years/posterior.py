"""What a chain of years concludes of pixels: probabilities by year, the consistent path, first year and growth.

Every number of a pixel comes from that pixel alone, by the same multiplications and additions wherever it lies in an
array, so a map that is cut in another way has the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.years.chain import IMPERVIOUS, PERVIOUS, STATES, YearChain


@dataclass(frozen=True)
class Recursions:
    """Forward and backward values of pixels, scaled so that their product is the posterior, each (years, 2, N).

    scale_TN: probability of each year's value given the former ones; its product is the pixel's likelihood.
    """

    forward_TSN: np.ndarray
    backward_TSN: np.ndarray
    scale_TN: np.ndarray

    @property
    def posterior_TSN(self) -> np.ndarray:
        """Probability of each ground in each year given all years; sums to 1 over the grounds."""
        return self.forward_TSN * self.backward_TSN


def recursions(likelihood_TSN: np.ndarray, start_S: np.ndarray, transitions_TSS: np.ndarray) -> Recursions:
    """The scaled forward-backward recursions (Rabiner 1989, section V-A) of N pixels.

    likelihood_TSN: of what is seen in each year on each ground; 1 on both where nothing is seen.
    """
    forward_TSN, scale_TN = _forward(likelihood_TSN, start_S, transitions_TSS)
    backward_TSN = np.ones_like(forward_TSN)
    for year in range(len(likelihood_TSN) - 2, -1, -1):
        ahead_SN = likelihood_TSN[year + 1] * backward_TSN[year + 1] / scale_TN[year + 1]
        for state in range(STATES):
            to = transitions_TSS[year, state]
            backward_TSN[year, state] = to[PERVIOUS] * ahead_SN[PERVIOUS] + to[IMPERVIOUS] * ahead_SN[IMPERVIOUS]
    return Recursions(forward_TSN, backward_TSN, scale_TN)


def _forward(
    likelihood_TSN: np.ndarray, start_S: np.ndarray, transitions_TSS: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    forward_TSN = np.empty_like(likelihood_TSN)
    scale_TN = np.empty_like(likelihood_TSN[:, 0])
    for year, seen_SN in enumerate(likelihood_TSN):
        for state in range(STATES):
            if year == 0:
                before_N = start_S[state]
            else:
                onto, former_SN = transitions_TSS[year - 1, :, state], forward_TSN[year - 1]
                before_N = onto[PERVIOUS] * former_SN[PERVIOUS] + onto[IMPERVIOUS] * former_SN[IMPERVIOUS]
            forward_TSN[year, state] = before_N * seen_SN[state]
        scale_TN[year] = forward_TSN[year, PERVIOUS] + forward_TSN[year, IMPERVIOUS]
        forward_TSN[year] /= scale_TN[year]
    return forward_TSN, scale_TN


def seen(shares_TN: np.ndarray, chain: YearChain) -> np.ndarray:
    """Likelihoods of stored probabilities (years, N) uint8 on each ground, (years, 2, N)."""
    table_TSV = chain.likelihood_TSV
    return np.stack([table_SV[:, share_N] for table_SV, share_N in zip(table_TSV, shares_TN, strict=True)])


def most_probable_path(shares_TN: np.ndarray, chain: YearChain) -> np.ndarray:
    """The most probable sequence of grounds of each pixel (Viterbi), uint8 (years, N); of equals the pervious one.

    shares_TN: stored probabilities of the maps, uint8, 255 where not known.
    """
    with np.errstate(divide="ignore"):  # what cannot be has the logarithm -inf
        steps_TSS, start_S = np.log(chain.transitions_TSS), np.log(chain.start_S)
        table_TSV = np.log(chain.likelihood_TSV)  # of the table, so that a pixel's logarithm is the same everywhere
    score_SN = start_S[:, None] + table_TSV[0][:, shares_TN[0]]
    came_TSN = np.zeros((len(shares_TN), STATES, shares_TN.shape[1]), np.uint8)
    for year in range(1, len(shares_TN)):
        onto_SSN = score_SN[:, None, :] + steps_TSS[year - 1][:, :, None]
        came_TSN[year] = onto_SSN[IMPERVIOUS] > onto_SSN[PERVIOUS]
        score_SN = np.maximum(onto_SSN[PERVIOUS], onto_SSN[IMPERVIOUS]) + table_TSV[year][:, shares_TN[year]]
    path_TN = np.empty(shares_TN.shape, np.uint8)
    path_TN[-1] = score_SN[IMPERVIOUS] > score_SN[PERVIOUS]
    for year in range(len(path_TN) - 1, 0, -1):
        path_TN[year - 1] = np.where(path_TN[year], came_TSN[year, IMPERVIOUS], came_TSN[year, PERVIOUS])
    return path_TN


@dataclass(frozen=True)
class Histories:
    """Probabilities of whole histories of pixels given all years.

    onset_KN: (years + 1, N), that the first impervious year is each year; last row: in none of the years.
    growth_KN: (years + 2, N), that the pixel is impervious from each year on and pervious before (first row: in all
    years; row `years`: in none); last row: any history that goes back to pervious.
    """

    onset_KN: np.ndarray
    growth_KN: np.ndarray


def histories(likelihood_TSN: np.ndarray, chain: YearChain, both: Recursions) -> Histories:
    """The exact probabilities of first impervious years and of histories without a way back."""
    pervious_TN = _pervious_until(likelihood_TSN, chain, both.scale_TN)
    impervious_TN = _impervious_from(likelihood_TSN, chain, both.scale_TN)
    never_TN = pervious_TN * both.backward_TSN[:, PERVIOUS]  # pervious in this year and all before it
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


def _pervious_until(likelihood_TSN: np.ndarray, chain: YearChain, scale_TN: np.ndarray) -> np.ndarray:
    """Scaled probability of what is seen up to each year and of pervious ground in all of these years."""
    until_TN = np.empty_like(scale_TN)
    until_TN[0] = chain.start_S[PERVIOUS] * likelihood_TSN[0, PERVIOUS] / scale_TN[0]
    for year in range(1, len(scale_TN)):
        stays = chain.transitions_TSS[year - 1, PERVIOUS, PERVIOUS]
        until_TN[year] = until_TN[year - 1] * stays * likelihood_TSN[year, PERVIOUS] / scale_TN[year]
    return until_TN


def _impervious_from(likelihood_TSN: np.ndarray, chain: YearChain, scale_TN: np.ndarray) -> np.ndarray:
    """Scaled probability of what is seen from each year on and of impervious ground in all of these years."""
    from_TN = likelihood_TSN[:, IMPERVIOUS] / scale_TN
    for year in range(len(scale_TN) - 2, -1, -1):
        stays = chain.transitions_TSS[year, IMPERVIOUS, IMPERVIOUS]
        from_TN[year] = from_TN[year] * stays * from_TN[year + 1]
    return from_TN


def quantile(onset_KN: np.ndarray, probability: float) -> np.ndarray:
    """The first row up to which the probabilities sum to at least `probability`, uint8 (N,)."""
    below_N, total_N = np.zeros(onset_KN.shape[1], np.uint8), np.zeros(onset_KN.shape[1])
    for share_N in onset_KN[:-1]:
        total_N = total_N + share_N
        below_N += total_N < probability
    return below_N
