"""`assess plan`: how many points a map needs, and what they buy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isamap.inference.assessment import allocation
from isamap.inference.assessment.allocation import Conjecture, Z
from isamap.inference.assessment.class_map import Paths, open_class_map
from isamap.inference.assessment.frame import SamplingFrame, survey
from isamap.inference.assessment.strata import notes_of, strata_named
from isamap.inference.assessment.tables import Table

# A guess: a lower one asks for more points, a higher one for too few.
GUESS = 0.9  # share of a stratum that is believed to be mapped rightly, where the user says nothing
TARGET = "impervious"
AREA_ERROR = 0.2  # of the area, half of its 95 % interval: what the report names where the user asks for nothing else


def conjecture(frame: SamplingFrame, accuracy: Mapping[str, float]) -> Conjecture:
    """What is believed of the strata that have ground: their shares, and how rightly each is mapped (GUESS: not said).

    Wrong ground of a stratum is taken for the class of interest as often as for each other class.
    """
    names, class_of = frame.strata.names, frame.strata.class_of
    if unknown := sorted(set(accuracy) - set(names)):
        raise ValueError(f"--accuracy {unknown[0]}=...: the strata are {', '.join(names)}")
    right, target = np.array([accuracy.get(name, GUESS) for name in names]), target_of(frame)
    # Strata of one class are one alternative: errors go to classes, not to strata.
    others = len(set(class_of.values()) or set(names)) - 1
    is_target = np.array([class_of.get(name, name) == target for name in names])
    believed = np.where(is_target, right, (1 - right) / max(1, others))
    has = frame.strata_m2 > 0
    present = tuple(name for name, is_there in zip(names, has, strict=True) if is_there)
    return Conjecture(present, frame.weights[has], right[has], believed[has], frame.strata_pixels[has])


def target_of(frame: SamplingFrame) -> str:
    """The class whose area is planned: impervious, or the one of least ground, such as a change."""
    classes = frame.class_map.classes
    rarest = int(np.argmin(np.where(frame.class_m2 > 0, frame.class_m2, np.inf)))
    return TARGET if TARGET in classes else classes[rarest]


@dataclass(frozen=True)
class PlanReport:
    """Points that are needed, and what each division of them is expected to give.

    points: divided in `expectations`. overall_points: for the standard error of overall accuracy; area_points: for
    half of the 95 % interval of the area of `target` to be area_error of it. notes: on strata of few pixels, on names.
    """

    conjecture: Conjecture
    target: str
    standard_error: float
    area_error: float
    points: int
    overall_points: int
    simple_points: int
    area_points: int
    expectations: Mapping[str, allocation.Expectation]
    total_km2: float
    notes: tuple[str, ...] = ()

    @property
    def believed_km2(self) -> float:
        """Area of the class of interest, as it is believed."""
        return float(self.conjecture.weights @ self.conjecture.target) * self.total_km2

    def table(self) -> Table:
        """Points and expected standard errors by allocation, and half of the area's 95 % interval."""
        names = self.conjecture.names
        header = ("allocation", *names, "overall", *(f"user's {name}" for name in names), f"{self.target}, km2")
        rows = [
            (
                name, *map(str, each.counts), f"{each.overall:.4f}", *(f"{value:.4f}" for value in each.users),
                f"+-{Z * each.area * self.total_km2:,.3f} ({self._relative(each):.0%})",
            )
            for name, each in self.expectations.items()
        ]  # fmt: skip
        title = "Points by stratum, the standard errors to expect, and half of the area's 95 % interval"
        return Table(title, header, tuple(rows))

    def _relative(self, each: allocation.Expectation) -> float:
        return Z * each.area * self.total_km2 / self.believed_km2 if self.believed_km2 else math.inf

    def __str__(self) -> str:
        shares = ", ".join(
            f"{name} {weight:.2%} of the ground, right on {100 * right:.4g}%"
            for name, weight, right in zip(
                self.conjecture.names, self.conjecture.weights, self.conjecture.accuracy, strict=True
            )
        )
        return "\n".join(
            [
                f"{self.overall_points} points give overall accuracy a standard error of {self.standard_error:g} "
                f"(Olofsson et al. 2014, equation 13); a simple random sample needs {self.simple_points}",
                f"{self.area_points} points, divided for it (--allocation area), give the area of {self.target} to "
                f"+-{self.area_error:.0%}",
                f"believed: {shares}; so {self.target} covers {self.believed_km2:,.3f} km2",
                *self._warnings(),
                "",
                f"what {self.points} points buy:",
                self.table().text(),
            ]
        )

    def _warnings(self) -> list[str]:
        """Where the points are too few for the area, or for the least number that rare strata want."""
        rare, lines = self.expectations["rare"], []
        if self._relative(rare) > 0.5:
            lines.append(
                f"warning: {self.points} points say little of the area of {self.target}: "
                f"+-{self._relative(rare):.0%} by the default division; plan for the area (--area-error 0.2)"
            )
        counts = np.array(rare.counts)
        few = (self.conjecture.weights < allocation.RARE_SHARE) & (counts < self.conjecture.pixels)
        if (counts[few] < allocation.RARE_POINTS).any():
            lines.append(
                f"warning: {self.points} points are too few for {allocation.RARE_POINTS} in each rare stratum: 'rare' "
                "gives each an equal part"
            )
        return [*lines, *(f"note: {text}" for text in self.notes)]

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "points": self.points,
            "overall_points": self.overall_points,
            "simple_points": self.simple_points,
            "area_points": self.area_points,
            "standard_error": self.standard_error,
            "area_error": self.area_error,
            "target": self.target,
            "believed_km2": self.believed_km2,
            "strata": list(self.conjecture.names),
            "weights": self.conjecture.weights.tolist(),
            "accuracy": self.conjecture.accuracy.tolist(),
            "pixels": self.conjecture.pixels.tolist(),
            "notes": list(self.notes),
            "allocations": {
                name: vars(each) | {"relative_area_error": self._relative(each)}
                for name, each in self.expectations.items()
            },
        }


