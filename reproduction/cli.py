"""`isamap reproduce`: a typed function, thin over `reproduction.reproduce`."""

from __future__ import annotations

from typing import Annotated

import typer

from gee_export.command_line.report_output import show, show_list
from reproduction.study import PRESETS


def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Studies of --list, one or several.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", help="Datasets, or a folder of WHU-IS, instead of the simulated world; ROLE=PLACE too."),
    ] = None,
    preset: Annotated[
        str, typer.Option("--preset", help=f"{' or '.join(PRESETS)}: CPU-sized, or as the paper says.")
    ] = "cpu",
    seeds: Annotated[int | None, typer.Option("--seeds", help="How many, from 0 on; each study has its own.")] = None,
    out: Annotated[str, typer.Option("--out", help="Folder of runs, datasets and reports.")] = "reproductions",
    jobs: Annotated[int, typer.Option("--jobs", help="Runs at a time, with one thread each.")] = 1,
    list_: Annotated[bool, typer.Option("--list", help="List the studies and end.")] = False,
    page: Annotated[
        str | None, typer.Option("--page", help="Put all reports of --out into this Markdown page.")
    ] = None,
) -> None:
    """Train and evaluate what a paper's table or figure holds; print it beside the paper's numbers."""
    from reproduction import page as pages
    from reproduction.reproduce import listing, reproduce, studied, studies

    if list_:
        show_list(studies, listing)
        return
    if not names and page is None:
        raise ValueError("name a study of `isamap reproduce --list`, or write the reports into a page with --page")
    for name in names or []:
        studied(name)  # an unknown name is reported before the others' hours
    for name in names or []:
        show(reproduce(name, data or (), out, preset=preset, seeds=seeds, jobs=jobs))
    if page is not None:
        show(pages.write(page, out))
