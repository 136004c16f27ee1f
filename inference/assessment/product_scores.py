"""How well each product, and the map, does on one sample's points: overall accuracy, accuracies and area of impervious.

A product's classes are not the sample's strata, so its accuracies are ratios of means over the ground (Stehman 2014).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.storage import write_whole
from isamap.inference.assessment.accuracy import Accuracy, PointClasses, accuracy
from isamap.inference.assessment.assessment import Assessment
from isamap.inference.assessment.estimator import Design, Estimate, Stratified
from isamap.inference.assessment.evidence import Evidence, design_of
from isamap.inference.assessment.intervals import shown
from isamap.inference.assessment.melded import Interval

IMPERVIOUS = "impervious"
MEASURES = {"overall": "overall accuracy", "users": "user's", "producers": "producer's", "f1": "F1", "iou": "IoU"}
DPI = 120  # of the figure


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
            self.name, f"{self.points}{lacking}", *(shown(*pair) for pair in self.measures.values()),
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
    binary = PointClasses(
        (evidence.answers.map_N == impervious).astype(np.int64),
        (evidence.answers.reference_N == impervious).astype(np.int64),
        ("pervious", IMPERVIOUS),
    )
    result = accuracy(binary, _with_classes(evidence.design, impervious))
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
    answers = PointClasses(own[labelled].astype(np.int64), reference, ("pervious", IMPERVIOUS))
    result = accuracy(answers, _with_classes(design_of(assessment.sample, evidence.which_N[labelled]), None))
    return _scores(name, assessment, result, len(own) - len(labelled), mapped_km2, caution)


def _with_classes(design: Design, impervious: int | None) -> Design:
    """The design, its strata of impervious ground or not by the map that is judged; of a product they may be both."""
    if not isinstance(design, Stratified) or design.class_H is None:
        return design
    return replace(design, class_H=None if impervious is None else (design.class_H == impervious).astype(np.int64))


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


def draw(products: Sequence[ProductScores], path: Path, *, simulated: bool) -> None:
    """Writes a PNG of a panel for each measure, a row for each product."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 1.3 + 0.35 * len(products)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(MEASURES), sharey=True)
    rows = list(range(len(products)))[::-1]
    for axes, (key, title) in zip(panels, MEASURES.items(), strict=True):
        for row, product in zip(rows, products, strict=True):
            estimate, bounds = product.measures[key]
            if estimate.value is None:
                continue
            colour = "#e31a1c" if row == rows[0] else "#333333"
            axes.plot([estimate.value], [row], "o", color=colour, ms=5)
            if bounds is not None:
                axes.plot(bounds, [row, row], "-", color=colour, lw=1.5)
        axes.set_title(title, fontsize=10)
        axes.set_xlim(0, 1.02)
        axes.grid(axis="x", color="#dddddd")
        axes.set_yticks(rows, [product.name for product in products], fontsize=9)
    subject = "Class impervious on the same points, 95 % intervals"
    figure.suptitle(subject + (" (simulated)" if simulated else ""), fontsize=11)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, metadata={"Software": "isamap"})
    write_whole(path, content.getvalue())