def plan_sample(
    paths: Paths, *, standard_error: float = 0.01, area_error: float | None = None, points: int | None = None,
    strata: str = "map", accuracy: Mapping[str, float] | None = None, classes: Sequence[str] = (),
) -> PlanReport:  # fmt: skip
    """How many points a map needs, and how to divide them.

    They are those for a standard error of overall accuracy; with `area_error` those for the area of impervious (of a
    map of changes: of the rarest change), half of whose 95 % interval is to be that share of it. accuracy: the share of
    each stratum that is believed to be mapped rightly. points: divides so many instead. ValueError: shares beyond 0
    to 1.
    """
    if area_error is not None and not 0 < area_error < 1:
        raise ValueError(f"--area-error {area_error:g}: expected a share of the area between 0 and 1, such as 0.2")
    class_map = open_class_map(paths, classes)
    frame = survey(class_map, strata_named(strata, class_map))
    if points is not None:
        frame.check_points(points)
    belief, units = conjecture(frame, accuracy or {}), int(frame.pixels_BH.sum())
    error = area_error or AREA_ERROR
    overall_points = allocation.stratified_size(belief, standard_error, units)
    area_points = allocation.area_size(belief, error * float(belief.weights @ belief.target) / Z, units)
    divisible = points or min(overall_points if area_error is None else area_points, units)
    divided = {name: allocation.divided(each, belief, divisible) for name, each in allocation.ALLOCATIONS.items()}
    short = allocation.shortages(belief, allocation.rare(belief, divisible), divided["rare"])
    return PlanReport(
        conjecture=belief,
        target=target_of(frame),
        standard_error=standard_error,
        area_error=error,
        points=divisible,
        overall_points=overall_points,
        simple_points=allocation.simple_size(float(belief.weights @ belief.accuracy), standard_error),
        area_points=area_points,
        expectations={name: allocation.expected(belief, counts.tolist()) for name, counts in divided.items()},
        total_km2=frame.total_m2 / 1e6,
        notes=(*notes_of(frame.strata), *short),
    )
