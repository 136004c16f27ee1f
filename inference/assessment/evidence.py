"""The points of a sample that count, with their answers and the estimators of their design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isamap.inference.assessment.accuracy import PointClasses
from isamap.inference.assessment.answers import UNCERTAIN, Consensus
from isamap.inference.assessment.estimator import Clustered, Design, Stratified, Weighted, simple
from isamap.inference.assessment.sample import DrawnSample, Point


@dataclass(frozen=True, eq=False)
class Evidence:
    """The points that count: which of the sample's, their answers, and the design's estimators."""

    which_N: np.ndarray
    answers: PointClasses
    design: Design


def evidence_of(sample: DrawnSample, reference: Consensus) -> Evidence:
    """The sample's points with a certain answer."""
    classes = sample.classes
    index = {name: at for at, name in enumerate(classes)}
    which = [at for at, point in enumerate(sample.points) if reference.classes[point.plotid] != UNCERTAIN]
    if len(which) < 2:
        raise ValueError(f"only {len(which)} of {len(sample.points)} points have a certain answer: interpret more")
    points = [sample.points[at] for at in which]
    map_N = np.array([index[point.map_class] for point in points])
    reference_N = np.array([index[reference.classes[point.plotid]] for point in points])
    return Evidence(np.array(which), PointClasses(map_N, reference_N, classes), design_of(sample, np.array(which)))


def design_of(sample: DrawnSample, which_N: np.ndarray) -> Design:
    """The estimators of a sample's design for some of its points (those without an answer are taken as missing at
    random within their stratum or cluster).
    """
    points = [sample.points[at] for at in which_N]
    if sample.design == "cluster":
        return _clustered(sample, points)
    # A flaw, such as a minimum distance, took the strata's known chances away: what is left is a simple sample.
    if sample.design == "stratified" and not sample.flaw:
        return _stratified(sample, points)
    if sample.design == "weighted":
        return Weighted(1 / np.array([point.inclusion for point in points]))
    return simple(len(points))


def _clustered(sample: DrawnSample, points: Sequence[Point]) -> Clustered:
    index = {cluster.index: at for at, cluster in enumerate(sample.clusters)}
    areas = np.array([cluster.km2 for cluster in sample.clusters])
    return Clustered(areas, np.array([index[point.cluster] for point in points]))


def _stratified(sample: DrawnSample, points: Sequence[Point]) -> Stratified:
    names = tuple(stratum.name for stratum in sample.strata)
    weights = np.array([stratum.km2 for stratum in sample.strata]) / sample.total_km2
    stratum_N = np.array([names.index(point.stratum) for point in points])
    pixels_H = np.array([stratum.pixels for stratum in sample.strata])
    return Stratified(weights, stratum_N, names, sample.class_of_strata, pixels_H)
