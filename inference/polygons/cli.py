"""The command `isamap area`: class areas by polygon, or shares of classes in cells."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

from isamap.gee_export.base.options import Option
from isamap.gee_export.command import command
from isamap.gee_export.command_line.report_output import show
from isamap.inference.assessment.request import AnswerFiles, AnswerSource, AreaOptions, Interval, Maps


@command
def area(
    maps: Maps,
    options: AreaOptions,
    answers: AnswerFiles,
    sample_folder: Annotated[
        str | None,
        Option("A sample of this map, for estimates with intervals.", metavar="FOLDER", flag="--sample"),
    ] = None,
    interval: Interval = "beta",
    grid: Annotated[
        str | None, Option("Shares of the classes in cells: 100m, or a raster's grid.", metavar="STEP|FILE")
    ] = None,
    out: Annotated[str | None, Option("A .csv, .gpkg or .json; with --grid .tif, .nc, .parquet or .gpkg.")] = None,
) -> None:
    """Count km2 of each class, by polygon or as shares in cells; with a sample, estimate them with intervals."""
    from isamap.gee_export.earth_engine.session import connect
    from isamap.inference.assessment import areas

    if grid is not None:
        if options.zones or sample_folder or out is None:
            raise ValueError(f"--grid {grid} writes cells: it needs --out, and goes with neither --by nor --sample")
        from isamap.inference.polygons.fractions import class_fractions

        show(class_fractions(maps, grid, out, names=options.classes))
        return
    source = AnswerSource(**vars(answers))
    with connect(None) if answers.is_world else nullcontext():
        show(areas.area(maps, options, sample=sample_folder, answers=source, interval=interval, out=out))
