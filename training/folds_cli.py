"""The command `isamap cross-validate`."""

from __future__ import annotations

from typing import Annotated

from isamap.gee_export.base.options import Option
from isamap.gee_export.command import command
from isamap.gee_export.command_line.report_output import show
from isamap.training.cli import Data, Logger, Project, pairs_of, session_for


@command
def cross_validate(
    data: Data,
    out: Annotated[str, Option("Folder or gs:// prefix of the folds' runs; it goes on there.")],
    recipe: Annotated[str, Option("See `isamap models`, or a .toml file.")] = "unet-tiny",
    folds: Annotated[int, Option("Parts of the ground, each tested by one run.")] = 5,
    set_: Annotated[tuple[str, ...], Option("KEY=VALUE of the recipe, e.g. epochs=3.")] = (),
    logger: Logger = (),
    project: Project = None,
) -> None:
    """Train a recipe once for every fold of the ground, test each on the ground held out, and print one table."""
    from isamap import training

    with session_for([*data, out], project) as session:
        options = {"folds": folds, "settings": pairs_of(set_), "loggers": logger, "session": session}
        show(training.cross_validate(data, recipe, out, **options))
