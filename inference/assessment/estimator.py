"""Means, ratios and their variances under the design by which a sample was drawn; per unit of ground.

Every accuracy is a ratio of two means over the ground (Stehman 2014, International Journal of Remote Sensing 35,
4923-4939, equations 24 to 29), so one variance formula for each design serves all of them. Where the strata are the
map's classes, these are the estimators of Olofsson et al. (2014), Remote Sensing of Environment 148, 42-57.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


class Design(Protocol):
    """How a sample was drawn, as its estimators need it; values are one number a point, in the sample's order."""

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the variance; infinite where the normal distribution is used."""
        ...

    def mean(self, values: np.ndarray) -> float:
        """Estimated mean over the ground."""
        ...

    def variance(self, values: np.ndarray) -> float:
        """Estimated variance of that mean."""
        ...


@dataclass(frozen=True, eq=False)
class Stratified:
    """Simple random samples within strata: weights (strata,) are their shares of the ground, stratum_N of each point.

    class_H: the map's class (number) that all pixels of each stratum have, where strata lie within the map's classes.
    pixels_H: pixels of each stratum: one whose every pixel is a point is known, and adds nothing to the variance.
    Beyond that there is no finite population correction, as samples are far smaller than maps. ValueError: a stratum
    with ground and fewer than two points, whose variance nothing says.
    """

    weights: np.ndarray
    stratum_N: np.ndarray
    names: tuple[str, ...] = ()
    class_H: np.ndarray | None = None
    pixels_H: np.ndarray | None = None

    def __post_init__(self) -> None:
        counts = self.counts
        for index in np.flatnonzero((counts < 2) & (self.weights > 0) & ~self.whole_H):
            name = self.names[index] if self.names else str(index)
            points = "no point" if counts[index] == 0 else "one point"
            raise ValueError(
                f"stratum {name!r} has {points}, {self.weights[index]:.1%} of the ground, and needs two for a "
                "variance: interpret more points there, or join it to another stratum"
            )

    @property
    def counts(self) -> np.ndarray:
        """Points by stratum."""
        counts: np.ndarray = np.bincount(self.stratum_N, minlength=len(self.weights))
        return counts

    @property
    def whole_H(self) -> np.ndarray:
        """Which strata are known to their last pixel."""
        whole: np.ndarray = np.zeros(len(self.weights), bool)
        return whole if self.pixels_H is None else (self.counts > 0) & (self.counts == self.pixels_H)

    @property
    def degrees(self) -> float:
        return float("inf")

    def mean(self, values: np.ndarray) -> float:
        return float(self.weights @ self._means(values))

    def variance(self, values: np.ndarray) -> float:
        return float(self.weights**2 @ (self._spreads(values) / np.maximum(self.counts, 1)))

    def _means(self, values: np.ndarray) -> np.ndarray:
        sums = np.bincount(self.stratum_N, values, len(self.weights))
        return sums / np.maximum(self.counts, 1)

    def _spreads(self, values: np.ndarray) -> np.ndarray:
        """Sample variance of the values in each stratum, 0 where it is known whole."""
        apart = values - self._means(values)[self.stratum_N]
        spreads = np.bincount(self.stratum_N, apart**2, len(self.weights)) / np.maximum(self.counts - 1, 1)
        return np.where(self.whole_H, 0.0, spreads)


def simple(count: int) -> Stratified:
    """A simple random sample of so many points; systematic ones are treated as such, which is cautious."""
    return Stratified(np.ones(1), np.zeros(count, np.int64), ("the map",))


@dataclass(frozen=True, eq=False)
class PostStratified(Stratified):
    """A simple random sample whose points are weighted by groups of known size afterwards.

    Variance: Cochran 1977, Sampling Techniques, equation 5A.42: the groups' numbers of points were left to chance.
    """

    def variance(self, values: np.ndarray) -> float:
        total, spreads = len(values), self._spreads(values)
        # The second term pays for numbers of points that chance decided.
        return float(self.weights @ spreads / total + (1 - self.weights) @ spreads / total**2)


@dataclass(frozen=True, eq=False)
class Clustered:
    """Two stages: m of M clusters by simple random sampling, then points within each the same way.

    area_M: ground of each drawn cluster; cluster_N: of each point. The variance is that between clusters, as if they
    had been drawn with replacement (Cochran 1977, section 11.8; Särndal et al. 1992, section 4.6): it holds that within
    them, too. ValueError: fewer than two clusters, a cluster without points.
    """

    area_M: np.ndarray
    cluster_N: np.ndarray

    def __post_init__(self) -> None:
        counts = np.bincount(self.cluster_N, minlength=len(self.area_M))
        if len(counts) < 2:
            raise ValueError("a sample of one cluster says nothing of its variance: draw at least two, better thirty")
        if (counts == 0).any():
            raise ValueError(f"cluster {int(np.argmin(counts))} has no point with an answer: interpret its points")

    @property
    def degrees(self) -> float:
        return float(len(self.area_M) - 1)

    def mean(self, values: np.ndarray) -> float:
        return float(self.area_M @ self._means(values) / self.area_M.sum())

    def variance(self, values: np.ndarray) -> float:
        # Between clusters alone: points within one are alike, and their number says little.
        apart = self.area_M * (self._means(values) - self.mean(values))
        count = len(self.area_M)
        return float(count / (count - 1) * (apart @ apart) / self.area_M.sum() ** 2)

    def _means(self, values: np.ndarray) -> np.ndarray:
        counts = np.bincount(self.cluster_N, minlength=len(self.area_M))
        return np.bincount(self.cluster_N, values, len(self.area_M)) / counts


@dataclass(frozen=True, eq=False)
class Weighted:
    """Points of unequal inclusion probability, drawn independently: weight_N is ground over inclusion probability.

    Hájek's estimator with its linearised variance (Särndal et al. 1992, Model Assisted Survey Sampling, result 5.7.1).
    """

    weight_N: np.ndarray

    @property
    def degrees(self) -> float:
        return float("inf")

    def mean(self, values: np.ndarray) -> float:
        return float(self.weight_N @ values / self.weight_N.sum())

    def variance(self, values: np.ndarray) -> float:
        apart, count = self.weight_N * (values - self.mean(values)), len(values)
        return float(count / (count - 1) * (apart @ apart) / self.weight_N.sum() ** 2)


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error; points: how many it rests on (None of either: nothing defines it).

    degrees: of freedom of the standard error. ends: computes the interval of the design's own distribution, if any.
    """

    value: float | None
    error: float | None
    points: int
    degrees: float = float("inf")
    ends: Callable[[], tuple[float, float] | None] | None = field(default=None, compare=False, repr=False)

    def times(self, factor: float) -> Estimate:
        """The same quantity in another unit, such as a share of the ground in km2; without `ends`."""
        if self.value is None or self.error is None:
            return self
        return Estimate(self.value * factor, self.error * factor, self.points, self.degrees)


