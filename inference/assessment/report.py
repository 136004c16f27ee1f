"""What an assessment found, as text, JSON, Markdown and HTML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isamap.gee_export.base.atomic import check_writable, write_whole
from isamap.inference.assessment.assessment import Assessment
from isamap.inference.assessment.estimator import Estimate
from isamap.inference.assessment.intervals import shown
from isamap.inference.assessment.melded import Interval
from isamap.inference.assessment.product_scores import ProductScores
from isamap.inference.assessment.tables import Table, page
from isamap.inference.assessment.zone_areas import FEW

VERSION = 1
JSON, MARKDOWN, HTML = "report.json", "report.md", "report.html"
KAPPA_NOTE = (
    "kappa is printed because papers do; it is no share of ground and says little beyond overall accuracy (Pontius and "
    "Millones 2011): do not judge a map by it"
)
SIMULATED_ANSWERS = "simulated: the answers are the simulated world's truth, so nothing here is about a real place"
SIMULATED_MAP = "simulated: the map shows no real place"
ESTIMATORS = {
    "design": "sample alone",
    "poststratified": "post-stratified by the map",
    "difference": "map corrected by the sample (difference)",
    "regression": "map weighted and corrected (regression)",
}


@dataclass(frozen=True, eq=False)
class AssessmentReport:
    """An assessment with those of other products on the same points."""

    assessment: Assessment
    products: tuple[ProductScores, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """What was measured and what to mind, a sentence a line."""
        assessment = self.assessment
        accuracy, sample = assessment.accuracy, assessment.sample
        probable = not sample.flaw
        head = f"{assessment.points} points of a {sample.design} sample, {sample.total_km2:,.2f} km2 of mapped ground"
        overall = f"overall accuracy {_share(accuracy.overall, assessment.interval if probable else None)}"
        simulated = [SIMULATED_ANSWERS] if assessment.simulated_answers else [SIMULATED_MAP] if sample.simulated else []
        uncertain = f"{assessment.uncertain} points are uncertain and left out: overall accuracy lies between "
        return tuple(
            [
                head,
                overall if probable else f"{overall} of these points alone",
                f"kappa {_share(accuracy.kappa, None)}: {KAPPA_NOTE}",
                *(
                    [f"{uncertain}{assessment.bounds[0]:.3f} and {assessment.bounds[1]:.3f} whatever they are"]
                    if assessment.bounds
                    else []
                ),
                *(
                    [f"interpreters agree on {assessment.agreement:.1%} of the points"]
                    if assessment.agreement is not None
                    else []
                ),
                *([f"warning: {assessment.refusal}"] if assessment.refusal else []),
                *(f"warning: {text}" for text in assessment.warnings),
                *(f"note: {note}" for note in assessment.notes),
                *simulated,
            ]
        )

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table, those without rows left out."""
        made = (
            _matrix(self.assessment), _cells(self.assessment), _classes(self.assessment), _areas(self.assessment),
            _zones(self.assessment), _products(self.products),
        )  # fmt: skip
        return tuple(table for table in made if table.rows)

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n\n" + "\n\n".join(table.text() for table in self.tables)

    def markdown(self) -> str:
        """The report as Markdown."""
        return (
            "# Accuracy and area\n\n" + "\n\n".join([*self.lines, *(table.markdown() for table in self.tables)]) + "\n"
        )

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        assessment, accuracy = self.assessment, self.assessment.accuracy
        interval = assessment.interval if not assessment.sample.flaw else lambda estimate: None
        return {
            "version": VERSION,
            "maps": list(assessment.sample.maps),
            "design": {"name": assessment.sample.design, **assessment.sample.settings, "flaw": assessment.sample.flaw},
            "simulated": {"map": assessment.sample.simulated, "answers": assessment.simulated_answers},
            "points": assessment.points,
            "uncertain": assessment.uncertain,
            "interpreters": list(assessment.interpreters),
            "agreement": assessment.agreement,
            "classes": list(assessment.sample.classes),
            "counts": accuracy.counts.tolist(),
            "cells": accuracy.cells.tolist(),
            "overall": _plain(accuracy.overall, interval),
            "kappa": _plain(accuracy.kappa, lambda estimate: None),
            "by_class": {
                each.name: {
                    key: _plain(getattr(each, key), interval)
                    for key in ("users", "producers", "f1", "iou", "share", "mapped_share")
                }
                for each in accuracy.classes
            },
            "areas": [vars(each) for each in assessment.areas],
            "zones": [vars(each) for each in assessment.zones],
            "area_refused": assessment.refusal,
            "warnings": list(assessment.warnings),
            "products": [each.to_json() for each in self.products],
            "lines": list(self.lines),
        }

    def write(self, out: Path, picture: str = "") -> None:
        """Writes report.json, report.md and report.html into a folder."""
        out = Path(out)
        for name in (JSON, MARKDOWN, HTML):
            check_writable(out / name)
        write_whole(out / MARKDOWN, self.markdown().encode())
        write_whole(out / HTML, page("Accuracy and area", self.lines, self.tables, picture).encode())
        write_whole(out / JSON, (json.dumps(self.to_json(), indent=1) + "\n").encode())


