"""`assess plan` and `assess sample`: how many points a map needs, and the answer sheet of a drawn sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gee_export.base.atomic import check_writable, local_path
from inference.assessment import allocation, presets
from inference.assessment.answer_sheet import SHEET, write_sheet
from inference.assessment.class_map import ClassMap, Paths, open_class_map
from inference.assessment.designs import Drawing
from inference.assessment.frame import Frame, survey
from inference.assessment.pixel_area import cell_area_m2
from inference.assessment.sample import KEY, Sample
from inference.assessment.strata import strata_named
from inference.assessment.tables import Table
from inference.assessment.thumbnails import Thumbnails

DESIGNS = ("simple", "systematic", "stratified", "cluster")
GUESS = 0.9  # share of a stratum that is believed to be mapped rightly, where the user says nothing
TARGET = "impervious"
SIDE_M, EACH = 5_000.0, 10


@dataclass(frozen=True)
class Design:
    """How to draw: the design and its numbers, as the options of `assess sample` name them.

    preset: "runetpp" or "landcover3m", which stands for all others.
    """

    name: str = "stratified"
    points: int = 500
    strata: str = "map"
    allocation: str = "rare"
    accuracy: Mapping[str, float] | None = None
    strata_classes: tuple[str, ...] = ()
    points_each: int = EACH
    side_m: float = SIDE_M
    min_distance_m: float = 0.0
    preset: str | None = None

    def __post_init__(self) -> None:
        if self.name not in DESIGNS:
            raise ValueError(f"--design {self.name!r}: expected {', '.join(DESIGNS)}")
        if self.points < 2:
            raise ValueError(f"--points {self.points}: expected 2 or more")
        if self.min_distance_m and self.name not in ("simple", "stratified"):
            raise ValueError(
                f"--min-distance goes with a simple or stratified design, not with {self.name}: leave it out"
            )
        if self.min_distance_m < 0:
            raise ValueError(f"--min-distance {self.min_distance_m:g}: expected metres, 0 or more")


@dataclass(frozen=True)
class SampleReport:
    """A drawn sample and where its answer sheet is."""

    sample: Sample
    out: Path

    def __str__(self) -> str:
        return (
            f"{self.out / SHEET}: give this folder to the interpreters\n{self.out / KEY}: the key, with the map's "
            f"class of each point: keep it from them\n{self.sample}"
        )

    def to_json(self) -> dict[str, Any]:
        """Numbers and files."""
        sample = self.sample
        return {
            "out": str(self.out),
            "design": sample.design,
            "points": len(sample.points),
            "settings": dict(sample.settings),
            "strata": [vars(each) for each in sample.strata],
            "flaw": sample.flaw,
            "notes": list(sample.notes),
            "simulated": sample.simulated,
        }


@dataclass(frozen=True)
class SheetOptions:
    """What interpreters see: rasters of which each point gets a thumbnail, and whether the map's class is among it."""

    pictures: tuple[str, ...] = ()
    show_map: bool = False


def draw_sample(
    paths: Paths, out: str | Path, *, design: Design | None = None, sheet: SheetOptions | None = None, seed: int = 0,
    classes: Sequence[str] = (),
) -> SampleReport:  # fmt: skip
    """Draws a sample of a map's known pixels and writes its answer sheet and key into a new folder.

    ValueError: designs that do not fit the map, a folder that holds a sample.
    """
    target, class_map = local_path(out), open_class_map(paths, classes)
    if (target / SHEET).exists() or (target / KEY).exists():
        raise ValueError(f"{target} holds a sample already: choose another --out, so that no answers are lost")
    check_writable(target / KEY)
    sheet = sheet or SheetOptions()
    sample = sample_of(class_map, design or Design(), seed)
    frame_m = float(np.sqrt(cell_area_m2(class_map.sheets[0].geobox)))
    thumbnails = [Thumbnails(Path(path), frame_m) for path in sheet.pictures]
    if sheet.show_map:
        thumbnails += [Thumbnails(class_map.sheets[0].path, frame_m, class_map.classes)]
    write_sheet(sample, target, thumbnails=thumbnails, show_map=sheet.show_map)
    return SampleReport(sample, target)


def sample_of(class_map: ClassMap, design: Design, seed: int) -> Sample:
    """The sample of a design."""
    if design.preset is not None:
        return of_preset(class_map, design.preset, seed)
    drawing = Drawing(class_map, seed)
    if design.name == "simple":
        return drawing.simple(design.points, min_distance_m=design.min_distance_m)
    if design.name == "systematic":
        return drawing.systematic(design.points)
    if design.name == "cluster":
        return drawing.clusters(max(2, round(design.points / design.points_each)), design.points_each, design.side_m)
    frame = survey(class_map, strata_named(design.strata, class_map, design.strata_classes))
    belief = conjecture(frame, design.accuracy or {})
    has_ground, counts = frame.strata_m2 > 0, np.zeros(len(frame.strata_m2), np.int64)
    counts[has_ground] = allocation.allocation_named(design.allocation)(_of_some(belief, has_ground), design.points)
    counts = np.minimum(counts, frame.pixels_BH.sum(axis=0))
    return drawing.stratified(frame, counts, min_distance_m=design.min_distance_m)


