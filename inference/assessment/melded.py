"""95 % intervals that stay honest where a stratum shows no error: Beta distributions of its strata, joined.

One stratum: the interval of Clopper and Pearson (1934, Biometrika 26, 404-413), whose upper end is a quantile of
Beta(x + 1, n - x) and whose lower end one of Beta(x, n - x + 1). Several: the same distributions are added by draws,
as "melded" intervals are (Fay, Proschan and Brittain 2015, Biometrics 71, 146-156). The one point more is divided among
the strata by weight^2 / points, their part in the variance: so an interval stays the same where a stratum is cut into
random parts. Draws come from a fixed seed: equal answers give equal intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
DRAWS = 10_000  # the probability beyond an end is then known to 0.0016
# Fixed, so that the same answers give the same interval in every report.
SEED = 20150146
Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Kinds:
    """Points of each stratum by kind, and what a kind adds to the two means whose ratio is estimated.

    weight_H: share of ground of each stratum (any unit); count_HC: points; upper_C, lower_C: of a kind; possible_HC:
    whether a stratum may hold the kind at all. whole_H: strata whose every pixel is a point, whose shares are known.
    """

    weight_H: np.ndarray
    count_HC: np.ndarray
    upper_C: np.ndarray
    lower_C: np.ndarray
    possible_HC: np.ndarray
    whole_H: np.ndarray | None = None

    @property
    def ratio(self) -> float:
        """The estimate; NaN where nothing defines it."""
        share_HC = self.count_HC / np.maximum(self.count_HC.sum(axis=1, keepdims=True), 1)
        below = float(self.weight_H @ share_HC @ self.lower_C)
        return float(self.weight_H @ share_HC @ self.upper_C) / below if below > 0 else float("nan")

    @property
    def known_H(self) -> np.ndarray:
        """Which strata are known whole."""
        return np.zeros(len(self.weight_H), bool) if self.whole_H is None else self.whole_H

    @property
    def prior_H(self) -> np.ndarray:
        """How much of the one point more each stratum gets: none where only one kind is possible, or all is known."""
        part_H = self.weight_H**2 / np.maximum(self.count_HC.sum(axis=1), 1)
        part_H = np.where((self.possible_HC.sum(axis=1) > 1) & ~self.known_H, part_H, 0.0)
        return part_H / part_H.sum() if part_H.any() else part_H


def melded(kinds: Kinds) -> Interval | None:
    """Both ends of the ratio's interval, which holds the estimate; None where no draw defines it."""
    value = kinds.ratio
    # Which kind pulls the ratio down or up most is decided by its influence, not by its numerator alone.
    influence_C = kinds.upper_C - (0.5 if np.isnan(value) else value) * kinds.lower_C
    tail = (1 - CONFIDENCE) / 2
    low = _quantile(kinds, np.where(kinds.possible_HC, influence_C, np.inf).argmin(axis=1), tail)
    high = _quantile(kinds, np.where(kinds.possible_HC, influence_C, -np.inf).argmax(axis=1), 1 - tail)
    if low is None or high is None:
        return None
    # Drawn ends may miss the estimate by the spread of the draws: an interval must hold it.
    return (low, high) if np.isnan(value) else (min(low, value), max(high, value))


def _quantile(kinds: Kinds, favoured_H: np.ndarray, level: float) -> float | None:
    """Of the ratio, where each stratum's part of the one point more is of the kind favoured there."""
    rng, prior_H = np.random.default_rng(SEED), kinds.prior_H
    above, below = np.zeros(DRAWS), np.zeros(DRAWS)
    rows = zip(kinds.weight_H, kinds.count_HC, prior_H, favoured_H, kinds.known_H, strict=True)
    for weight, count_C, prior, favoured, is_known in rows:
        points = count_C.sum()
        if is_known:
            above += weight * (count_C @ kinds.upper_C) / points
            below += weight * (count_C @ kinds.lower_C) / points
            continue
        mass_C = count_C * (1 - (1 - prior) / max(points, 1))  # n - 1, as sample variances have it
        mass_C = mass_C + prior * (np.arange(len(count_C)) == favoured)
        if not weight or not mass_C.any():
            continue
        # Gamma numbers over their sum are Dirichlet; drawn so, strata without points of a kind stay at 0.
        share_DC = rng.standard_gamma(mass_C, (DRAWS, len(mass_C)))
        # Gammas of tiny parameters may all be 0: their share is then 0 and not NaN.
        share_DC *= weight / np.maximum(share_DC.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        above += share_DC @ kinds.upper_C
        below += share_DC @ kinds.lower_C
    defined = below > 0
    return float(np.quantile(above[defined] / below[defined], level)) if defined.any() else None
