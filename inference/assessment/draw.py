"""`assess sample`: the answer sheet of a drawn sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.atomic import check_writable, local_path
from isamap.inference.assessment import allocation, presets
from isamap.inference.assessment.answer_sheet import SHEET, write_sheet
from isamap.inference.assessment.class_map import ClassMap, Paths, open_class_map
from isamap.inference.assessment.designs import Drawing
from isamap.inference.assessment.frame import BLOCK_PX, SamplingFrame, survey
from isamap.inference.assessment.pixel_area import cell_area_m2
from isamap.inference.assessment.planning import conjecture, target_of
from isamap.inference.assessment.request import DrawOptions, SheetOptions
from isamap.inference.assessment.sample import KEY, DrawnSample
from isamap.inference.assessment.strata import Buffered, MapClasses, Strata, WholeMap, notes_of, strata_named
from isamap.inference.assessment.thumbnails import Thumbnails

LATTICE = "a lattice with a random start takes the known pixels that it meets"
BUFFER_NOTE = "strata by nearness to the rare class, as Olofsson et al. 2020 advise against omissions"


@dataclass(frozen=True)
class SampleReport:
    """A drawn sample and where its answer sheet is."""

    sample: DrawnSample
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


def draw_sample(
    paths: Paths, out: str | Path, *,
    design: DrawOptions | None = None, sheet: SheetOptions | None = None, seed: int = 0,
    classes: Sequence[str] = (),
) -> SampleReport:  # fmt: skip
    """Draws a sample of a map's known pixels and writes its answer sheet and key into a folder, which may hold it.

    ValueError: designs that do not fit the map, a folder that holds another sample.
    """
    target, class_map = local_path(out), open_class_map(paths, classes)
    # Before the map is surveyed, which takes minutes.
    check_writable(target / KEY)
    sheet = sheet or SheetOptions()
    sample = sample_of(class_map, design or DrawOptions(), seed)
    frame_m = float(np.sqrt(cell_area_m2(class_map.sheets[0].geobox)))
    thumbnails = [Thumbnails(Path(path), frame_m) for path in sheet.pictures]
    if sheet.show_map:
        thumbnails += [Thumbnails(class_map.sheets[0].path, frame_m, class_map.classes)]
    write_sheet(sample, target, thumbnails=thumbnails, show_map=sheet.show_map)
    return SampleReport(sample, target)


def sample_of(class_map: ClassMap, design: DrawOptions, seed: int) -> DrawnSample:
    """The sample of a design."""
    if design.preset is not None:
        return of_preset(class_map, design.preset, seed)
    drawing = Drawing(class_map, seed)
    frame = _frame_of(drawing, design)
    if design.name == "simple":
        return drawing.simple(design.points, min_distance_m=design.min_distance_m, frame=frame)
    if design.name == "systematic":
        return _told(drawing.systematic(design.points, frame=frame), design.points, LATTICE)
    if design.name == "cluster":
        # Two at least: one cluster has no variance between clusters.
        clusters = max(2, round(design.points / design.points_each))
        sample = drawing.clusters(clusters, design.points_each, design.side_m, frame=frame)
        return _told(sample, design.points, _clusters_drawn(sample, design.points_each))
    belief, allocate = conjecture(frame, design.accuracy or {}), allocation.allocation_named(design.allocation)
    divided = allocation.divided(allocate, belief, design.points)
    counts = np.zeros(len(frame.strata_m2), np.int64)
    counts[frame.strata_m2 > 0] = divided
    sample = drawing.stratified(frame, counts, min_distance_m=design.min_distance_m)
    short = allocation.shortages(belief, allocate(belief, design.points), divided)
    buffered = (BUFFER_NOTE,) if design.buffer_m else ()
    return replace(sample, notes=(*sample.notes, *buffered, *short, *notes_of(frame.strata)))


def _frame_of(drawing: Drawing, design: DrawOptions) -> SamplingFrame:
    """The surveyed ground of a design; ValueError where it has fewer known pixels than points are asked."""
    class_map = drawing.class_map
    if design.name == "stratified":
        frame = survey(class_map, strata_of(class_map, design))
    else:
        frame = survey(class_map, WholeMap(), drawing.side_px(design.side_m) if design.name == "cluster" else BLOCK_PX)
    frame.check_points(design.points)
    return frame


def strata_of(class_map: ClassMap, design: DrawOptions) -> Strata:
    """What a design divides the map into."""
    if not design.buffer_m:
        return strata_named(design.strata, class_map, design.strata_classes)
    around = design.around or target_of(survey(class_map, MapClasses(class_map.classes)))
    return Buffered(class_map, around, design.buffer_m)


def of_preset(class_map: ClassMap, name: str, seed: int) -> DrawnSample:
    """The sample as a paper took it, with notes on what the paper leaves open."""
    preset, drawing = presets.preset_named(name), Drawing(class_map, seed)
    if preset.design == "simple":
        sample = drawing.simple(preset.points)
    else:
        counts = presets.counts_of(preset, class_map.classes)
        frame = survey(class_map, strata_named("map", class_map))
        asked = np.array([counts[name] for name in class_map.classes])
        sample = drawing.stratified(frame, np.minimum(asked, frame.strata_pixels))
    settings = {**sample.settings, "preset": name}
    sample = replace(sample, settings=settings, notes=(*sample.notes, preset.title, *preset.notes))
    return _told(sample, preset.points, "the map has fewer pixels of a class, or lacks it")


def _told(sample: DrawnSample, points: int, why: str) -> DrawnSample:
    """The sample with a note where it has fewer points than asked, as its design cannot take the rest elsewhere."""
    if len(sample.points) >= points:
        return sample
    return replace(sample, notes=(*sample.notes, f"{len(sample.points)} points, fewer than the {points} asked: {why}"))


def _clusters_drawn(sample: DrawnSample, points_each: int) -> str:
    words = f"{len(sample.clusters)} clusters of {points_each} were drawn"
    few = sum(cluster.pixels < points_each for cluster in sample.clusters)
    return f"{words}; {few} of them with fewer known pixels, which are all taken" if few else words
