"""How many points a sample needs, and how they are divided among strata.

Cochran 1977, Sampling Techniques, equations 4.2 and 5.25; Olofsson et al. 2014, Remote Sensing of Environment 148,
42-57, equation 13 and section 5.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

RARE_SHARE = 0.1  # strata of less ground than this get at least RARE_POINTS ("rare" allocation)
RARE_POINTS = 75  # Olofsson et al. 2014, table 5: 50 to 100
# The normal distribution's 97.5 % point; a constant keeps scipy out of the plan.
Z = 1.959964


@dataclass(frozen=True, eq=False)
class Conjecture:
    """What is believed before sampling: of each stratum its share of ground and the share of the class in it.

    weights and target sum over strata; accuracy: the share of each stratum that is mapped rightly. pixels: of each
    stratum, more than which nobody can draw (without them, no bound).
    """

    names: tuple[str, ...]
    weights: np.ndarray
    accuracy: np.ndarray
    target: np.ndarray
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if not len(self.pixels):
            object.__setattr__(self, "pixels", np.full(len(self.names), np.inf))
        for name, values in (("accuracy", self.accuracy), ("target", self.target)):
            if ((values < 0) | (values > 1)).any():
                raise ValueError(f"{name} of {', '.join(self.names)}: {values.tolist()}, expected shares of 0 to 1")

    def of(self, which: np.ndarray) -> Conjecture:
        """What is believed of some of the strata; their weights stay shares of all ground."""
        names = tuple(name for name, is_one in zip(self.names, which, strict=True) if is_one)
        values = (self.weights, self.accuracy, self.target, self.pixels)
        return Conjecture(names, *(each[which] for each in values))

    @property
    def spreads(self) -> np.ndarray:
        """Standard deviation of being right, by stratum."""
        return np.sqrt(self.accuracy * (1 - self.accuracy))

    @property
    def target_spreads(self) -> np.ndarray:
        """Standard deviation of being of the class, by stratum."""
        return np.sqrt(self.target * (1 - self.target))


def simple_size(share: float, standard_error: float) -> int:
    """Points of a simple random sample for a share's standard error (Cochran, equation 4.2)."""
    _check_error(standard_error)
    # Rounded first, or the last digit of a division would ask for a point more.
    return max(2, math.ceil(round(share * (1 - share) / standard_error**2, 6)))


def stratified_size(conjecture: Conjecture, standard_error: float, units: float = math.inf) -> int:
    """Points of a stratified sample for a standard error of overall accuracy (Olofsson et al. 2014, equation 13).

    units: pixels of the map; without them the population is taken for endless.
    """
    return _size(conjecture.weights, conjecture.spreads, standard_error, units)


def area_size(conjecture: Conjecture, standard_error: float, units: float = math.inf) -> int:
    """Points of a stratified sample for a standard error of the class's share of ground, optimally divided."""
    return _size(conjecture.weights, conjecture.target_spreads, standard_error, units)


def _size(weights: np.ndarray, spreads: np.ndarray, standard_error: float, units: float) -> int:
    _check_error(standard_error)
    upper = float(weights @ spreads) ** 2
    # The finite population correction: a census has no standard error.
    lower = standard_error**2 + float(weights @ spreads**2) / units
    return max(2 * len(weights), math.ceil(round(upper / lower, 6)))


def _check_error(standard_error: float) -> None:
    if not 0 < standard_error < 0.5:
        raise ValueError(f"--standard-error {standard_error:g}: expected a share between 0 and 0.5, such as 0.01")


def proportional(conjecture: Conjecture, points: int) -> np.ndarray:
    """As the ground is divided."""
    return _whole(conjecture.weights, points)


def equal(conjecture: Conjecture, points: int) -> np.ndarray:
    """The same number in every stratum: best for comparing user's accuracies."""
    return _whole(np.ones(len(conjecture.weights)), points)


def neyman(conjecture: Conjecture, points: int) -> np.ndarray:
    """Least variance of overall accuracy (Cochran, equation 5.26)."""
    return _whole(conjecture.weights * conjecture.spreads, points)


def for_area(conjecture: Conjecture, points: int) -> np.ndarray:
    """Least variance of the area of the class."""
    return _whole(conjecture.weights * conjecture.target_spreads, points)