def _matrix(assessment: Assessment) -> Table:
    counts, names = assessment.accuracy.counts, assessment.sample.classes
    rows = [(name, *map(str, counts[at]), str(counts[at].sum())) for at, name in enumerate(names)]
    total = ("all", *map(str, counts.sum(axis=0)), str(counts.sum()))
    return Table("Points: the map's classes (rows), the reference's (columns)", ("map", *names, "all"), (*rows, total))


def _cells(assessment: Assessment) -> Table:
    names, cells = assessment.sample.classes, assessment.accuracy.cells
    if assessment.sample.flaw:
        return Table("", ("map", *names), ())
    rows = [(name, *(f"{value:.4f}" for value in cells[at])) for at, name in enumerate(names)]
    return Table(
        "Shares of the ground: the map's classes (rows), the reference's (columns)", ("map", *names), tuple(rows)
    )


def _classes(assessment: Assessment) -> Table:
    interval = None if assessment.sample.flaw else assessment.interval
    rows = [
        (each.name, *(_share(value, interval) for value in (each.users, each.producers, each.f1, each.iou)))
        for each in assessment.accuracy.classes
    ]
    return Table("Accuracy by class", ("class", "user's", "producer's", "F1", "IoU"), tuple(rows))


def _areas(assessment: Assessment) -> Table:
    rows = [
        (
            each.name, ESTIMATORS[each.estimator], f"{each.mapped_km2:,.3f}", f"{each.km2:,.3f}",
            f"{each.error_km2:,.3f}", _bounds(each.interval_km2),
        )
        for each in assessment.areas
    ]  # fmt: skip
    header = ("class", "estimator", "mapped km2", "estimated km2", "standard error", "95 % interval")
    return Table("Area by class", header, tuple(rows))


def _zones(assessment: Assessment) -> Table:
    rows = [
        (
            each.zone, each.name, str(each.points) + (" (rough)" if 2 <= each.points < FEW else ""),
            f"{each.mapped_km2:,.3f}", "too few points" if each.km2 is None else f"{each.km2:,.3f}",
            "" if each.error_km2 is None else f"{each.error_km2:,.3f}", _bounds(each.interval_km2),
            f"{each.off_km2:,.3f}",
        )
        for each in assessment.zones
    ]  # fmt: skip
    header = (
        "zone", "class", "points", "mapped km2", "estimated km2", "standard error", "95 % interval", "km2 off the map",
    )  # fmt: skip
    return Table("Area by zone and class", header, tuple(rows))


def _products(products: Sequence[ProductScores]) -> Table:
    rows = [each.row for each in products]
    return Table("Products on the same points (class impervious)", ProductScores.HEADER, tuple(rows))


def _share(estimate: Estimate, interval) -> str:
    return shown(estimate, interval(estimate) if interval else None)


def _bounds(bounds: Interval | None) -> str:
    return "" if bounds is None else f"{bounds[0]:,.3f} to {bounds[1]:,.3f}"


def _plain(estimate: Estimate, interval) -> dict[str, Any]:
    return {
        "value": estimate.value, "standard_error": estimate.error, "points": estimate.points,
        "interval": interval(estimate),
    }  # fmt: skip
