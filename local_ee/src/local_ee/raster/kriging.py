"""Values between points: weights by inverse distance, and kriging.

Sources: guides/interpolation; N. Cressie, Statistics for Spatial Data (1993), sections 2.3 and 3.2 (ordinary kriging).
Distances are great circles of a sphere of the Earth's mean radius.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from local_ee import budget

RADIUS_M = 6_371_008.8
_BLOCK_TARGETS = 4096  # whose neighbours are held at a time
_NUMBER_BYTES = 8
Semivariance = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Places:
    """Points on the sphere: unit vectors [point, 3], and the value of each."""

    vectors: np.ndarray
    values: np.ndarray

    def near(self, vectors: np.ndarray, distance_m: float) -> list[list[int]]:
        """The points within a distance of each place, in ascending order."""
        from scipy.spatial import cKDTree

        chord = 2 * np.sin(min(distance_m / RADIUS_M, np.pi) / 2)
        neighbours = cKDTree(self.vectors).query_ball_point(vectors, chord, return_sorted=True)
        return [list(each) for each in neighbours]


def vectors_of(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Unit vectors [point, 3] of degrees."""
    east, north = np.radians(np.ravel(lon)), np.radians(np.ravel(lat))
    return np.column_stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])


def distances_m(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Great circles [left, right] between unit vectors."""
    chords = np.sqrt(((left[:, None] - right[None]) ** 2).sum(axis=2))
    return 2 * RADIUS_M * np.arcsin(np.clip(chords / 2, 0, 1))


def semivariance(shape: str, *, range_m: float, sill: float, nugget: float) -> Semivariance:
    """How half the variance of differences grows with distance; 0 at distance 0.

    Assumption: the sill is the total one, with the nugget; the range is where a spherical curve reaches it, and the
    others 95 % of it.
    """
    curves: dict[str, Semivariance] = {
        "exponential": lambda share: 1 - np.exp(-3 * share),
        "gaussian": lambda share: 1 - np.exp(-3 * share**2),
        "spherical": lambda share: np.where(share < 1, 1.5 * share - 0.5 * share**3, 1),
    }
    curve = curves[shape]
    return lambda distance: np.where(distance > 0, nugget + (sill - nugget) * curve(distance / range_m), 0)


def interpolated(
    places: Places, targets: np.ndarray, reach_m: float, estimate: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates at targets, and where there are any: targets with the same points in reach are estimated together.

    estimate: from the points in reach and the targets' distances [target, point] to the estimates.
    """
    values, valid = np.zeros(len(targets)), np.zeros(len(targets), bool)
    for start in range(0, len(targets), _BLOCK_TARGETS):
        groups: dict[tuple[int, ...], list[int]] = {}
        for offset, members in enumerate(places.near(targets[start : start + _BLOCK_TARGETS], reach_m)):
            if members:
                groups.setdefault(tuple(members), []).append(start + offset)
        for points, rows in groups.items():
            budget.check()
            near = np.array(points)
            budget.allocate(len(near) * (len(near) + len(rows)) * _NUMBER_BYTES * 4)
            values[rows] = estimate(near, distances_m(targets[rows], places.vectors[near]))
            valid[rows] = True
    return values, valid


def ordinary(places: Places, curve: Semivariance) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The best linear unbiased estimate: weights that sum to one and have the least variance of error."""

    def estimate(points: np.ndarray, distance: np.ndarray) -> np.ndarray:
        size = len(points)
        system = np.ones((size + 1, size + 1))
        system[:size, :size] = curve(distances_m(places.vectors[points], places.vectors[points]))
        system[size, size] = 0
        target = np.ones((size + 1, len(distance)))
        target[:size] = curve(distance).T
        weights = np.linalg.lstsq(system, target, rcond=None)[0][:size]
        result: np.ndarray = places.values[points] @ weights
        return result

    return estimate


def inverse_distance(
    places: Places, *, range_m: float, mean: float, deviation: float, gamma: float
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Standard scores weighted by inverse distance, drawn to 0 as the nearest point is farther away, as values.

    Assumption (Google documents the parameters only): weights are 1 / distance; the weighted score is multiplied by
    (1 - nearest / range) ** gamma, so that it is the global mean at the range, and the value itself at a point.
    """
    scores = (places.values - mean) / deviation

    def estimate(points: np.ndarray, distance: np.ndarray) -> np.ndarray:
        nearest = distance.min(axis=1)
        weights = 1 / np.maximum(distance, 1e-6)
        score = (weights * scores[points]).sum(axis=1) / weights.sum(axis=1)
        decay = np.clip(1 - nearest / range_m, 0, 1) ** gamma
        result: np.ndarray = mean + deviation * decay * score
        return result

    return estimate
