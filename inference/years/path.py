"""The most probable history of each pixel: the sequence of grounds that explains all years at once.

Viterbi's recursion (Rabiner 1989, section III-B) over stretches of equal ground: a stretch sums over the ranks that the
pixel may have kept in it, so the path is the most probable sequence of grounds whatever the ranks are.
"""

from __future__ import annotations

import numpy as np

from inference.years.chain import IMPERVIOUS, PERVIOUS, RANK_SHARES, STATES, YearChain
from inference.years.posterior import GROUNDS, total


def most_probable_path(seen_TSRN: np.ndarray, chain: YearChain) -> np.ndarray:
    """The sequence of grounds with the greatest posterior of each pixel, uint8 (years, N); of equals the longer stay.

    Levels are scaled by powers of two, which loses no bit, so that the same pixel has the same path in every cut.
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
