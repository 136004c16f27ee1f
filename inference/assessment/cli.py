"""`isamap ask`, `assess plan/sample/estimate`, `area`, `change`: typed functions, thin over the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from gee_export.command_line.report_output import show

_Maps = Annotated[
    list[str], typer.Argument(metavar="MAP", help="A map, a VRT, or a folder of tiles; several are one map.")
]
_Classes = Annotated[
    list[str] | None, typer.Option("--classes", help="Names of the values 0, 1, ... of a map that names none itself.")
]
_Accuracy = Annotated[
    list[str] | None,
    typer.Option("--accuracy", metavar="CLASS=SHARE", help="What you believe: impervious=0.85 (0.9 where not said)."),
]
_Interval = Annotated[str, typer.Option("--interval", help="wilson, wald (as papers print) or logit.")]
_Answers = Annotated[
    list[str] | None,
    typer.Option("--answers", metavar="FILE", help="CSV or GeoPackage, one each interpreter; world: simulated truth."),
]
_Column = Annotated[str, typer.Option("--column", help="Column of the answers that holds the class.")]
_By = Annotated[str | None, typer.Option("--by", metavar="FILE", help="Polygons, such as districts.gpkg.")]
_ByColumn = Annotated[str | None, typer.Option("--by-column", metavar="NAME", help="Column that names the polygons.")]
_Project = Annotated[str | None, typer.Option("--project", help="Google Cloud project; without it the local engine.")]
_Catalog = Annotated[str, typer.Option("--catalog", help="The local engine's images: world (simulated), or a folder.")]


def plan(
    maps: _Maps,
    standard_error: Annotated[float, typer.Option("--standard-error", help="Of overall accuracy, as a share.")] = 0.01,
    points: Annotated[int | None, typer.Option("--points", help="Divide so many instead of those needed.")] = None,
    strata: Annotated[
        str, typer.Option("--strata", help="map (its classes), none, or a vector or raster file.")
    ] = "map",
    accuracy: _Accuracy = None,
    classes: _Classes = None,
) -> None:
    """Say how many points a map needs for an accuracy, and how to divide them among strata."""
    from inference.assessment.draw import plan_sample

    show(
        plan_sample(
            maps, standard_error=standard_error, points=points, strata=strata, accuracy=_shares(accuracy),
            classes=classes or (),
        )
    )  # fmt: skip


def sample(
    maps: _Maps,
    out: Annotated[str, typer.Option("--out", help="New folder: sheet/ for interpreters, key.json for you.")],
    design: Annotated[str, typer.Option("--design", help="simple, systematic, stratified or cluster.")] = "stratified",
    points: Annotated[int, typer.Option("--points", help="Of the whole sample.")] = 500,
    strata: Annotated[
        str, typer.Option("--strata", help="map (its classes), none, or a vector or raster file.")
    ] = "map",
    strata_classes: Annotated[
        list[str] | None, typer.Option("--strata-classes", help="Names of the values of a raster of strata.")
    ] = None,
    allocation: Annotated[
        str, typer.Option("--allocation", help="rare, proportional, equal, neyman, or area (of impervious).")
    ] = "rare",
    accuracy: _Accuracy = None,
    points_each: Annotated[int, typer.Option("--points-each", help="Points a cluster.")] = 10,
    cluster_side: Annotated[float, typer.Option("--cluster-side", help="Side of a cluster in metres.")] = 5000.0,
    min_distance: Annotated[
        float, typer.Option("--min-distance", help="Metres between points; then no area can be estimated.")
    ] = 0.0,
    preset: Annotated[
        str | None, typer.Option("--preset", help="runetpp (200 points) or landcover3m (1,940) instead of a design.")
    ] = None,
    picture: Annotated[
        list[str] | None, typer.Option("--picture", metavar="FILE", help="Raster of which each point gets a thumbnail.")
    ] = None,
    show_map: Annotated[
        bool, typer.Option("--show-map", help="Show interpreters the map's class, which biases them.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same points.")] = 0,
    classes: _Classes = None,
) -> None:
    """Draw a sample of a map's pixels and write the answer sheet for interpreters."""
    from inference.assessment.draw import Design, SheetOptions, draw_sample

    settings = Design(
        design, points, strata, allocation, _shares(accuracy), tuple(strata_classes or ()), points_each, cluster_side,
        min_distance, preset,
    )  # fmt: skip
    sheet = SheetOptions(tuple(picture or ()), show_map)
    show(draw_sample(maps, out, design=settings, sheet=sheet, seed=seed, classes=classes or ()))


def ask(
    checkpoint: Annotated[list[str], typer.Option("--checkpoint", help="A run or checkpoint; several are compared.")],
    data: Annotated[list[str], typer.Option("--data", help="Patch dataset to choose from; may repeat.")],
    out: Annotated[str, typer.Option("--out", help="New folder: sheet/ for interpreters, key.json for you.")],
    points: Annotated[int, typer.Option("--points", help="So many pixels.")] = 100,
    by: Annotated[str, typer.Option("--by", help="entropy, members (of several --checkpoint) or label.")] = "entropy",
    split: Annotated[str, typer.Option("--split", help="train, val or test.")] = "train",
    each: Annotated[int, typer.Option("--each", help="Most points of a patch.")] = 3,
    batch: Annotated[int, typer.Option("--batch", help="Patches at once.")] = 16,
    project: _Project = None,
) -> None:
    """Choose the points most worth a look, where networks disagree most, and write their answer sheet."""
    from inference.questions.ask import Question
    from inference.questions.ask import ask as choose
    from training.cli import session_for

    with session_for([*data, *checkpoint], project) as session:
        question = Question(points, by, split, each)
        show(choose(checkpoint, data, out, question=question, batch=batch, session=session))


