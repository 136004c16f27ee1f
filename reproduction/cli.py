"""`isamap reproduce`: a typed function, thin over `isamap.reproduction.reproduce`."""

from __future__ import annotations

from typing import Annotated

from isamap.gee_export.base.options import Option
from isamap.gee_export.command import command
from isamap.gee_export.command_line.report_output import show, show_list
from isamap.reproduction.study import PRESETS


@command
def reproduce(
    names: Annotated[
        tuple[str, ...], Option("Studies of --list, one or several.", metavar="NAME", positional=True)
    ] = (),
    data: Annotated[
        tuple[str, ...],
        Option("Datasets, or a folder of WHU-IS, instead of the simulated world; ROLE=PLACE too."),
    ] = (),
    preset: Annotated[str, Option(f"{' or '.join(PRESETS)}: CPU-sized, or as the paper says.")] = "cpu",
    seeds: Annotated[int | None, Option("How many, from 0 on; each study has its own.")] = None,
    out: Annotated[str, Option("Folder of runs, datasets and reports.")] = "reproductions",
    jobs: Annotated[int, Option("Runs at a time, with one thread each.")] = 1,
    list_: Annotated[bool, Option("List the studies and end.")] = False,
    page: Annotated[str | None, Option("Put all reports of --out into this Markdown page.")] = None,
) -> None:
    """Train and evaluate what a paper's table or figure holds; print it beside the paper's numbers."""
    from isamap.reproduction import page as pages
    from isamap.reproduction.reproduce import listing, reproduce, studied, studies

    if list_:
        show_list(studies, listing)
        return
    if not names and page is None:
        raise ValueError("name a study of `isamap reproduce --list`, or write the reports into a page with --page")
    for name in names:
        studied(name)  # an unknown name is reported before the others' hours
    for name in names:
        show(reproduce(name, data, out, preset=preset, seeds=seeds, jobs=jobs))
    if page is not None:
        show(pages.write(page, out))
