"""95 % intervals of shares of ground and of accuracies, which never leave 0 to 1.

beta: from the Beta distributions of the strata (melded.py), of clusters and unequal weights with effective points (Korn
and Graubard 1998); it stays honest where a stratum shows no error, as the others do not. wald: value and 1.96 standard
errors on each side, as Olofsson et al. (2014) print. Near 0 or 1 it is too narrow or
leaves the range. wilson: the score interval with as many points as a simple random sample of the same standard error
would have (Korn and Graubard 1998, Survey Methodology 24, 193-201; Dean and Pagano 2015, Journal of Survey Statistics
and Methodology 3, 484-503). logit: wald on the log odds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from isamap.inference.assessment.estimator import Estimate
from isamap.inference.assessment.melded import CONFIDENCE, Interval

# Below it a spread is rounding: all answers agree, and odds or effective points are not defined.
_ALL_EQUAL = 1e-12


def beta(share: Estimate) -> Interval | None:
    """The interval of the design's own distribution; wilson's where it has none."""
    if share.value is None or share.ends is None:
        return wilson(share)
    return share.ends()


def wald(share: Estimate) -> Interval | None:
    """Value and quantile x standard error on each side, cut at 0 and 1."""
    if share.value is None or share.error is None:
        return None
    reach = quantile(share.degrees) * share.error
    return max(0.0, share.value - reach), min(1.0, share.value + reach)


def wilson(share: Estimate) -> Interval | None:
    """The score interval with the effective number of points."""
    if share.value is None or share.error is None or not share.points:
        return None
    z, value, points = quantile(share.degrees), min(max(share.value, 0.0), 1.0), effective_points(share)
    middle = (value + z**2 / (2 * points)) / (1 + z**2 / points)
    reach = z / (1 + z**2 / points) * math.sqrt(value * (1 - value) / points + z**2 / (4 * points**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def logit(share: Estimate) -> Interval | None:
    """Wald on the log odds; wilson's where the value is 0 or 1, whose odds are not defined."""
    if share.value is None or share.error is None:
        return None
    spread = share.value * (1 - share.value)
    if spread <= _ALL_EQUAL or share.error <= _ALL_EQUAL:
        return wilson(share)
    middle, reach = math.log(share.value / (1 - share.value)), quantile(share.degrees) * share.error / spread
    low, high = (1 / (1 + math.exp(-(middle + side * reach))) for side in (-1, 1))
    return low, high


INTERVALS: Mapping[str, Callable[[Estimate], Interval | None]] = {
    "beta": beta, "wilson": wilson, "wald": wald, "logit": logit,
}  # fmt: skip
DEFAULT = "beta"


def interval_named(name: str) -> Callable[[Estimate], Interval | None]:
    """The kind of interval of a name; ValueError for others."""
    if name not in INTERVALS:
        raise ValueError(f"--interval {name!r}: expected {', '.join(INTERVALS)}")
    return INTERVALS[name]


def shown(share: Estimate, bounds: Interval | None) -> str:
    """A share with its interval, as tables and reports print it."""
    if share.value is None:
        return "not defined"
    return f"{share.value:.3f}" + (f" ({bounds[0]:.3f} to {bounds[1]:.3f})" if bounds else "")


def korn_graubard(share: Estimate, limit: float) -> Interval | None:
    """Clopper and Pearson's interval with the effective points, at most `limit`, fewer for few degrees of freedom.

    Korn and Graubard 1998, Survey Methodology 24, 193-201, section 3.
    """
    from scipy import stats

    if share.value is None or share.error is None or limit <= 0:
        return None
    value = min(max(share.value, 0.0), 1.0)
    # Fewer points for few degrees of freedom, by the ratio of both quantiles squared (Korn and Graubard).
    points = min(effective_points(share), limit) * (quantile(float("inf")) / quantile(share.degrees)) ** 2
    hits, tail = value * points, (1 - CONFIDENCE) / 2
    # The ends 0 and 1 are exact: a beta distribution with a parameter of 0 is not defined.
    low = float(stats.beta.ppf(tail, hits, points - hits + 1)) if value > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, points - hits)) if value < 1 else 1.0
    return low, high


def effective_points(share: Estimate) -> float:
    """Points of a simple random sample with the same standard error; those there are where all answers agree."""
    assert share.value is not None and share.error is not None
    spread = share.value * (1 - share.value)
    if spread <= _ALL_EQUAL or share.error <= _ALL_EQUAL:
        return float(share.points)
    return spread / share.error**2


def quantile(degrees: float) -> float:
    """How many standard errors half of the interval spans: 1.96, or of Student's distribution for few clusters."""
    from scipy import stats

    tail = (1 + CONFIDENCE) / 2
    return float(stats.norm.ppf(tail) if math.isinf(degrees) else stats.t.ppf(tail, degrees))
