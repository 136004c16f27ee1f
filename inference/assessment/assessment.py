"""An assessment: a sample and its answers, made into accuracies and areas with intervals, for the map and by zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from inference.assessment import model_assisted
from inference.assessment.accuracy import Accuracy, Answers, accuracy
from inference.assessment.answers import UNCERTAIN, Consensus
from inference.assessment.estimator import (
    Clustered,
    Design,
    Estimate,
    PostStratified,
    Stratified,
    Weighted,
    mean,
    ratio,
    simple,
)
from inference.assessment.intervals import Interval, interval_named
from inference.assessment.sample import Sample
from inference.assessment.zonal import AreaTable
from inference.assessment.zones import Zones

FEW = 30  # points in a zone below which its interval is called rough


@dataclass(frozen=True)
class AreaEstimate:
    """Ground of a class by one estimator: km2, standard error and interval; mapped_km2 is the map's own count."""

    name: str
    estimator: str
    mapped_km2: float
    km2: float
    error_km2: float
    interval_km2: Interval | None


@dataclass(frozen=True)
class ZoneArea:
    """Ground of a class in a zone; None where it has fewer than two points."""

    zone: str
    name: str
    points: int
    mapped_km2: float
    km2: float | None
    error_km2: float | None
    interval_km2: Interval | None


@dataclass(frozen=True, eq=False)
class Assessment:
    """Accuracies and areas of a map; areas are empty, and refusal says why, where the sample is no probability sample.

    uncertain: points left out as nobody was sure. bounds: overall accuracy if all of those were wrong, or right.
    """

    sample: Sample
    accuracy: Accuracy
    areas: tuple[AreaEstimate, ...]
    zones: tuple[ZoneArea, ...]
    interval: Callable[[Estimate], Interval | None]
    points: int
    uncertain: int
    bounds: Interval | None
    interpreters: tuple[str, ...]
    agreement: float | None
    simulated_answers: bool = False
    refusal: str = ""
    notes: tuple[str, ...] = ()

    def of(self, name: str, estimator: str = "design") -> AreaEstimate:
        """The area of a class by an estimator."""
        return next(each for each in self.areas if (each.name, each.estimator) == (name, estimator))


@dataclass(frozen=True, eq=False)
class Evidence:
    """The points that count: which of the sample's, their answers, and the design's estimators."""

    which_N: np.ndarray
    answers: Answers
    design: Design


def assess(sample: Sample, reference: Consensus, *, interval: str = "wilson", zones: ZoneFacts | None = None,
           simulated_answers: bool = False) -> Assessment:  # fmt: skip
    """The assessment of a sample's map by reference answers.

    ValueError: zones asked of a sample that is no probability sample, strata left without points.
    """
    evidence, interval_of = evidence_of(sample, reference), interval_named(interval)
    if sample.flaw and zones is not None:
        raise ValueError(f"areas by zone need a probability sample: {sample.flaw}")
    result = accuracy(evidence.answers, evidence.design)
    return Assessment(
        sample=sample,
        accuracy=result,
        areas=() if sample.flaw else _areas(sample, evidence, interval_of),
        zones=() if zones is None else _zone_areas(sample, evidence, zones),
        interval=interval_of,
        points=len(evidence.which_N),
        uncertain=len(sample.points) - len(evidence.which_N),
        bounds=_bounds(result, len(evidence.which_N), len(sample.points)),
        interpreters=reference.interpreters,
        agreement=reference.agreement,
        simulated_answers=simulated_answers,
        refusal=f"no area is estimated from this sample: {sample.flaw}" if sample.flaw else "",
        notes=sample.notes,
    )


def evidence_of(sample: Sample, reference: Consensus) -> Evidence:
    """The sample's points with a certain answer."""
    classes = sample.classes
    index = {name: at for at, name in enumerate(classes)}
    which = [at for at, point in enumerate(sample.points) if reference.classes[point.plotid] != UNCERTAIN]
    if len(which) < 2:
        raise ValueError(f"only {len(which)} of {len(sample.points)} points have a certain answer: interpret more")
    points = [sample.points[at] for at in which]
    map_N = np.array([index[point.map_class] for point in points])
    reference_N = np.array([index[reference.classes[point.plotid]] for point in points])
    return Evidence(np.array(which), Answers(map_N, reference_N, classes), design_of(sample, np.array(which)))


