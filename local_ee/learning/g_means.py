"""G-means: k-means with as many clusters as are needed until each looks normal along the line of its halves.

Sources: G. Hamerly, C. Elkan, Learning the k in k-means, NIPS 2003, section 2; T. Anderson, D. Darling, J. Am. Stat.
Assoc. 49 (1954), 765-769.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from local_ee import budget
from local_ee.learning.clusterer import Centres
from local_ee.learning.k_means import Lloyd, starting_at

LEAST_ROWS = 8  # of a cluster that is tested
_TINY = 1e-300  # of a probability whose logarithm is taken


@dataclass(frozen=True)
class GMeans:
    """Splits the clusters whose statistic is above the critical value, in rounds; at most so many clusters."""

    critical: float
    rounds: int
    most: int

    def run(self, table: np.ndarray) -> Centres:
        """The centres of the clusters; one at least."""
        centres = Centres(table.mean(axis=0)[None])
        for _ in range(self.rounds):
            budget.check()
            points = self._split(table, centres)
            if len(points) == len(centres.points):
                break
            centres = self._lloyd(points).run(table, len(points), np.random.default_rng(0))
        return centres

    def _lloyd(self, points: np.ndarray) -> Lloyd:
        return Lloyd("Euclidean", starting_at(points), self.rounds)

    def _split(self, table: np.ndarray, centres: Centres) -> np.ndarray:
        """The centres, with the two of its halves instead of each that does not look normal."""
        member = centres.nearest(table)
        halves = [self._halves(table[member == k]) for k in range(len(centres.points))]
        room = self.most - len(centres.points)
        result: list[np.ndarray] = []
        for parent, pair in zip(centres.points, halves, strict=True):
            points = pair if pair is not None and room > 0 else parent[None]
            result.append(points)
            room -= len(points) - 1
        return np.concatenate(result)

    def _halves(self, rows: np.ndarray) -> np.ndarray | None:
        """The two centres of rows that do not look normal along the line between them; None for others."""
        if len(rows) < LEAST_ROWS or not rows.std(axis=0).any():
            return None
        start = halving(rows)
        if not np.isfinite(start).all():  # numbers so large that they have no variance
            return None
        pair = self._lloyd(start).run(rows, 2, np.random.default_rng(0)).points
        if len(pair) < 2:
            return None
        return pair if anderson_darling(rows @ (pair[0] - pair[1])) > self.critical else None


def halving(rows: np.ndarray) -> np.ndarray:
    """Two points on the first principal component, the root of twice its variance over pi from the mean."""
    mean = rows.mean(axis=0)
    variances, directions = np.linalg.eigh(np.atleast_2d(np.cov(rows, rowvar=False)))
    away = directions[:, -1] * np.sqrt(2 * variances[-1] / np.pi)
    return np.stack([mean + away, mean - away])


def anderson_darling(numbers: np.ndarray) -> float:
    """The statistic for a normal distribution with their own mean and deviation, times 1 + 4/n - 25/n^2; 0 for one."""
    from scipy.special import ndtr

    count, deviation = len(numbers), numbers.std(ddof=1)
    if not deviation > 0:
        return 0.0
    share = ndtr(np.sort(numbers - numbers.mean()) / deviation)
    odd = 2 * np.arange(1, count + 1) - 1
    logs = np.log(np.maximum(share, _TINY)) + np.log(np.maximum(1 - share[::-1], _TINY))
    return float((-count - (odd * logs).sum() / count) * (1 + 4 / count - 25 / count**2))
