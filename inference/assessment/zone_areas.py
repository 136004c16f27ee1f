"""Ground of each class in each zone: the map's count, corrected by how it errs at the sample's points there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from isamap.inference.assessment.estimator import Clustered, Design, Estimate, Stratified, ratio
from isamap.inference.assessment.evidence import Evidence
from isamap.inference.assessment.intervals import quantile
from isamap.inference.assessment.melded import Interval, Kinds, melded
from isamap.inference.assessment.sample import DrawnSample
from isamap.inference.assessment.zonal import AreaTable
from isamap.inference.assessment.zones import Zones

FEW = 30  # points in a zone below which its interval is called rough


@dataclass(frozen=True)
class ZoneArea:
    """Ground of a class in a zone; None where it has fewer than two points. off_km2: of the zone, not on the map."""

    zone: str
    name: str
    points: int
    mapped_km2: float
    km2: float | None
    error_km2: float | None
    interval_km2: Interval | None
    off_km2: float = 0.0


@dataclass(frozen=True, eq=False)
class ZoneFacts:
    """Zones that share ground with the map, and what the map counts in each."""

    zones: Zones
    mapped: AreaTable


@dataclass(frozen=True, eq=False)
class _Zone:
    """One zone: km2 of the map's classes in it, and which of the points that count lie in it."""

    mapped_K: np.ndarray
    inside_N: np.ndarray

    @property
    def known_km2(self) -> float:
        return float(self.mapped_K.sum())


def zone_areas(
    sample: DrawnSample, evidence: Evidence, facts: ZoneFacts, *, honest: bool = True
) -> tuple[ZoneArea, ...]:
    """Every class in every zone, by the difference estimator.

    honest: intervals from the Beta distributions of the map's classes within the zone (`melded`), which reach as far
    where no error is seen as the points allow; otherwise, and for clusters and unequal weights, the estimate and 1.96
    standard errors on each side.
    """
    lon, lat = (values[evidence.which_N] for values in sample.lonlat)
    rows = []
    for at, inside_N in enumerate(facts.zones.holding(lon, lat)):
        zone, off_km2 = _Zone(facts.mapped.km2[at], inside_N), float(facts.mapped.off_km2[at])
        for index, name in enumerate(sample.classes):
            key = facts.mapped.zones[at], name, int(inside_N.sum()), float(zone.mapped_K[index])
            rows.append(ZoneArea(*key, *_estimated(evidence, zone, index, honest=honest), off_km2))
    return tuple(rows)


def _estimated(
    evidence: Evidence, zone: _Zone, index: int, *, honest: bool
) -> tuple[float | None, float | None, Interval | None]:
    """km2, standard error and interval of a class; None where the zone has fewer than two points."""
    if zone.inside_N.sum() < 2:
        return None, None, None
    inside, answers, known_km2 = zone.inside_N.astype(np.float64), evidence.answers, zone.known_km2
    wrong = (answers.reference_N == index).astype(np.float64) - (answers.map_N == index)
    error = ratio(evidence.design, inside * wrong, inside)
    assert error.value is not None and error.error is not None
    raw_km2 = float(zone.mapped_K[index]) + known_km2 * error.value
    km2 = min(max(raw_km2, 0.0), known_km2)
    reach = _reach(error, evidence.design, zone) * known_km2
    low, high = raw_km2 - reach, raw_km2 + reach
    if honest and isinstance(evidence.design, Stratified):
        bounds = _honest(evidence, zone, index)
        low, high = bounds if bounds is not None else (low, high)
    return km2, known_km2 * error.error, (min(max(0.0, low), km2), max(min(known_km2, high), km2))


def _honest(evidence: Evidence, zone: _Zone, index: int) -> Interval | None:
    """km2 between which the class lies."""
    if _is_by_class(evidence):
        bounds = melded(_by_class(evidence, zone, index))
        return bounds and (bounds[0] * zone.known_km2, bounds[1] * zone.known_km2)
    bounds, mapped_km2 = melded(_by_stratum(evidence, zone, index)), float(zone.mapped_K[index])
    return bounds and (mapped_km2 + bounds[0] * zone.known_km2, mapped_km2 + bounds[1] * zone.known_km2)


def _is_by_class(evidence: Evidence) -> bool:
    """Whether points of one class of the map have equal chances everywhere: one stratum, or the classes as strata."""
    design = evidence.design
    assert isinstance(design, Stratified)
    class_H = design.class_H
    return len(design.weights) == 1 or (class_H is not None and len(set(class_H.tolist())) == len(class_H))


def _by_class(evidence: Evidence, zone: _Zone, index: int) -> Kinds:
    """The zone's points, grouped by the map's class, whose ground in the zone is known."""
    size = len(zone.mapped_K)
    cells_K2 = np.zeros((size, 2))
    answers, inside_N = evidence.answers, zone.inside_N
    np.add.at(cells_K2, (answers.map_N[inside_N], (answers.reference_N[inside_N] == index).astype(int)), 1)
    return Kinds(zone.mapped_K, cells_K2, np.array([0.0, 1.0]), np.ones(2), np.ones((size, 2), bool))


def _by_stratum(evidence: Evidence, zone: _Zone, index: int) -> Kinds:
    """All points by stratum: outside the zone, or inside with the class missed, right, or wrongly mapped."""
    design, answers = evidence.design, evidence.answers
    assert isinstance(design, Stratified)
    wrong_N = (answers.reference_N == index).astype(int) - (answers.map_N == index)
    kind_N = np.where(zone.inside_N, wrong_N + 2, 0)
    count_H4 = np.zeros((len(design.weights), 4))
    np.add.at(count_H4, (design.stratum_N, kind_N), 1)
    upper, lower = np.array([0.0, -1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])
    return Kinds(design.weights, count_H4, upper, lower, np.ones((len(design.weights), 4), bool), design.whole_H)


def _reach(error: Estimate, design: Design, zone: _Zone) -> float:
    """Half an interval; where no point of the zone is wrong, as far as that many right ones allow (Wilson's limit).

    Of clusters only those with points in the zone tell its variance: their number gives Student's degrees of freedom,
    and takes the place of that of all in the variance.
    """
    assert error.error is not None
    if not isinstance(design, Clustered):
        z, spread = quantile(design.degrees), 1.0
    else:
        own, drawn = max(len(np.unique(design.cluster_N[zone.inside_N])), 2), len(design.area_M)
        z, spread = quantile(own - 1), math.sqrt(own / (own - 1) * (drawn - 1) / drawn)
    return z * spread * error.error if error.error > 0 else z**2 / (error.points + z**2)
