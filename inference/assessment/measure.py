"""A ratio of two means over the ground, by what each cell of the matrix (map, reference) adds to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from isamap.inference.assessment.estimator import Clustered, Design, Estimate, Stratified, Weighted, mean, ratio
from isamap.inference.assessment.intervals import korn_graubard
from isamap.inference.assessment.melded import Interval, Kinds, melded

FEW_CLUSTERS = 3  # that hold what is estimated: below it, points of a cluster are taken for one


@dataclass(frozen=True, eq=False)
class Measure:
    """upper_KK over lower_KK: rows are the map's classes, columns the reference's; offset is added to the ratio."""

    upper_KK: np.ndarray
    lower_KK: np.ndarray
    offset: float = 0.0

    def estimate(self, design: Design, map_N: np.ndarray, reference_N: np.ndarray) -> Estimate:
        """The ratio with its standard error, and its interval by the design's own distribution where there is one."""
        upper_N, lower_N = self.upper_KK[map_N, reference_N], self.lower_KK[map_N, reference_N]
        # Over a constant 1 a ratio is a mean, whose variance needs no linearisation.
        plain = mean(design, upper_N) if (self.lower_KK == 1).all() else ratio(design, upper_N, lower_N)
        if plain.value is None:
            return plain

        def ends() -> Interval | None:
            if isinstance(design, Stratified):
                bounds = melded(self._kinds(design, map_N, reference_N))
                return bounds and (self._cut(bounds[0]), self._cut(bounds[1]))
            return _effective(design, plain, upper_N, lower_N)

        is_known = isinstance(design, Stratified) or self._is_share
        return replace(plain, value=plain.value + self.offset, ends=ends if is_known else None)

    @property
    def _is_share(self) -> bool:
        """Whether the ratio is part of a whole, as an accuracy is; a correction is not."""
        return not self.offset and bool(((self.upper_KK >= 0) & (self.upper_KK <= self.lower_KK)).all())

    def _cut(self, value: float) -> float:
        return min(1.0, max(0.0, value + self.offset))

    def _kinds(self, design: Stratified, map_N: np.ndarray, reference_N: np.ndarray) -> Kinds:
        """Cells that add the same, as one kind; possible in a stratum are those of the map's class that it has."""
        size, strata = len(self.upper_KK), len(design.weights)
        pairs = np.stack([self.upper_KK.ravel(), self.lower_KK.ravel()], axis=1)
        # Cells that add the same are one kind: fewer parameters make the interval no wider than it must be.
        kinds, kind_of = np.unique(pairs, axis=0, return_inverse=True)
        kind_KK = kind_of.reshape(size, size)
        count_HC = np.zeros((strata, len(kinds)))
        np.add.at(count_HC, (design.stratum_N, kind_KK[map_N, reference_N]), 1)
        possible_HC = np.ones((strata, len(kinds)), bool)
        if design.class_H is not None:
            # A stratum of one mapped class can hold only that class's row of the matrix.
            possible_HC[:] = False
            np.put_along_axis(possible_HC, kind_KK[design.class_H], True, axis=1)
        return Kinds(design.weights, count_HC, kinds[:, 0], kinds[:, 1], possible_HC, design.whole_H)


def _effective(design: Design, plain: Estimate, upper_N: np.ndarray, lower_N: np.ndarray) -> Interval | None:
    """By as many points as a simple random sample of the same standard error has (Korn and Graubard 1998).

    Nothing says how alike the points of a cluster are where hardly a cluster holds, or lacks, what is estimated: they
    then count as one.
    """
    if isinstance(design, Clustered):
        clusters = len(design.area_M)
        with_upper, without = (
            len(np.unique(design.cluster_N[each > 0])) for each in (upper_N, np.abs(lower_N - upper_N))
        )
        limit = clusters if min(with_upper, without) < FEW_CLUSTERS else plain.points
        return korn_graubard(plain, limit)
    if isinstance(design, Weighted):
        weight_N = design.weight_N[lower_N > 0]
        return korn_graubard(plain, float(weight_N.sum() ** 2 / (weight_N**2).sum()))
    return None
