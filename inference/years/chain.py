"""The hidden Markov chain of a pixel's years: pervious or impervious ground, seen through probabilities of maps.

Ground is pervious (0) or impervious (1). In a year, `gain` of the pervious ground becomes impervious and `loss` of the
impervious becomes pervious; over a gap of several years these rates are compounded. A map of a year shows one of LEVELS
levels, by a table of that year (`emission`). A year in which a pixel is not known says nothing of it.

Maps of one network err alike in every year: a pixel that is half roof stays half roof. So a level depends on the level
of the last year in which the pixel was known, as long as the ground is the same: the ranks of both within their tables
are correlated by `persistence` (a Gaussian copula), and in a share `renewal` of the pixels the level is drawn without
regard to the former one (a cloud, a shadow). Where the ground has changed, the level is drawn without regard to the
former. With persistence 0 this is the plain chain, whose years err independently.

Source: Rabiner 1989 (doi:10.1109/5.18626) for chains, Bogaert et al. 2021 (doi:10.1109/TGRS.2021.3123738) for chains of
land cover by year. That levels depend on former levels, as in Markov-switching autoregression, is this project's own
choice: with independent years, errors that return would pass for certainty.
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

from inference.years.levels import LEVELS

STATES = 2
PERVIOUS, IMPERVIOUS = 0, 1
RATES = ("initial", "gain", "loss", "persistence", "renewal")
_POINTS = 8  # ranks within a level over which the copula is averaged


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
        powers = [power(self.gain, self.loss, gap) for gap in self.gaps]
        return np.array(powers).reshape(-1, STATES, STATES)

    @property
    def start_S(self) -> np.ndarray:
        """Probabilities of the ground in the first year."""
        return np.array([1 - self.initial, self.initial])

    @cached_property
    def repeated_TTSLL(self) -> np.ndarray:
        """Probability of a level given a former one on the same ground, [year, former year, ground, former, level]."""
        years = len(self.years)
        table = np.ones((years, years, STATES, LEVELS, LEVELS))
        for later in range(1, years):
            for former in range(later):
                for ground in range(STATES):
                    rows = self.emission_TSL[[former, later], ground]
                    copied_LL = repeated(rows[0], rows[1], self.persistence)
                    table[later, former, ground] = (1 - self.renewal) * copied_LL + self.renewal * rows[1]
        return table

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
    changed = -math.expm1(gap * math.log1p(-total)) / total
    up, down = gain * changed, loss * changed
    return np.array([[1 - up, up], [down, 1 - down]])


def repeated(former_L: np.ndarray, later_L: np.ndarray, persistence: float) -> np.ndarray:
    """Probability of each later level given each former one, where ranks are correlated: (LEVELS, LEVELS).

    A Gaussian copula, averaged over _POINTS ranks within the former level; rows sum to 1. With persistence 0 every row
    is the later table.
    """
    ends_L = np.cumsum(former_L)
    ranks_LP = ends_L[:, None] - former_L[:, None] * (1 - (np.arange(_POINTS) + 0.5) / _POINTS)
    normal_LP = ndtri(np.clip(ranks_LP, 1e-12, 1 - 1e-12))
    edges_E = ndtri(np.clip(np.cumsum(later_L)[:-1], 1e-12, 1 - 1e-12))
    spread = math.sqrt(1 - persistence**2)
    below_LE = ndtr((edges_E - persistence * normal_LP[:, :, None]) / spread).mean(axis=1)
    closed_LE = np.pad(below_LE, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
    table_LL = np.maximum(np.diff(closed_LE, axis=1), 1e-12)
    return table_LL / table_LL.sum(axis=1, keepdims=True)
