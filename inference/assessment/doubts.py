"""What a sample itself says against its estimates: uncertain points, errors hardly seen, a design that is not so."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from isamap.inference.assessment.answers import UNCERTAIN, Consensus
from isamap.inference.assessment.estimator import Stratified
from isamap.inference.assessment.evidence import Evidence, design_of
from isamap.inference.assessment.melded import Interval
from isamap.inference.assessment.sample import DrawnSample

LARGE_SHARE = 0.05  # of the ground: a stratum of more than this is expected to show some error
MOST_DEVIATIONS = 4.0  # one honest sample in 16,000 lies further from the map's own shares
FEWEST_POINTS = 10


def overall_bounds(sample: DrawnSample, reference: Consensus) -> Interval | None:
    """Overall accuracy if all uncertain points were wrong, and if all were right; None where none is uncertain.

    Each point stands for its own ground, as in the estimates.
    """
    answers = [reference.classes[point.plotid] for point in sample.points]
    uncertain_N = np.array([answer == UNCERTAIN for answer in answers])
    if not uncertain_N.any():
        return None
    right_N = np.array([point.map_class == answer for point, answer in zip(sample.points, answers, strict=True)])
    design = design_of(sample, np.arange(len(sample.points)))
    return design.mean(right_N.astype(float)), design.mean((right_N | uncertain_N).astype(float))


def unseen_errors(sample: DrawnSample, evidence: Evidence) -> list[str]:
    """A sentence for each stratum (class of the map, where there are no strata) of much ground and no error."""
    right_N = evidence.answers.map_N == evidence.answers.reference_N
    names, weights, group_N = _groups(sample, evidence)
    lines = []
    for at, name in enumerate(names):
        own_N = group_N == at
        if weights[at] > LARGE_SHARE and own_N.any() and right_N[own_N].all():
            lines.append(
                f"none of the {int(own_N.sum())} points of {name!r}, {weights[at]:.0%} of the ground, shows an error: "
                "what the map misses there may be large beside a rare class, and only the interval says how large; "
                "interpret more points there, or draw a sample with a stratum around the rare class (--buffer)"
            )
    return lines


def _groups(sample: DrawnSample, evidence: Evidence) -> tuple[Sequence[str], np.ndarray, np.ndarray]:
    """Names, shares of the ground, and the group of each point that counts."""
    design = evidence.design
    if isinstance(design, Stratified) and len(design.weights) > 1:
        # What is known to its last pixel hides no error.
        return design.names, np.where(design.whole_H, 0.0, design.weights), design.stratum_N
    weights = np.array([sample.class_km2[name] for name in sample.classes]) / sum(sample.class_km2.values())
    return sample.classes, weights, evidence.answers.map_N


def contradictions(sample: DrawnSample) -> list[str]:
    """A sentence where the points hold a class of the map far more or less often than their design lets them."""
    if sample.flaw or len(sample.points) < FEWEST_POINTS:
        return []
    design, ground = design_of(sample, np.arange(len(sample.points))), sum(sample.class_km2.values())
    lines = []
    for name, km2 in sample.class_km2.items():
        mapped_N = np.array([point.map_class == name for point in sample.points], float)
        share, known_share = design.mean(mapped_N), km2 / ground
        # At least the spread of so many points: a design's own estimate is 0 where all points agree.
        binomial = known_share * (1 - known_share) / len(mapped_N)
        error = 0.0 if _is_fixed(design, mapped_N) else math.sqrt(max(design.variance(mapped_N), binomial))
        if abs(share - known_share) > max(MOST_DEVIATIONS * error, 1e-6):
            lines.append(
                f"by the design {sample.design!r} {share:.1%} of the ground would be mapped as {name}, the map has "
                f"{known_share:.1%}: chance does not explain that, so the points were not drawn that way and nothing "
                "estimated here holds; say how they were drawn (--design, a column inclusion)"
            )
    # One: the shares of all classes sum to one, so that the others follow from the first.
    return lines[:1]


def _is_fixed(design: object, mapped_N: np.ndarray) -> bool:
    """Whether the design itself decides the shares of the map's classes."""
    return isinstance(design, Stratified) and design.class_H is not None
