"""The hidden Markov chain of a pixel's years: pervious or impervious ground, seen through probabilities of maps.

Ground is pervious (0) or impervious (1). In a year, `gain` of the pervious ground becomes impervious and `loss` of the
impervious becomes pervious; over a gap of several years these rates are compounded. A map of a year shows one of
LEVELS levels, by a table of that year: so a year whose map errs more has flatter rows, and counts less. A year in which
a pixel is not known says nothing of it. Source: Rabiner 1989 (doi:10.1109/5.18626) for the algorithms; Bogaert et al. 2021
(doi:10.1109/TGRS.2021.3123738) for land cover by year.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inference.years.levels import LEVEL_OF, LEVELS

STATES = 2
PERVIOUS, IMPERVIOUS = 0, 1


@dataclass(frozen=True)
class YearChain:
    """What decides the filter's result: rates per year, the first year's share, and how each year's map errs.

    years: calendar years, rising, gaps may differ. initial: probability of impervious in the first year.
    emission_TSL: (years, 2, LEVELS), probability of each level on pervious and on impervious ground.
    ValueError where a number is no probability or a row does not sum to 1.
    """

    years: tuple[int, ...]
    initial: float
    gain: float
    loss: float
    emission_TSL: np.ndarray

    def __post_init__(self) -> None:
        if any(later <= former for former, later in zip(self.years, self.years[1:], strict=False)):
            raise ValueError(f"years {self.years}: expected rising years, each once")
        for name in ("initial", "gain", "loss"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: expected a probability")
        if self.gain + self.loss >= 1:
            raise ValueError(f"gain {self.gain} and loss {self.loss} a year: expected less than 1 together")
        self._check_emission()

    def _check_emission(self) -> None:
        shape = (len(self.years), STATES, LEVELS)
        if self.emission_TSL.shape != shape:
            raise ValueError(f"emission {self.emission_TSL.shape}: expected {shape} for {len(self.years)} years")
        totals = self.emission_TSL.sum(axis=2)
        if not (self.emission_TSL >= 0).all() or not np.allclose(totals, 1, atol=1e-6):
            raise ValueError("emission: expected probabilities of levels that sum to 1 for each year and ground")

    @property
    def gaps(self) -> tuple[int, ...]:
        """Years between each map and the next."""
        return tuple(later - former for former, later in zip(self.years, self.years[1:], strict=False))

    @property
    def transitions_TSS(self) -> np.ndarray:
        """Probabilities from ground to ground over each gap, (years - 1, 2, 2)."""
        powers = [power(self.gain, self.loss, gap) for gap in self.gaps]
        return np.array(powers).reshape(-1, STATES, STATES)

    @property
    def start_S(self) -> np.ndarray:
        """Probabilities of the ground in the first year."""
        return np.array([1 - self.initial, self.initial])

    @property
    def likelihood_TSV(self) -> np.ndarray:
        """Probability of a stored value's level on each ground by year, (years, 2, 256); 1 where not known."""
        with_missing = np.concatenate([self.emission_TSL, np.ones((len(self.years), STATES, 1))], axis=2)
        return np.ascontiguousarray(with_missing[:, :, LEVEL_OF])

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
        return joint_TSL.min(axis=1).sum(axis=1)

    def to_json(self) -> dict[str, Any]:
        """The chain as JSON keeps it; every number in full, so that it filters alike when it is read again."""
        return {
            "years": list(self.years),
            "initial": self.initial,
            "gain": self.gain,
            "loss": self.loss,
            "emission": self.emission_TSL.tolist(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> YearChain:
        """The chain that to_json wrote; ValueError where the document is another one."""
        try:
            rates = [float(document[name]) for name in ("initial", "gain", "loss")]
            emission_TSL = np.array(document["emission"], np.float64)
            years = tuple(int(year) for year in document["years"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no parameters of a chain of years ({error})") from error
        return cls(years, *rates, emission_TSL)


def power(gain: float, loss: float, gap: int) -> np.ndarray:
    """The transition of one year [[1 - gain, gain], [loss, 1 - loss]], compounded over `gap` years; (2, 2)."""
    total = gain + loss
    if total == 0:
        return np.eye(STATES)
    changed = -math.expm1(gap * math.log1p(-total)) / total
    up, down = gain * changed, loss * changed
    return np.array([[1 - up, up], [down, 1 - down]])
