"""The hidden Markov chain of a pixel's years: pervious or impervious ground, seen through probabilities of maps.

Ground is pervious (0) or impervious (1). In a year, `gain` of the pervious ground becomes impervious and `loss` of the
impervious becomes pervious; over a gap of several years these rates are compounded. A map of a year shows one of LEVELS
levels, by a table of that year (`emission`). A year in which a pixel is not known says nothing of it.

Maps of one network err alike in every year: a pixel that is half roof stays half roof. So each pixel has a rank on its
ground, which it keeps until the ground changes: one of RANKS, from the pixels that look least impervious to those that
look most so. Levels of two years on the same ground are correlated by `persistence` (a Gaussian copula with one
factor), and in a share `renewal` of the pixels a level is drawn without regard to the rank (a cloud, a shadow). Over
all ranks a year's levels have the year's table. With persistence 0 this is the plain chain, whose years err
independently.

Source: Rabiner 1989 (doi:10.1109/5.18626) for chains, Bogaert et al. 2021 (doi:10.1109/TGRS.2021.3123738) for chains of
land cover by year. The rank is a random effect as in mixed hidden Markov models (Altman 2007,
doi:10.1198/016214506000001086): without it, errors that return every year would pass for certainty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from isamap.inference.years.levels import LEVELS

# Pervious and impervious: maps store the probability of one class only.
STATES = 2
PERVIOUS, IMPERVIOUS = 0, 1
RATES = ("initial", "gain", "loss", "persistence", "renewal")
_EDGES_Z = np.linspace(-2.8, 2.8, 15)  # of the ranks, as quantiles of the normal distribution: finer in the tails
RANK_SHARES = np.diff(ndtr(_EDGES_Z), prepend=0.0, append=1.0)  # of the pixels of a ground
RANKS = len(RANK_SHARES)
_POINTS = 8  # places within a rank over which the copula is averaged


@dataclass(frozen=True)
class YearChain:
    """What decides the filter's result: rates per year, the first year's share, and how maps err.

    years: calendar years, rising, gaps may differ. initial: probability of impervious in the first year.
    emission_TSL: (years, 2, LEVELS), probability of each level on pervious and on impervious ground.
    ValueError where a number is no probability or a row does not sum to 1.
    """

    years: tuple[int, ...]
    initial: float
    gain: float
    loss: float
    persistence: float
    renewal: float
    emission_TSL: np.ndarray

    def __post_init__(self) -> None:
        if any(later <= former for former, later in pairwise(self.years)):
            raise ValueError(f"years {self.years}: expected rising years, each once")
        for name in RATES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: expected 0 to 1")
        if self.gain + self.loss >= 1 or self.persistence == 1:
            raise ValueError("gain and loss together, and persistence: expected less than 1")
        self._check_emission()

    def _check_emission(self) -> None:
        shape = (len(self.years), STATES, LEVELS)
        if self.emission_TSL.shape != shape:
            raise ValueError(f"emission {self.emission_TSL.shape}: expected {shape} for {len(self.years)} years")
        if not (self.emission_TSL > 0).all() or not np.allclose(self.emission_TSL.sum(axis=2), 1, atol=1e-6):
            raise ValueError("emission: expected probabilities above 0 that sum to 1 for each year and ground")

    @property
    def gaps(self) -> tuple[int, ...]:
        """Years between each map and the next."""
        return tuple(later - former for former, later in pairwise(self.years))

    @cached_property
    def transitions_TSS(self) -> np.ndarray:
        """Probabilities from ground to ground over each gap, (years - 1, 2, 2)."""
        # In closed form (`power`), so that a gap of ten years costs and rounds like one of one.
        powers = [power(self.gain, self.loss, gap) for gap in self.gaps]
        return np.array(powers).reshape(-1, STATES, STATES)

    @property
    def start_S(self) -> np.ndarray:
        """Probabilities of the ground in the first year."""
        return np.array([1 - self.initial, self.initial])

    @cached_property
    def ranked_TSRL(self) -> np.ndarray:
        """Probability of each level by year, ground and rank, (years, 2, RANKS, LEVELS)."""
        loading = math.sqrt(self.persistence)
        # The loading is the root of the correlation of two years, as both share the one factor.
        kept_TSRL = np.array([[ranked(table_L, loading) for table_L in table_SL] for table_SL in self.emission_TSL])
        return (1 - self.renewal) * kept_TSRL + self.renewal * self.emission_TSL[:, :, None]

    @property
    def prior_T(self) -> np.ndarray:
        """Share of impervious ground in each year as the chain expects it before any map is seen."""
        shares = [self.start_S]
        for transition_SS in self.transitions_TSS:
            shares.append(shares[-1] @ transition_SS)
        return np.array(shares)[:, IMPERVIOUS]

    @property
    def error_T(self) -> np.ndarray:
        """Share of pixels that the best guess from one year's map alone gets wrong, by the chain's own tables."""
        joint_TSL = self.emission_TSL * np.stack([1 - self.prior_T, self.prior_T], axis=1)[:, :, None]
        error_T: np.ndarray = joint_TSL.min(axis=1).sum(axis=1)
        return error_T

    def to_json(self) -> dict[str, Any]:
        """The chain as JSON keeps it; every number in full, so that it filters alike when it is read again."""
        rates = {name: float(getattr(self, name)) for name in RATES}
        return {"years": list(self.years), **rates, "emission": self.emission_TSL.tolist()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> YearChain:
        """The chain that to_json wrote; ValueError where the document is another one."""
        try:
            rates = {name: float(document[name]) for name in RATES}
            emission_TSL = np.array(document["emission"], np.float64)
            years = tuple(int(year) for year in document["years"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no parameters of a chain of years ({error})") from error
        return cls(years, **rates, emission_TSL=emission_TSL)


def power(gain: float, loss: float, gap: int) -> np.ndarray:
    """The transition of one year [[1 - gain, gain], [loss, 1 - loss]], compounded over `gap` years; (2, 2)."""
    total = gain + loss
    if total == 0:
        return np.eye(STATES)
    # expm1 and log1p: rates near 0 would lose all their digits in 1 - (1 - rate)^gap.
    changed = -math.expm1(gap * math.log1p(-total)) / total
    up, down = gain * changed, loss * changed
    return np.array([[1 - up, up], [down, 1 - down]])


def ranked(table_L: np.ndarray, loading: float) -> np.ndarray:
    """Probability of each level by rank where levels depend on ranks with this correlation: (RANKS, LEVELS).

    A Gaussian copula, averaged over _POINTS places within each rank; rows sum to 1, and their mean, weighted by
    RANK_SHARES, is about the table.
    With loading 0 every row is the table.
    """
    ends_R = np.cumsum(RANK_SHARES)
    places_RP = ends_R[:, None] - RANK_SHARES[:, None] * (1 - (np.arange(_POINTS) + 0.5) / _POINTS)
    # Sums of a table reach 1 early by rounding, and the quantile of 1 is infinite.
    edges_E = ndtri(np.clip(np.cumsum(table_L)[:-1], 1e-12, 1 - 1e-12))
    # Averaged over places within a rank: its middle alone would make the ranks' mean another table.
    below_RE = ndtr((edges_E - loading * ndtri(places_RP)[:, :, None]) / math.sqrt(1 - loading**2)).mean(axis=1)
    closed_RE = np.pad(below_RE, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
    # No level is impossible on any rank: one pixel of it would make the likelihood 0.
    rows_RL = np.maximum(np.diff(closed_RE, axis=1), 1e-12)
    return rows_RL / rows_RL.sum(axis=1, keepdims=True)
