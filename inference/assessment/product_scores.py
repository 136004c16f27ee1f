"""How well each product, and the map, does on one sample's points: overall accuracy, accuracies and area of impervious.

A product's classes are not the sample's strata, so its accuracies are ratios of means over the ground (Stehman 2014).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gee_export.base.scheme import UNKNOWN
from inference.assessment.accuracy import Accuracy, Answers, accuracy
from inference.assessment.assessment import Assessment, Evidence, design_of
from inference.assessment.estimator import Estimate
from inference.assessment.intervals import Interval

IMPERVIOUS = "impervious"


@dataclass(frozen=True, eq=False)
class ProductScores:
    """Accuracies of a product on the points that it knows; mapped_km2: its own count on the map's ground, if counted.

    lacking: points on which the product has no class, which are left out of its accuracies.
    """

    HEADER: ClassVar[tuple[str, ...]] = (
        "product", "points", "overall", "user's", "producer's", "F1", "IoU", "counted km2", "count's bias",
    )  # fmt: skip

    name: str
    points: int
    lacking: int
    measures: Mapping[str, tuple[Estimate, Interval | None]]
    mapped_km2: float | None
    bias_percent: float | None
    caution: str = ""

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of HEADER."""
        lacking = f" (+{self.lacking} unknown)" if self.lacking else ""
        return (
            self.name, f"{self.points}{lacking}", *(_cell(*pair) for pair in self.measures.values()),
            "" if self.mapped_km2 is None else f"{self.mapped_km2:,.3f}",
            "" if self.bias_percent is None else f"{self.bias_percent:+.1f} %",
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "name": self.name,
            "points": self.points,
            "lacking": self.lacking,
            "mapped_km2": self.mapped_km2,
            "bias_percent": self.bias_percent,
            "caution": self.caution,
            **{
                key: {"value": estimate.value, "standard_error": estimate.error, "interval": bounds}
                for key, (estimate, bounds) in self.measures.items()
            },
        }


def of_map(assessment: Assessment, evidence: Evidence) -> ProductScores:
    """The map's own scores, beside which products stand."""
    impervious = assessment.sample.classes.index(IMPERVIOUS)
    binary = Answers(
        (evidence.answers.map_N == impervious).astype(np.int64),
        (evidence.answers.reference_N == impervious).astype(np.int64),
        ("pervious", IMPERVIOUS),
    )
    result = accuracy(binary, evidence.design)
    return _scores("this map", assessment, result, 0, assessment.sample.class_km2[IMPERVIOUS])


def of_product(
    name: str,
    assessment: Assessment,
    evidence: Evidence,
    label_N: np.ndarray,
    mapped_km2: float | None = None,
    caution: str = "",
) -> ProductScores:
    """A product's scores from its labels (1 impervious, 0 not, 255 unknown) at all points of the sample.

    ValueError where it knows too few of the points for an estimate.
    """
    own = label_N[evidence.which_N]
    labelled = np.flatnonzero(own != UNKNOWN)
    if len(labelled) < 2:
        raise ValueError(f"it knows {len(labelled)} of the {len(own)} points")
    impervious = assessment.sample.classes.index(IMPERVIOUS)
    reference = (evidence.answers.reference_N[labelled] == impervious).astype(np.int64)
    answers = Answers(own[labelled].astype(np.int64), reference, ("pervious", IMPERVIOUS))
    result = accuracy(answers, design_of(assessment.sample, evidence.which_N[labelled]))
    return _scores(name, assessment, result, len(own) - len(labelled), mapped_km2, caution)


def _scores(
    name: str, assessment: Assessment, result: Accuracy, lacking: int, mapped_km2: float | None, caution: str = ""
) -> ProductScores:
    scores = result.classes[1]
    interval = (lambda estimate: None) if assessment.sample.flaw else assessment.interval
    named = {
        "overall": result.overall,
        "users": scores.users,
        "producers": scores.producers,
        "f1": scores.f1,
        "iou": scores.iou,
    }
    truth = next((each.km2 for each in assessment.areas if (each.name, each.estimator) == (IMPERVIOUS, "design")), None)
    bias = None if mapped_km2 is None or not truth else 100 * (mapped_km2 / truth - 1)
    return ProductScores(
        name, int(result.counts.sum()), lacking, {key: (value, interval(value)) for key, value in named.items()},
        mapped_km2, bias, caution,
    )  # fmt: skip


def _cell(estimate: Estimate, bounds: Interval | None) -> str:
    if estimate.value is None:
        return "not defined"
    return f"{estimate.value:.3f}" + (f" ({bounds[0]:.3f} to {bounds[1]:.3f})" if bounds else "")
