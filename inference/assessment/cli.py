"""`isamap assess plan/sample/estimate`, `change`: typed functions, thin over the rest."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated

from isamap.gee_export.base.options import Option
from isamap.gee_export.command import command
from isamap.gee_export.command_line.report_output import show
from isamap.gee_export.export.modes import Catalog, Project
from isamap.inference.assessment.request import (
    Accuracy,
    AnswerFiles,
    AnswerSource,
    AreaOptions,
    Classes,
    DrawOptions,
    Interval,
    Maps,
    ProductRequest,
    SheetOptions,
    Strata,
    ZoneFile,
)


@command
def plan(
    maps: Maps,
    standard_error: Annotated[float, Option("Of overall accuracy, as a share.")] = 0.01,
    area_error: Annotated[
        float | None, Option("Plan for the area of impervious to +- this share of it.", metavar="SHARE")
    ] = None,
    points: Annotated[int | None, Option("Divide so many instead of those needed.")] = None,
    strata: Strata = "map",
    accuracy: Accuracy = (),
    classes: Classes = (),
) -> None:
    """Say how many points a map needs for an accuracy, and how to divide them among strata."""
    from isamap.inference.assessment.planning import plan_sample

    show(
        plan_sample(
            maps, standard_error=standard_error, area_error=area_error, points=points, strata=strata,
            accuracy=_shares(accuracy), classes=classes,
        )
    )  # fmt: skip


@command
def sample(
    maps: Maps,
    out: Annotated[str, Option("New folder: sheet/ for interpreters, key.json for you.")],
    design: DrawOptions,
    sheet: SheetOptions,
    accuracy: Accuracy = (),
    seed: Annotated[int, Option("The same seed draws the same points.")] = 0,
    classes: Classes = (),
) -> None:
    """Draw a sample of a map's pixels and write the answer sheet for interpreters."""
    from isamap.inference.assessment.draw import draw_sample

    believed = replace(design, accuracy=_shares(accuracy))
    show(draw_sample(maps, out, design=believed, sheet=sheet, seed=seed, classes=classes))


@command
def estimate(
    folder: Annotated[
        str,
        Option("What `assess sample` wrote; or a map, with your own points as --answers.", metavar="SAMPLE",
               positional=True),
    ],
    answers: AnswerSource,
    zones: ZoneFile,
    products: ProductRequest,
    interval: Interval = "beta",
    out: Annotated[str | None, Option("Folder of report.json, .md, .html and products.png.")] = None,
    project: Project = None,
    catalog: Catalog = "world",
) -> None:  # fmt: skip
    """Estimate accuracies and areas with intervals from the answers of a sample."""
    from isamap.gee_export.earth_engine.session import connect
    from isamap.inference.assessment.estimate import estimate_accuracy

    polygons = (zones.zones, zones.column) if zones.zones else None
    with connect(project, catalog=catalog) if products.names or answers.is_world else nullcontext():
        show(estimate_accuracy(folder, answers, zones=polygons, interval=interval, products=products, out=out))


@command
def change(
    before: Annotated[
        str, Option("The earlier map: a file, a VRT or a folder of tiles.", metavar="BEFORE", positional=True)
    ],
    after: Annotated[str, Option("The later map.", metavar="AFTER", positional=True)],
    options: AreaOptions,
    answers: AnswerFiles,
    change_map: Annotated[
        str | None,
        Option("Write the changes as a map, to draw a sample of.", metavar="CHANGE.tif", flag="--map"),
    ] = None,
    sample_folder: Annotated[
        str | None,
        Option("A sample of that map, for estimates with intervals.", metavar="FOLDER", flag="--sample"),
    ] = None,
    out: Annotated[str | None, Option("A .csv, .gpkg or .json.")] = None,
) -> None:
    """Count km2 of every change of class between two maps, by polygon; with a sample, estimate them with intervals."""
    from isamap.gee_export.earth_engine.session import connect
    from isamap.inference.assessment import areas
    from isamap.inference.assessment.change_map import write_change_map

    if change_map is not None:
        show(write_change_map(before, after, change_map, classes=options.classes))
    source = AnswerSource(**vars(answers))
    with connect(None) if answers.is_world else nullcontext():
        show(areas.change(before, after, options, sample=sample_folder, answers=source, out=out))


def _shares(words: Sequence[str]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            shares[name] = float(value)
        except ValueError as error:
            raise ValueError(f"--accuracy {word}: expected CLASS=SHARE, such as impervious=0.85") from error
        if not 0 < shares[name] < 1:
            raise ValueError(f"--accuracy {word}: expected a share between 0 and 1")
    return shares