def of_preset(class_map: ClassMap, name: str, seed: int) -> Sample:
    """The sample as a paper took it, with notes on what the paper leaves open."""
    preset, drawing = presets.preset_named(name), Drawing(class_map, seed)
    if preset.design == "simple":
        sample = drawing.simple(preset.points)
    else:
        counts = presets.counts_of(preset, class_map.classes)
        frame = survey(class_map, strata_named("map", class_map))
        sample = drawing.stratified(frame, np.array([counts[name] for name in class_map.classes]))
    settings = {**sample.settings, "preset": name}
    return replace(sample, settings=settings, notes=(*sample.notes, preset.title, *preset.notes))


def conjecture(frame: Frame, accuracy: Mapping[str, float]) -> allocation.Conjecture:
    """What is believed of the strata: the shares of ground, and how rightly each is mapped (GUESS where not said).

    Wrong ground of a stratum is taken for impervious as often as for each other class.
    """
    names = frame.strata.names
    if unknown := sorted(set(accuracy) - set(names)):
        raise ValueError(f"--accuracy {unknown[0]}=...: the strata are {', '.join(names)}")
    right = np.array([accuracy.get(name, GUESS) for name in names])
    wrong = (1 - right) / max(1, len(names) - 1)
    target = np.where([name == TARGET for name in names], right, wrong)
    return allocation.Conjecture(names, frame.weights, right, target)


@dataclass(frozen=True)
class PlanReport:
    """Points that a standard error needs, and what each division of them is expected to give."""

    conjecture: allocation.Conjecture
    standard_error: float
    points: int
    simple_points: int
    area_points: int
    expectations: Mapping[str, allocation.Expectation]
    total_km2: float

    def table(self) -> Table:
        """Points and expected standard errors by allocation."""
        names = self.conjecture.names
        header = ("allocation", *names, "overall", *(f"user's {name}" for name in names), f"km2 of {TARGET}")
        rows = [
            (
                name, *map(str, each.counts), f"{each.overall:.4f}", *(f"{value:.4f}" for value in each.users),
                f"{each.area * self.total_km2:,.3f}",
            )
            for name, each in self.expectations.items()
        ]  # fmt: skip
        return Table("Points by stratum, and the standard errors to expect", header, tuple(rows))

    def __str__(self) -> str:
        shares = ", ".join(
            f"{name} {weight:.2%} of the ground, right on {right:.0%}"
            for name, weight, right in zip(
                self.conjecture.names, self.conjecture.weights, self.conjecture.accuracy, strict=True
            )
        )
        return "\n".join(
            [
                f"{self.points} points give overall accuracy a standard error of {self.standard_error:g} "
                "(Olofsson et al. 2014, equation 13)",
                f"a simple random sample needs {self.simple_points}; {TARGET}'s share of the ground to "
                f"{self.standard_error:g} needs {self.area_points} divided for it",
                f"believed: {shares}",
                "",
                self.table().text(),
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "points": self.points,
            "simple_points": self.simple_points,
            "area_points": self.area_points,
            "standard_error": self.standard_error,
            "strata": list(self.conjecture.names),
            "weights": self.conjecture.weights.tolist(),
            "accuracy": self.conjecture.accuracy.tolist(),
            "allocations": {name: vars(each) for name, each in self.expectations.items()},
        }


def plan_sample(
    paths: Paths, *, standard_error: float = 0.01, points: int | None = None, strata: str = "map",
    accuracy: Mapping[str, float] | None = None, classes: Sequence[str] = (),
) -> PlanReport:  # fmt: skip
    """How many points a map needs for a standard error of overall accuracy, and how to divide them.

    accuracy: the share of each stratum that is believed to be mapped rightly. points: divides so many instead.
    """
    class_map = open_class_map(paths, classes)
    frame = survey(class_map, strata_named(strata, class_map))
    belief_of_all = conjecture(frame, accuracy or {})
    belief = _of_some(belief_of_all, frame.strata_m2 > 0)
    units = float(frame.pixels_BH.sum())
    needed = allocation.stratified_size(belief, standard_error, units)
    share = float(belief.weights @ belief.accuracy)
    divided = {name: divide(belief, points or needed) for name, divide in allocation.ALLOCATIONS.items()}
    return PlanReport(
        belief,
        standard_error,
        needed,
        allocation.simple_size(share, standard_error),
        allocation.area_size(belief, standard_error, units),
        {name: allocation.expected(belief, counts.tolist()) for name, counts in divided.items()},
        frame.total_m2 / 1e6,
    )


def _of_some(belief: allocation.Conjecture, has_ground: np.ndarray) -> allocation.Conjecture:
    """The strata that have ground."""
    names = tuple(name for name, has in zip(belief.names, has_ground, strict=True) if has)
    return allocation.Conjecture(
        names, belief.weights[has_ground], belief.accuracy[has_ground], belief.target[has_ground]
    )
