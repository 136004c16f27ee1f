"""Lloyd's k-means, its starts, the choice of the number of clusters, and learning vector quantization.

Sources: D. Arthur and S. Vassilvitskii, SODA 2007 (k-means++); T. Calinski and J. Harabasz, Commun. Stat. 3 (1974),
1-27; D. Pelleg and A. Moore, ICML 2000, 727-734 (X-means); T. Kohonen, Handbook of Brain Theory and Neural Networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.learning.clusterer import Centres

_MOST_ITERATIONS = 500  # Weka's own
Start = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Lloyd:
    """How k-means runs: the metric, its start, and the most iterations."""

    metric: str
    start: Start
    most: int | None = None

    def run(self, table: np.ndarray, count: int, chance: np.random.Generator) -> Centres:
        """Centres of up to `count` clusters; those that lose all rows are left out, as in Weka."""
        centres = Centres(self.start(table, min(count, len(table)), chance), self.metric)
        member = np.full(len(table), -1)
        for _ in range(self.most or _MOST_ITERATIONS):
            budget.check()
            nearest = centres.nearest(table)
            if np.array_equal(nearest, member):
                break
            member = nearest
            centres = Centres(self._middles(table, member, len(centres.points)), self.metric)
        return centres

    def _middles(self, table: np.ndarray, member: np.ndarray, count: int) -> np.ndarray:
        """Means, or medians by input for Manhattan distances (apidocs ee-clusterer-wekakmeans)."""
        middle = np.median if self.metric == "Manhattan" else np.mean
        groups = [table[member == cluster] for cluster in range(count)]
        return np.stack([middle(group, axis=0) for group in groups if len(group)])


def random_rows(table: np.ndarray, count: int, chance: np.random.Generator) -> np.ndarray:
    """Rows drawn at random, all different."""
    unique = np.unique(table, axis=0)
    return unique[chance.permutation(len(unique))[:count]]


def plus_plus(table: np.ndarray, count: int, chance: np.random.Generator) -> np.ndarray:
    """Rows drawn by their squared distance from those before."""
    rows = [int(chance.integers(len(table)))]
    while len(rows) < count:
        squares = Centres(table[rows]).distances(table).min(axis=1)
        if not squares.any():
            break
        rows.append(int(chance.choice(len(table), p=squares / squares.sum())))
    return table[rows]


def farthest_first(table: np.ndarray, count: int, chance: np.random.Generator) -> np.ndarray:
    """A row drawn at random, and each time the row farthest from those before."""
    rows = [int(chance.integers(len(table)))]
    while len(rows) < count:
        squares = Centres(table[rows]).distances(table).min(axis=1)
        if not squares.any():
            break
        rows.append(int(squares.argmax()))
    return table[rows]


def starting_at(points: np.ndarray) -> Start:
    """A start at these points."""
    return lambda table, count, chance: points


def check_range(least: int, most: int) -> None:
    """EngineError where a range of numbers of clusters is none."""
    if not 1 <= least <= most:
        raise EngineError(f"minClusters must be 1 to maxClusters, got {least} and {most}.")


def cascade(table: np.ndarray, lloyd: Lloyd, *, least: int, most: int, restarts: int) -> Centres:
    """The run with the largest ratio of Calinski and Harabasz among all numbers of clusters."""
    chance = np.random.default_rng(0)
    runs = [lloyd.run(table, count, chance) for count in range(least, most + 1) for _ in range(max(restarts, 1))]
    return max(runs, key=lambda centres: calinski_harabasz(table, centres))


def calinski_harabasz(table: np.ndarray, centres: Centres) -> float:
    """Variance between clusters over variance within, each by its degrees of freedom; 0 where it has no value."""
    count, member = len(centres.points), centres.nearest(table)
    if not 1 < count < len(table):
        return 0.0
    middle = table.mean(axis=0)
    means = np.stack([table[member == k].mean(axis=0) if (member == k).any() else middle for k in range(count)])
    within = float(((table - means[member]) ** 2).sum())
    between = float(((means[member] - middle) ** 2).sum())
    return between / (count - 1) / (within / (len(table) - count)) if within else np.inf


@dataclass(frozen=True)
class XMeans:
    """Splits clusters in two as long as the Bayesian information criterion of the two is larger."""

    least: int
    most: int
    rounds: int
    lloyd: Lloyd
    children: Lloyd
    cutoff: float
    seed: int

    def run(self, table: np.ndarray) -> Centres:
        chance = np.random.default_rng(abs(self.seed))
        centres = self.lloyd.run(table, self.least, chance)
        for _ in range(self.rounds):
            points = self._split(table, centres, chance)
            if len(points) == len(centres.points):
                break
            lloyd = Lloyd(self.lloyd.metric, starting_at(points), self.lloyd.most)
            centres = lloyd.run(table, len(points), chance)
        return centres

    def _split(self, table: np.ndarray, centres: Centres, chance: np.random.Generator) -> np.ndarray:
        member = centres.nearest(table)
        gains, pairs = [], []
        for cluster, parent in enumerate(centres.points):
            rows = table[member == cluster]
            pair = self.children.run(rows, 2, chance).points if len(rows) > 2 else parent[None]
            gain = information(rows, pair) - information(rows, parent[None]) if len(pair) == 2 else -np.inf
            gains.append(gain)
            pairs.append(pair)
        order = np.argsort(gains)[::-1]
        winners = [int(i) for i in order if gains[i] > 0]
        if not winners:
            possible = [int(i) for i in order if np.isfinite(gains[i])]
            # Where no pair of children wins, a share of them is taken all the same (apidocs ee-clusterer-wekaxmeans).
            winners = possible[: int(len(possible) * self.cutoff)]
        room = self.most - len(centres.points)
        split = set(winners[: max(room, 0)])
        return np.concatenate([pairs[i] if i in split else centres.points[i][None] for i in range(len(pairs))])


def information(table: np.ndarray, points: np.ndarray) -> float:
    """The Bayesian information criterion of spherical clusters of one variance (Pelleg and Moore, section 3.2)."""
    size, inputs, count = len(table), table.shape[1], len(points)
    if size <= count:
        return -np.inf
    squares = Centres(points).distances(table)
    members = np.bincount(squares.argmin(axis=1), minlength=count)
    # Its logarithm is taken; rows that are all alike have none.
    variance = max(float(squares.min(axis=1).sum()) / (inputs * (size - count)), 1e-300)
    own = members[members > 0]
    likelihood = float((own * np.log(own / size)).sum())
    likelihood -= size * inputs / 2 * np.log(2 * np.pi * variance) + inputs * (size - count) / 2
    free = count * (inputs + 1)
    return likelihood - free / 2 * np.log(size)


# Centres move with every row, in the order of the rows: nothing can be done for several at once.
@numba.njit(nogil=True, cache=True)
def _draw(points, table, order, rate):  # pragma: no cover (compiled)
    for row in order:
        best, least = 0, np.inf
        for k in range(points.shape[0]):
            distance = 0.0
            for j in range(points.shape[1]):
                distance += (table[row, j] - points[k, j]) ** 2
            if distance < least:
                best, least = k, distance
        for j in range(points.shape[1]):
            points[best, j] += rate * (table[row, j] - points[best, j])