def mean(design: Design, values: np.ndarray) -> Estimate:
    """The mean of values over the ground."""
    return _estimate(design, design.mean(values), values, len(values))


def ratio(design: Design, upper: np.ndarray, lower: np.ndarray) -> Estimate:
    """The mean of `upper` over that of `lower`; not defined where `lower` is zero at every point.

    Variance by linearisation: that of (upper - ratio x lower) over the mean of lower (Stehman 2014, equation 28).
    """
    below, points = design.mean(lower), int(np.count_nonzero(lower))
    if below == 0:
        return Estimate(None, None, points, design.degrees)
    value = design.mean(upper) / below
    return _estimate(design, value, (upper - value * lower) / below, points)


def linearised(design: Design, value: float, influence_N: np.ndarray) -> Estimate:
    """A smooth function of means: its value, with the variance of its influence at each point."""
    return _estimate(design, value, influence_N, len(influence_N))


def covariance(design: Design, first: np.ndarray, second: np.ndarray) -> float:
    """Estimated covariance of two means."""
    # By polarisation, so that a design needs no formula of its own for covariances.
    return (design.variance(first + second) - design.variance(first - second)) / 4


def _estimate(design: Design, value: float, influence_N: np.ndarray, points: int) -> Estimate:
    # Rounding can take a variance of 0 a little below it.
    return Estimate(value, float(np.sqrt(max(design.variance(influence_N), 0.0))), points, design.degrees)
