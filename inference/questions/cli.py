"""The command `isamap ask`."""

from __future__ import annotations

from typing import Annotated

from isamap.gee_export.base.options import Option
from isamap.gee_export.base.project import PROJECT
from isamap.gee_export.command import command
from isamap.gee_export.command_line.report_output import show

Project = Annotated[str | None, PROJECT]


@command
def ask(
    checkpoint: Annotated[tuple[str, ...], Option("A run or checkpoint; several are compared.")],
    data: Annotated[tuple[str, ...], Option("Patch dataset to choose from; may repeat.")],
    out: Annotated[str, Option("New folder: sheet/ for interpreters, key.json for you.")],
    points: Annotated[int, Option("So many pixels.")] = 100,
    by: Annotated[str, Option("entropy, members (of several --checkpoint) or label.")] = "entropy",
    split: Annotated[str, Option("train, val or test.")] = "train",
    each: Annotated[int, Option("Most points of a patch.")] = 3,
    batch: Annotated[int, Option("Patches at once.")] = 16,
    project: Project = None,
) -> None:
    """Choose the points most worth a look, where networks disagree most, and write their answer sheet."""
    from isamap.inference.questions.ask import Question
    from isamap.inference.questions.ask import ask as choose
    from isamap.training.cli import session_for

    with session_for([*data, *checkpoint], project) as session:
        question = Question(points, by, split, each)
        show(choose(checkpoint, data, out, question=question, batch=batch, session=session))