def design_of(sample: Sample, which_N: np.ndarray) -> Design:
    """The estimators of a sample's design for some of its points (those without an answer are taken as missing at
    random within their stratum or cluster).
    """
    points = [sample.points[at] for at in which_N]
    if sample.design == "cluster":
        index = {cluster.index: at for at, cluster in enumerate(sample.clusters)}
        areas = np.array([cluster.km2 for cluster in sample.clusters])
        return Clustered(areas, np.array([index[point.cluster] for point in points]))
    if sample.design == "stratified" and not sample.flaw:
        names = tuple(stratum.name for stratum in sample.strata)
        weights = np.array([stratum.km2 for stratum in sample.strata]) / sample.total_km2
        return Stratified(weights, np.array([names.index(point.stratum) for point in points]), names)
    if sample.design == "weighted":
        return Weighted(1 / np.array([point.inclusion for point in points]))
    return simple(len(points))


def _areas(sample: Sample, evidence: Evidence, interval) -> tuple[AreaEstimate, ...]:
    rows = []
    for index, name in enumerate(sample.classes):
        for estimator, share in shares(sample, evidence, index).items():
            area = share.times(sample.total_km2)
            if area.value is None or area.error is None:
                continue
            bounds = interval(share)
            rows.append(
                AreaEstimate(
                    name, estimator, sample.class_km2[name], area.value, area.error, _scaled(bounds, sample.total_km2)
                )
            )
    return tuple(rows)


def shares(sample: Sample, evidence: Evidence, index: int) -> Mapping[str, Estimate]:
    """A class's share of the ground by every estimator that the design allows."""
    design, answers = evidence.design, evidence.answers
    reference = (answers.reference_N == index).astype(np.float64)
    mapped = (answers.map_N == index).astype(np.float64)
    map_mean = sample.class_km2[answers.classes[index]] / sample.total_km2
    estimates = {"design": mean(design, reference)}
    if not (sample.design == "stratified" and sample.strata_are_classes):
        estimates["difference"] = model_assisted.difference(design, reference, mapped, map_mean)
        estimates["regression"] = model_assisted.regression(design, reference, mapped, map_mean)
    groups = poststrata(sample, answers)
    if groups is not None:
        estimates["poststratified"] = mean(groups, reference)
    return estimates


def poststrata(sample: Sample, answers: Answers) -> PostStratified | None:
    """A simple or systematic sample grouped by the map's classes; None for others and where a class has few points."""
    if sample.design not in ("simple", "systematic") or sample.flaw:
        return None
    weights = np.array([sample.class_km2[name] for name in answers.classes]) / sample.total_km2
    counts = np.bincount(answers.map_N, minlength=len(weights))
    if ((counts < 2) & (weights > 0)).any():
        return None
    return PostStratified(weights, answers.map_N, answers.classes)


@dataclass(frozen=True, eq=False)
class ZoneFacts:
    """Zones, and what the map counts in each."""

    zones: Zones
    mapped: AreaTable


def _zone_areas(sample: Sample, evidence: Evidence, facts: ZoneFacts) -> tuple[ZoneArea, ...]:
    lon, lat = (values[evidence.which_N] for values in sample.lonlat)
    rows = []
    for zone, inside_N in zip(facts.zones.names, facts.zones.holding(lon, lat), strict=True):
        for index, name in enumerate(sample.classes):
            rows.append(_zone_area(evidence, facts.mapped, (zone, name, index), inside_N))
    return tuple(rows)


def _zone_area(evidence: Evidence, mapped: AreaTable, key: tuple[str, str, int], inside_N: np.ndarray) -> ZoneArea:
    """The map's count in a zone, corrected by its error at the sample's points there (difference estimator)."""
    zone, name, index = key
    known_km2 = float(mapped.known_km2[mapped.zones.index(zone)])
    map_km2, points = mapped.of(zone, name), int(inside_N.sum())
    if points < 2:
        return ZoneArea(zone, name, points, map_km2, None, None, None)
    inside, answers = inside_N.astype(np.float64), evidence.answers
    wrong = (answers.reference_N == index).astype(np.float64) - (answers.map_N == index)
    error = ratio(evidence.design, inside * wrong, inside)
    assert error.value is not None and error.error is not None
    km2, spread = map_km2 + known_km2 * error.value, known_km2 * error.error
    reach = _reach(error) * known_km2
    bounds = max(0.0, km2 - reach), min(known_km2, km2 + reach)
    return ZoneArea(zone, name, points, map_km2, min(max(km2, 0.0), known_km2), spread, bounds)


def _reach(error: Estimate) -> float:
    """Half an interval; where no point of the zone is wrong, as far as that many right ones allow (Wilson's limit)."""
    from inference.assessment.intervals import quantile

    z = quantile(error.degrees)
    assert error.error is not None
    return z * error.error if error.error > 0 else z**2 / (error.points + z**2)


def _bounds(result: Accuracy, count: int, total: int) -> Interval | None:
    if count == total or result.overall.value is None:
        return None
    share = count / total
    return share * result.overall.value, share * result.overall.value + 1 - share


def _scaled(bounds: Interval | None, factor: float) -> Interval | None:
    return None if bounds is None else (bounds[0] * factor, bounds[1] * factor)
