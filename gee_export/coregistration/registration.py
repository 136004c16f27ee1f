"""The answer of a co-registration: the polynomial, what it rests on, how far it can be trusted, and where."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from isamap.gee_export.coregistration.cells import CellError, area_error_px, cells_json, cells_text
from isamap.gee_export.coregistration.consensus import Fit
from isamap.gee_export.coregistration.polynomial import Polynomial
from isamap.gee_export.coregistration.tiepoints import TiePoints
from isamap.gee_export.coregistration.verdict import SecondOpinion


@dataclass(frozen=True)
class Coregistration:
    """What was found. `polynomial` is the identity unless `applied`; `reason` says in a sentence why or why not.

    points: all distinct matches of the last pass, as whole vectors; used: those the polynomial rests on. fit: errors
    in pixels, None where no polynomial could be fitted. likeness: correlation of structure before and after.
    cells: the error by cell of the area, empty where no polynomial could be fitted. second: the shift by mutual
    information; verdict: in a sentence, how far it bears the answer out.
    """

    applied: bool
    reason: str
    polynomial: Polynomial
    step: tuple[float, float]
    points: TiePoints
    used: np.ndarray
    fit: Fit | None = None
    likeness: tuple[float, float] | None = None
    cells: tuple[CellError, ...] = ()
    second: SecondOpinion | None = None
    verdict: str = ""

    def residuals_px(self) -> np.ndarray:
        """What the polynomial leaves of each used point's vector, right and up [point, 2]."""
        used_points = self.points.where(self.used)
        dx, dy = self.polynomial.at(used_points.x, used_points.y)
        return np.stack([(used_points.dx - dx) / self.step[0], (used_points.dy - dy) / self.step[1]], axis=1)

    def to_json(self) -> dict[str, Any]:
        """The whole report as plain JSON, tie points included."""
        points = self.points
        table = np.stack([points.x, points.y, points.dx, points.dy, points.peak, points.ratio], axis=1)
        return {
            "applied": self.applied,
            "reason": self.reason,
            "polynomial": self.polynomial.to_json(),
            "pixel": list(self.step),
            "windows": points.tried,
            "matches": len(points),
            "used": int(self.used.sum()),
            **self._figures(),
            "cells": cells_json(self.cells),
            "area_error_px": area_error_px(self.cells),
            "second_opinion": None if self.second is None else asdict(self.second),
            "verdict": self.verdict,
            "point_columns": ["x", "y", "dx", "dy", "peak", "ratio", "used"],
            "points": [
                [*(float(f"{value:.7g}") for value in row), int(u)] for row, u in zip(table, self.used, strict=True)
            ],
        }

    def _figures(self) -> dict[str, Any]:
        if self.fit is None:
            return {}
        fit = self.fit
        figures: dict[str, Any] = {
            "rmse_px": fit.rmse_px,
            "leave_one_out_px": fit.loo_px,
            "uncorrected_px": fit.before_px,
        }
        figures["cross_validated_px"] = {str(order): error for order, error in fit.cv_px.items()}
        if self.likeness is not None:
            figures["likeness_before"], figures["likeness_after"] = self.likeness
        return figures

    def __str__(self) -> str:
        head = "corrected" if self.applied else "not corrected"
        lines = [f"{head}: {self.reason}", f"  windows {self.points.tried}, matches {len(self.points)}"]
        if self.fit is not None:
            fit = self.fit
            tested = ", ".join(f"{order}: {error:.2f}" for order, error in fit.cv_px.items())
            lines[1] += f", used {self.used.sum()}"
            lines += [
                f"  RMSE {fit.rmse_px:.2f} px, leave-one-out {fit.loo_px:.2f} px, uncorrected {fit.before_px:.2f} px",
                f"  order {fit.polynomial.order} (cross-validated px by order: {tested})",
                *cells_text(self.cells),
            ]
        if self.second is not None:
            right, up = self.second.right_px, self.second.up_px
            lines.append(f"  shift by mutual information: {right:+.2f} px to the right, {up:+.2f} px up")
        return "\n".join([*lines, f"  {self.verdict}"])
