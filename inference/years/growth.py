"""What the years say of each pixel as layers: first impervious year, its earliest and latest, and growth classes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.years.chain import YearChain
from isamap.inference.years.levels import LEVEL_OF, LEVELS
from isamap.inference.years.posterior import evidence, histories, most_probable_path, quantile, recursions

INTERVAL = (0.05, 0.95)  # the earliest and the latest year hold 90 % of the probability between them
CERTAIN = 0.5  # a history is named where it is more probable than all others together
PIXELS = 1 << 13  # filtered at once: about 5 MB a year of maps

# Viridis: its order can be read in grey and by the colour-blind.
FIRST_COLOURS = ("440154", "46327e", "365c8d", "277f8e", "1fa187", "4ac16d", "a0da39", "fde725")
STABLE_PERVIOUS, STABLE_IMPERVIOUS, REVERTED, UNCERTAIN = "d9d9d9", "4d4d4d", "3d85c6", "b58ad6"
# Dark to light as the years go, like the first years' scale: both layers read alike.
GROWTH_COLOURS = ("7f0000", "d7301f", "fc8d59", "fdcc8a")


@dataclass(frozen=True)
class Filtered:
    """What the filter says of N pixels; every array is uint8 and 255 where no year knows the pixel.

    class_TN: the most probable path; share_TN: round(254 p) of impervious. first_N: number of the first impervious year
    of the path, counted from 1, 0 for none; earliest_N and latest_N: the same at the bounds of INTERVAL. growth_N:
    value of `growth_names`. expected_TN: probability of impervious, float64, NaN where unknown.
    """

    class_TN: np.ndarray
    share_TN: np.ndarray
    first_N: np.ndarray
    earliest_N: np.ndarray
    latest_N: np.ndarray
    growth_N: np.ndarray
    expected_TN: np.ndarray


def filtered(share_TN: np.ndarray, chain: YearChain) -> Filtered:
    """The filter's result for stored probabilities (years, N) uint8; the same for a pixel in every cut.

    Pixels of the same levels become the same, so each sequence of levels is filtered once.
    """
    first_P, pattern_N = _patterns(share_TN)
    share_TP = share_TN[:, first_P]
    pieces = [_filtered(share_TP[:, at : at + PIXELS], chain) for at in range(0, len(first_P), PIXELS)]
    return Filtered(
        *(
            np.concatenate([getattr(piece, name) for piece in pieces], axis=-1)[..., pattern_N]
            for name in Filtered.__annotations__
        )
    )


def _patterns(share_TN: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A pixel of each sequence of levels, and the number of every pixel's sequence."""
    number_N = np.zeros(share_TN.shape[1], np.int64)
    for level_N in LEVEL_OF[share_TN]:
        if number_N.max() > np.iinfo(np.int64).max // (LEVELS + 2):  # of many years: numbers begin again from 0
            number_N = np.unique(number_N, return_inverse=True)[1]
        number_N = number_N * (LEVELS + 1) + level_N
    _, first_P, pattern_N = np.unique(number_N, return_index=True, return_inverse=True)
    return first_P, pattern_N


def _filtered(share_TN: np.ndarray, chain: YearChain) -> Filtered:
    known_N = (share_TN != UNKNOWN).any(axis=0)
    seen_TSRN = evidence(share_TN, chain)
    both = recursions(seen_TSRN, chain)
    chances = histories(seen_TSRN, chain, both)
    impervious_TN = both.impervious_TN
    # Classes come from the path: year by year, the likeliest grounds may form an impossible history.
    path_TN = most_probable_path(seen_TSRN, chain)

    def shown(values: np.ndarray) -> np.ndarray:
        return np.where(known_N, values, UNKNOWN).astype(np.uint8)

    return Filtered(
        class_TN=shown(path_TN),
        share_TN=shown(np.rint(254 * np.clip(impervious_TN, 0, 1))),
        # argmax of no True is 0 too, so a path that is never impervious is asked for first.
        first_N=shown(np.where(path_TN.any(axis=0), path_TN.argmax(axis=0) + 1, 0)),
        earliest_N=shown(_numbered(quantile(chances.onset_KN, INTERVAL[0]), len(path_TN))),
        latest_N=shown(_numbered(quantile(chances.onset_KN, INTERVAL[1]), len(path_TN))),
        growth_N=shown(_growth(chances.growth_KN)),
        expected_TN=np.where(known_N, impervious_TN, np.nan),
    )


def _numbered(row_N: np.ndarray, years: int) -> np.ndarray:
    """The rows of first years counted from 1; that of none becomes 0."""
    return np.where(row_N == years, 0, row_N + 1)


def _growth(growth_KN: np.ndarray) -> np.ndarray:
    """The growth class of the history that is more probable than all others together, else uncertain."""
    years = len(growth_KN) - 2
    # Stable classes before growth, as the legend lists them.
    value_K = np.array([1, *range(2, years + 1), 0, years + 1])
    row_N = growth_KN.argmax(axis=0)
    certain_N = np.take_along_axis(growth_KN, row_N[None], axis=0)[0] > CERTAIN
    return np.where(certain_N, value_K[row_N], years + 2)


def first_names(years: Sequence[int]) -> tuple[str, ...]:
    """Names of the values of a layer of first years: 0 none, then by year; ground was built after the year before."""
    spans = [_span(former + 1, later) for former, later in itertools.pairwise(years)]
    return ("pervious in all years", f"{years[0]} or before", *spans)


def growth_names(years: Sequence[int]) -> tuple[str, ...]:
    """Names of the values of the layer of growth."""
    spans = [f"growth {_span(former + 1, later)}" for former, later in itertools.pairwise(years)]
    return ("stable pervious", "stable impervious", *spans, "impervious and back", "uncertain")


def first_colours(years: Sequence[int]) -> tuple[str, ...]:
    """RRGGBB of the layer of first years: grey, then from dark to light with the years."""
    return (STABLE_PERVIOUS, *spread(FIRST_COLOURS, len(years)))


def growth_colours(years: Sequence[int]) -> tuple[str, ...]:
    """RRGGBB of the layer of growth: grey, dark grey, from dark to light red with the periods, blue, violet."""
    return (STABLE_PERVIOUS, STABLE_IMPERVIOUS, *spread(GROWTH_COLOURS, len(years) - 1), REVERTED, UNCERTAIN)


def spread(colours: Sequence[str], count: int) -> tuple[str, ...]:
    """So many colours of a scale, its ends included, mixed between those that it names."""
    stops_KC = np.array([list(bytes.fromhex(colour)) for colour in colours], float)
    places = np.linspace(0, len(colours) - 1, count)
    mixed_NC = np.stack([np.interp(places, np.arange(len(colours)), stops_C) for stops_C in stops_KC.T], axis=1)
    return tuple(bytes(np.rint(colour).astype(np.uint8)).hex() for colour in mixed_NC)


def _span(first: int, last: int) -> str:
    return str(last) if first == last else f"{first} to {last}"
