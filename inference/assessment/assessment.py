"""An assessment: a sample and its answers, made into accuracies and areas with intervals, for the map and by zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from isamap.inference.assessment import doubts
from isamap.inference.assessment.accuracy import Accuracy, PointClasses, accuracy
from isamap.inference.assessment.answers import Consensus
from isamap.inference.assessment.estimator import Design, Estimate, PostStratified, covariance
from isamap.inference.assessment.evidence import Evidence, evidence_of
from isamap.inference.assessment.intervals import DEFAULT, interval_named
from isamap.inference.assessment.measure import Measure
from isamap.inference.assessment.melded import Interval
from isamap.inference.assessment.sample import DrawnSample
from isamap.inference.assessment.zone_areas import ZoneArea, ZoneFacts, zone_areas


@dataclass(frozen=True)
class AreaEstimate:
    """Ground of a class by one estimator: km2, standard error and interval; mapped_km2 is the map's own count."""

    name: str
    estimator: str
    mapped_km2: float
    km2: float
    error_km2: float
    interval_km2: Interval | None


@dataclass(frozen=True, eq=False)
class Assessment:
    """Accuracies and areas of a map; areas are empty, and refusal says why, where the sample is no probability sample.

    uncertain: points left out as nobody was sure. bounds: overall accuracy if all of those were wrong, or right.
    warnings: what the sample itself says against its estimates.
    """

    sample: DrawnSample
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
    warnings: tuple[str, ...] = ()

    def of(self, name: str, estimator: str = "design") -> AreaEstimate:
        """The area of a class by an estimator."""
        return next(each for each in self.areas if (each.name, each.estimator) == (name, estimator))


def assess(sample: DrawnSample, reference: Consensus, *, interval: str = DEFAULT, zones: ZoneFacts | None = None,
           simulated_answers: bool = False) -> Assessment:  # fmt: skip
    """The assessment of a sample's map by reference answers.

    ValueError: zones asked of a sample that is no probability sample, strata left without points.
    """
    evidence, interval_of = evidence_of(sample, reference), interval_named(interval)
    if sample.flaw and zones is not None:
        raise ValueError(f"areas by zone need a probability sample: {sample.flaw}")
    is_probable = not sample.flaw
    return Assessment(
        sample=sample,
        accuracy=accuracy(evidence.answers, evidence.design),
        areas=_areas(sample, evidence, interval_of) if is_probable else (),
        zones=() if zones is None else zone_areas(sample, evidence, zones, honest=interval == DEFAULT),
        interval=interval_of,
        points=len(evidence.which_N),
        uncertain=len(sample.points) - len(evidence.which_N),
        bounds=doubts.overall_bounds(sample, reference),
        interpreters=reference.interpreters,
        agreement=reference.agreement,
        simulated_answers=simulated_answers,
        refusal=f"no area is estimated from this sample: {sample.flaw}" if sample.flaw else "",
        notes=sample.notes,
        warnings=(*doubts.contradictions(sample), *(doubts.unseen_errors(sample, evidence) if is_probable else ())),
    )


def _areas(sample: DrawnSample, evidence: Evidence, interval) -> tuple[AreaEstimate, ...]:
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


def shares(sample: DrawnSample, evidence: Evidence, index: int) -> Mapping[str, Estimate]:
    """A class's share of the ground by every estimator that the design allows."""
    design, answers = evidence.design, evidence.answers
    map_mean = sample.class_km2[answers.classes[index]] / sample.total_km2
    weights = {"design": 0.0}
    if not (sample.design == "stratified" and sample.class_of_strata is not None):
        weights |= {"difference": 1.0, "regression": best_weight(design, answers, index)}
    estimates = {name: corrected(design, answers, index, map_mean, weight) for name, weight in weights.items()}
    groups = poststrata(sample, answers)
    return estimates if groups is None else estimates | {"poststratified": corrected(groups, answers, index, 0.0, 0.0)}


def poststrata(sample: DrawnSample, answers: PointClasses) -> PostStratified | None:
    """A simple or systematic sample grouped by the map's classes; None for others and where a class has few points."""
    if sample.design not in ("simple", "systematic") or sample.flaw:
        return None
    weights = np.array([sample.class_km2[name] for name in answers.classes]) / sample.total_km2
    counts = np.bincount(answers.map_N, minlength=len(weights))
    if ((counts < 2) & (weights > 0)).any():
        return None
    return PostStratified(weights, answers.map_N, answers.classes, class_H=np.arange(len(weights)))


def _scaled(bounds: Interval | None, factor: float) -> Interval | None:
    return None if bounds is None else (bounds[0] * factor, bounds[1] * factor)


def corrected(design: Design, answers: PointClasses, index: int, map_mean: float, weight: float) -> Estimate:
    """A class's share of the ground: the map's own share map_mean, weighted, and the mean of what it leaves.

    Weight 1 is the difference estimator, which takes the count as it is and adds the mean error; as prediction-powered
    inference it is the same formula (Angelopoulos et al. 2023, Science 382, 669-674). The weight of least variance
    makes it the regression estimator (Särndal et al. 1992, section 6.4; PPI++, Angelopoulos et al. 2023,
    arXiv:2311.01453), never much worse than the sample alone, however poor the map. Weight 0 leaves the sample alone.
    """
    size = len(answers.classes)
    mapped_KK = np.zeros((size, size))
    mapped_KK[index] = 1
    measure = Measure(mapped_KK.T - weight * mapped_KK, np.ones((size, size)), weight * map_mean)
    return measure.estimate(design, answers.map_N, answers.reference_N)


def best_weight(design: Design, answers: PointClasses, index: int) -> float:
    """The weight of least variance; 0 where the map is the same at every point."""
    reference_N, map_N = ((each == index).astype(float) for each in (answers.reference_N, answers.map_N))
    spread = design.variance(map_N)
    # A constant map explains nothing: then the sample speaks alone.
    return covariance(design, reference_N, map_N) / spread if spread > 0 else 0.0