def estimate(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="SAMPLE", help="What `assess sample` wrote; or a map, with your own points as --answers."
        ),
    ],
    answers: _Answers = None,
    column: _Column = "class",
    design: Annotated[
        str, typer.Option("--design", help="Of your own points: purposive, simple, or stratified by the map's classes.")
    ] = "purposive",
    classes: _Classes = None,
    by: _By = None,
    by_column: _ByColumn = None,
    interval: _Interval = "wilson",
    products: Annotated[
        list[str] | None,
        typer.Option(
            "--products", help="Names of `isamap labels`, such as gaia@2018, or all: judged on the same points."
        ),
    ] = None,
    product_areas: Annotated[
        bool, typer.Option("--product-areas", help="Count the products' own area on the map's ground, too.")
    ] = False,
    year: Annotated[
        int | None, typer.Option("--year", help="Of the products' labels; the map's own by default.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", help="Folder of report.json, .md, .html and products.png.")
    ] = None,
    project: _Project = None,
    catalog: _Catalog = "world",
) -> None:
    """Estimate accuracies and areas with intervals from the answers of a sample."""
    from contextlib import nullcontext

    from gee_export.earth_engine.session import connect
    from inference.assessment.estimate import AnswerSource, ProductRequest, estimate_accuracy

    source = AnswerSource(tuple(answers or ()), column, design, tuple(classes or ()))
    request = ProductRequest(tuple(products or ()), year, product_areas)
    with connect(project, catalog=catalog) if products or source.is_world else nullcontext():
        show(
            estimate_accuracy(
                folder, source, zones=(by, by_column) if by else None, interval=interval, products=request, out=out
            )
        )


def area(
    maps: _Maps,
    by: _By = None,
    by_column: _ByColumn = None,
    method: Annotated[
        str, typer.Option("--method", help="exact share of border pixels, or by their centre.")
    ] = "exact",
    sample_folder: Annotated[
        str | None,
        typer.Option("--sample", metavar="FOLDER", help="A sample of this map, for estimates with intervals."),
    ] = None,
    answers: _Answers = None,
    column: _Column = "class",
    interval: _Interval = "wilson",
    out: Annotated[str | None, typer.Option("--out", help="A .csv, .gpkg or .json.")] = None,
    classes: _Classes = None,
) -> None:
    """Count km2 of each class, by polygon; with a sample, estimate them with intervals."""
    from contextlib import nullcontext

    from gee_export.earth_engine.session import connect
    from inference.assessment import areas
    from inference.assessment.estimate import AnswerSource

    source = AnswerSource(tuple(answers or ()), column)
    options = areas.AreaOptions(by, by_column, method, tuple(classes or ()))
    with connect(None) if source.is_world else nullcontext():
        show(areas.area(maps, options, sample=sample_folder, answers=source, interval=interval, out=out))


def change(
    before: Annotated[
        str, typer.Argument(metavar="BEFORE", help="The earlier map: a file, a VRT or a folder of tiles.")
    ],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The later map.")],
    by: _By = None,
    by_column: _ByColumn = None,
    method: Annotated[
        str, typer.Option("--method", help="exact share of border pixels, or by their centre.")
    ] = "exact",
    change_map: Annotated[
        str | None, typer.Option("--map", metavar="CHANGE.tif", help="Write the changes as a map, to draw a sample of.")
    ] = None,
    sample_folder: Annotated[
        str | None,
        typer.Option("--sample", metavar="FOLDER", help="A sample of that map, for estimates with intervals."),
    ] = None,
    answers: _Answers = None,
    column: _Column = "class",
    out: Annotated[str | None, typer.Option("--out", help="A .csv, .gpkg or .json.")] = None,
    classes: _Classes = None,
) -> None:
    """Count km2 of every change of class between two maps, by polygon; with a sample, estimate them with intervals."""
    from contextlib import nullcontext

    from gee_export.earth_engine.session import connect
    from inference.assessment import areas
    from inference.assessment.change_map import write_change_map
    from inference.assessment.estimate import AnswerSource

    source = AnswerSource(tuple(answers or ()), column)
    options = areas.AreaOptions(by, by_column, method, tuple(classes or ()))
    if change_map is not None:
        show(write_change_map(before, after, change_map, classes=options.classes))
    with connect(None) if source.is_world else nullcontext():
        show(areas.change(before, after, options, sample=sample_folder, answers=source, out=out))


def _shares(words: Sequence[str] | None) -> dict[str, float]:
    """CLASS=SHARE words as numbers; ValueError for others."""
    shares: dict[str, float] = {}
    for word in words or ():
        name, _, value = word.partition("=")
        try:
            shares[name] = float(value)
        except ValueError as error:
            raise ValueError(f"--accuracy {word}: expected CLASS=SHARE, such as impervious=0.85") from error
        if not 0 < shares[name] < 1:
            raise ValueError(f"--accuracy {word}: expected a share between 0 and 1")
    return shares
