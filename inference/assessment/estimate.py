"""`assess estimate`: answers in, accuracies and areas with intervals out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.atomic import check_writable, local_path
from isamap.gee_export.base.errors import notice
from isamap.inference.assessment import product_scores
from isamap.inference.assessment.answer_sheet import ANSWERS, SHEET
from isamap.inference.assessment.answers import (
    UNCERTAIN,
    Consensus,
    Interpretation,
    consensus,
    read_answers,
)
from isamap.inference.assessment.assessment import Assessment, assess
from isamap.inference.assessment.class_map import ClassMap, open_class_map
from isamap.inference.assessment.evidence import evidence_of
from isamap.inference.assessment.intervals import DEFAULT
from isamap.inference.assessment.product_scores import ProductScores
from isamap.inference.assessment.reference_points import ReferencePoints, place_points
from isamap.inference.assessment.report import JSON, AssessmentReport
from isamap.inference.assessment.request import AnswerSource, ProductRequest
from isamap.inference.assessment.sample import KEY, DrawnSample, read_key
from isamap.inference.assessment.zonal import AreaTable, class_areas
from isamap.inference.assessment.zone_areas import ZoneFacts
from isamap.inference.assessment.zones import Zones, read_zones

if TYPE_CHECKING:
    from isamap.inference.assessment.server_labels import ServerLabel

ZoneFile = str | Path | tuple[str | Path, str | None]

FIGURE = "products.png"
YEAR_TAGS = ("period_start", "year")


def estimate_accuracy(
    folder: str | Path, answers: AnswerSource | None = None, *, zones: ZoneFile | None = None, interval: str = DEFAULT,
    products: ProductRequest | None = None, out: str | Path | None = None,
) -> AssessmentReport:  # fmt: skip
    """Accuracies and areas of the map of a sample by its answers; written into `out` where one is given.

    folder: what `draw_sample` wrote, or a map (then the one file of answers holds points with their places). zones:
    polygons by which areas are estimated, too: a vector file, or that and the column of their names. products: judged
    on the same points through the server that the caller connected to. ValueError: answers that are missing, unknown,
    double or of other points.
    """
    answers = answers or AnswerSource()
    target = None if out is None else local_path(out)
    if target is not None:
        check_writable(target / JSON)
    sample, reference = sampled(Path(folder), answers)
    facts = None
    if zones is not None:
        polygons = read_zones(*((zones,) if isinstance(zones, (str, Path)) else zones))
        facts = facts_of(polygons, class_areas(class_map_of(sample), polygons))
    assessment = assess(sample, reference, interval=interval, zones=facts, simulated_answers=answers.is_world)
    if facts is not None:
        assessment = replace(assessment, notes=(*assessment.notes, *facts.zones.notes))
    report = AssessmentReport(assessment, _products(assessment, reference, products or ProductRequest()))
    if target is not None:
        report.write(target, _drawn(report, target))
    return report


def facts_of(zones: Zones, mapped: AreaTable) -> ZoneFacts:
    """The zones that share ground with the map, in the order of the map's counts."""
    return ZoneFacts(zones.subset(mapped.zones), mapped)


def check_map(sample: DrawnSample, class_map: ClassMap) -> None:
    """ValueError where a map is not the one that the sample was drawn from, whatever the names of their files."""
    if sample.fingerprint and sample.fingerprint != class_map.fingerprint():
        raise ValueError(
            f"{class_map.name} is not the map that this sample was drawn from ({', '.join(sample.maps)}, fingerprint "
            f"{sample.fingerprint}): its pixels or classes differ; give that map, or draw a sample of this one"
        )


def class_map_of(sample: DrawnSample) -> ClassMap:
    """The map that a sample was drawn from; ValueError where it is gone or has changed, or where there was none."""
    if not sample.maps:
        raise ValueError(
            "these points were chosen in a dataset, not drawn from a map: leave out --by, --products, --answers world"
        )
    class_map = open_class_map(sample.maps, sample.classes if _nameless(sample) else ())
    check_map(sample, class_map)
    return class_map


def _nameless(sample: DrawnSample) -> bool:
    try:
        open_class_map(sample.maps[0])
    except ValueError as error:
        if "--classes" in str(error):
            return True
        raise
    return False


