"""The most probable history of each pixel (Viterbi): the sequence of grounds that explains all years at once."""

from __future__ import annotations

import numpy as np

from inference.years.chain import IMPERVIOUS, PERVIOUS, STATES, YearChain
from inference.years.posterior import GROUNDS, Evidence


def most_probable_path(seen: Evidence, chain: YearChain) -> np.ndarray:
    """The sequence of grounds with the greatest posterior of each pixel, uint8 (years, N); of equals the pervious one.

    Products are scaled by powers of two, which loses no bit, so that the same pixel has the same path in every cut.
    """
    years, pixels = seen.known_TN.shape
    from_TSSN = np.zeros((years, STATES, STATES, pixels), np.uint8)  # ground a year before
    last_TSN = np.zeros((years, STATES, pixels), np.uint8)  # last known ground before a known year
    score_SSN = np.zeros((STATES, STATES, pixels))
    score_SSN[PERVIOUS] = chain.start_S[:, None]
    for year, known_N in enumerate(seen.known_TN):
        if year:
            score_SSN, from_TSSN[year] = _stepped(score_SSN, chain.transitions_TSS[year - 1])
        score_SSN = score_SSN * seen.weight_TSSN[year]
        score_SSN, last_TSN[year] = _settled(score_SSN, known_N)
        score_SSN = np.ldexp(score_SSN, -np.frexp(score_SSN.max(axis=(0, 1)))[1])
    return _traced(score_SSN, from_TSSN, last_TSN, seen.known_TN)


def _stepped(score_SSN: np.ndarray, transition_SS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best scores of each ground a year later, by last known ground, and the ground they come from."""
    best_SSN = np.empty_like(score_SSN)
    from_SSN = np.empty(score_SSN.shape, np.uint8)
    for ground in GROUNDS:
        stay_SN, rise_SN = (score_SSN[:, former] * transition_SS[former, ground] for former in GROUNDS)
        from_SSN[:, ground] = rise_SN > stay_SN
        best_SSN[:, ground] = np.maximum(stay_SN, rise_SN)
    return best_SSN, from_SSN


def _settled(score_SSN: np.ndarray, known_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the year is known, the better last ground of each present one, which becomes the last itself."""
    last_SN = (score_SSN[IMPERVIOUS] > score_SSN[PERVIOUS]).astype(np.uint8)
    best_SN = score_SSN.max(axis=0)
    settled_SSN = np.where(known_N, 0, score_SSN)
    for ground in GROUNDS:
        settled_SSN[ground, ground] = np.where(known_N, best_SN[ground], settled_SSN[ground, ground])
    return settled_SSN, last_SN


def _traced(score_SSN: np.ndarray, from_TSSN: np.ndarray, last_TSN: np.ndarray, known_TN: np.ndarray) -> np.ndarray:
    """The grounds from the last year back."""
    years, pixels = known_TN.shape
    every_N = np.arange(pixels)
    best_N = score_SSN.transpose(1, 0, 2).reshape(STATES * STATES, pixels).argmax(axis=0)
    ground_N, last_N = best_N // STATES, best_N % STATES
    path_TN = np.empty((years, pixels), np.uint8)
    for year in range(years - 1, -1, -1):
        path_TN[year] = ground_N
        last_N = np.where(known_TN[year], last_TSN[year, ground_N, every_N], last_N)
        ground_N = from_TSSN[year, last_N, ground_N, every_N]
    return path_TN