def rare(conjecture: Conjecture, points: int, least: int = RARE_POINTS) -> np.ndarray:
    """At least so many points in strata of less than a tenth of the ground, the others as the ground is divided.

    The recommendation of Olofsson et al. 2014, section 5.1.2, for change and other rare classes.
    """
    few = conjecture.weights < RARE_SHARE
    _check_points(points, len(few))
    # Equal parts at most, so that rare strata never take the points of all others.
    share = min(least, points // max(1, len(few)))
    if few.all():
        # Where all are rare, none else is there to take the rest.
        rest = points - share * len(few)
        return share + _largest_remainder(conjecture.weights / conjecture.weights.sum() * rest)
    counts = np.full(len(few), share, np.int64)
    counts[~few] = _whole(conjecture.weights[~few], points - share * int(few.sum()))
    return counts


Allocation = Callable[[Conjecture, int], np.ndarray]
ALLOCATIONS: Mapping[str, Allocation] = {
    "proportional": proportional, "equal": equal, "neyman": neyman, "rare": rare, "area": for_area,
}  # fmt: skip


def allocation_named(name: str) -> Allocation:
    """The division of a name; ValueError for others."""
    if name not in ALLOCATIONS:
        raise ValueError(f"--allocation {name!r}: expected {', '.join(ALLOCATIONS)}")
    return ALLOCATIONS[name]


def divided(allocation: Allocation, conjecture: Conjecture, points: int) -> np.ndarray:
    """As an allocation divides the points, but no stratum gets more than its pixels: the others share what it leaves.

    They share it by the same allocation. ValueError: fewer than two points a stratum.
    """
    counts, is_whole = allocation(conjecture, points), np.zeros(len(conjecture.names), bool)
    # Again and again, as what one stratum leaves may fill another.
    while (is_over := counts > conjecture.pixels).any():
        is_whole |= is_over
        counts[is_whole] = conjecture.pixels[is_whole]
        if not is_whole.all():
            counts[~is_whole] = allocation(conjecture.of(~is_whole), points - int(counts[is_whole].sum()))
    return counts


def shortages(conjecture: Conjecture, asked: np.ndarray, counts: np.ndarray) -> tuple[str, ...]:
    """A sentence for each stratum that has fewer pixels than an allocation gives it."""
    rows = zip(conjecture.names, asked.tolist(), counts.tolist(), strict=True)
    return tuple(
        f"stratum {name!r} has {got} pixel{'s' * (got != 1)}: all are taken, and the other {wanted - got} of its "
        f"{wanted} points go to the other strata"
        for name, wanted, got in rows
        if got < wanted
    )


@dataclass(frozen=True)
class Expectation:
    """Standard errors that a division of points is expected to give."""

    counts: tuple[int, ...]
    overall: float
    users: tuple[float, ...]
    area: float


def expected(conjecture: Conjecture, counts: Sequence[int]) -> Expectation:
    """Standard errors of overall accuracy, of each stratum's accuracy and of the class's share of the ground.

    A stratum that is taken whole has none.
    """
    numbers = np.maximum(np.asarray(counts, float), 1)
    sampled = numbers < conjecture.pixels
    users = sampled * conjecture.spreads / np.sqrt(numbers)
    overall = math.sqrt(float(conjecture.weights**2 @ users**2))
    area = math.sqrt(float(conjecture.weights**2 @ (sampled * conjecture.target_spreads**2 / numbers)))
    return Expectation(tuple(int(count) for count in counts), overall, tuple(users.tolist()), area)


def _check_points(points: int, strata: int) -> None:
    if points < 2 * strata:
        raise ValueError(f"--points {points}: {strata} strata need two each, {2 * strata} in all")


def _largest_remainder(exact: np.ndarray) -> np.ndarray:
    """Whole numbers of the same sum, each less than one from its own."""
    counts = np.floor(exact).astype(np.int64)
    lacking = round(float(exact.sum())) - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:lacking]] += 1
    return counts


def _whole(shares: np.ndarray, points: int) -> np.ndarray:
    """Whole numbers of points that sum to `points`, at least two each, as near to the shares as can be."""
    _check_points(points, len(shares))
    # A map believed to be right everywhere has no spread, and nothing says where points help.
    if not shares.sum():
        shares = np.ones(len(shares))
    exact = shares / shares.sum() * points
    # Two points in each stratum, which its variance needs; the rest by largest remainder.
    counts = np.maximum(np.floor(exact).astype(np.int64), 2)
    while counts.sum() > points:
        counts[np.argmax(np.where(counts > 2, counts - exact, -np.inf))] -= 1
    while counts.sum() < points:
        counts[np.argmax(exact - counts)] += 1
    return counts