def sampled(folder: Path, answers: AnswerSource) -> tuple[DrawnSample, Consensus]:
    """The sample and its answers: drawn by isamap, or points of the user's own on a map."""
    if (folder / KEY).is_file():
        sample = read_key(folder)
        return sample, _reference(sample, folder, answers)
    if not answers.files or answers.is_world or (folder.is_dir() and not any(folder.glob("*.tif"))):
        return read_key(folder), Consensus({}, (), None)  # refuses in words
    if len(answers.files) > 1:
        raise ValueError("points of your own on a map are one file: give one --answers, or draw a sample first")
    points = ReferencePoints(answers.files[0], answers.column, answers.design)
    sample, read = place_points(points, open_class_map(folder, answers.classes))
    return sample, consensus(read, [point.plotid for point in sample.points])


def _reference(sample: DrawnSample, folder: Path, answers: AnswerSource) -> Consensus:
    plotids = [point.plotid for point in sample.points]
    if answers.is_world:
        return consensus([world_answers(sample)], plotids)
    files = answers.files or (str(folder / SHEET / ANSWERS),)
    read = [each for file in files for each in read_answers(file, sample.classes, answers.column)]
    return consensus(_apart(read), plotids)


def _apart(read: Sequence[Interpretation]) -> list[Interpretation]:
    """The interpretations, numbered where two have one name."""
    names = [each.name for each in read]
    return [
        Interpretation(each.name if names.count(each.name) == 1 else f"{each.name} ({at})", each.classes)
        for at, each in enumerate(read, 1)
    ]


def world_answers(sample: DrawnSample) -> Interpretation:
    """The simulated world's truth at the points, of a map of impervious and pervious ground.

    ValueError: a map of other classes, or ground that the world does not hold.
    """
    from isamap.inference.assessment import server_labels

    if set(sample.classes) != {"pervious", "impervious"}:
        raise ValueError(f"--answers world knows pervious and impervious ground, the map {', '.join(sample.classes)}")
    class_map = class_map_of(sample)
    label = server_labels.open_label(
        server_labels.WORLD_TRUTH, server_labels.around(*sample.lonlat), year_of(class_map)
    )
    value_N = server_labels.at_points(label, sample, class_map)
    names = {0: "pervious", 1: "impervious"}
    pairs = zip(sample.points, value_N.tolist(), strict=True)
    return Interpretation("the simulated world", {point.plotid: names.get(value, UNCERTAIN) for point, value in pairs})


def year_of(class_map: ClassMap, year: int | None = None) -> int:
    """The year that the map shows; ValueError where it does not say and none is given."""
    tags = dict(class_map.tags)
    text = next((tags[name] for name in YEAR_TAGS if tags.get(name)), "")
    if year is None and not text[:4].isdigit():
        raise ValueError(f"{class_map.name} does not say its year: give --year YYYY, the year of the labels")
    return year or int(text[:4])


def _products(assessment: Assessment, reference: Consensus, request: ProductRequest) -> tuple[ProductScores, ...]:
    """The map's and each product's scores; products without ground here are left out with a note."""
    if not request.names:
        return ()
    from isamap.inference.assessment import server_labels

    if product_scores.IMPERVIOUS not in assessment.sample.classes:
        raise ValueError("--products are judged by the class impervious, which the map does not have")
    class_map, evidence = class_map_of(assessment.sample), evidence_of(assessment.sample, reference)
    year, region = year_of(class_map, request.year), server_labels.around(*assessment.sample.lonlat)
    rows: list[ProductScores] = [product_scores.of_map(assessment, evidence)]
    for name in server_labels.names_of(request.names):
        try:
            label = server_labels.open_label(name, region, year)
        except ValueError as error:
            if len(request.names) == 1 and request.names[0] == name:
                raise
            # Several products were asked: one that has no ground here must not take the others' scores along.
            notice(f"note: {name} is left out: {error}")
            continue
        rows += _scored(label, assessment, evidence, class_map, areas=request.areas)
    return tuple(rows)


def _scored(
    label: ServerLabel, assessment: Assessment, evidence: Any, class_map: ClassMap, *, areas: bool
) -> list[ProductScores]:
    from isamap.inference.assessment import server_labels

    label_N = server_labels.at_points(label, assessment.sample, class_map)
    km2 = server_labels.mapped_km2(label, class_map) if areas else None
    try:
        return [product_scores.of_product(label.name, assessment, evidence, label_N, km2, label.caution)]
    except ValueError as error:
        notice(f"note: {label.name} is left out: {error}")
        return []


def _drawn(report: AssessmentReport, target: Path) -> str:
    """The name of the figure of products, where there are any."""
    if not report.products:
        return ""
    product_scores.draw(report.products, target / FIGURE, simulated=report.assessment.simulated_answers)
    return FIGURE
