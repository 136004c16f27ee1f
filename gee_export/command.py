"""Commands made of option records: a typed function for typer, with `--config FILE.toml`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING
from typing import Annotated, Any

import typer

from gee_export.base import option_files
from gee_export.base.option_values import plain_type
from gee_export.base.options import OptionField, as_flag, from_options, takes_options

_Config = Annotated[
    str | None,
    typer.Option("--config", metavar="FILE.toml", help="Options by name; those on the command line override them."),
]


def command_of(record: type, run: Callable[..., None], *, config: Any = _Config) -> Callable[..., None]:
    """The function behind a command: the record's options, `run` with the record that they make.

    Name and help are those of `run`. Options of the command line override those of the file of options. ValueError for
    what the record refuses. config: how that file is given, `--config` unless said otherwise.
    """

    def command(ctx: typer.Context, config: str | None = None, **options: Any) -> None:
        typed = {name: value for name, value in options.items() if _is_typed(ctx, name)}
        values = ({} if config is None else option_files.read(record, config)) | typed
        run(from_options(record, values, spelled=as_flag))

    command.__annotations__["config"] = config
    command.__name__, command.__doc__ = run.__name__.strip("_"), run.__doc__
    return takes_options(record, annotation)(command)


def annotation(option: OptionField) -> Any:
    """The type hint from which typer makes an option or argument."""
    kind = plain_type(option.type)
    hint = kind if kind is bool or option.default is MISSING else kind | None
    metavar, panel = option.option.form or None, option.option.group or None
    if option.option.positional:
        return Annotated[hint, typer.Argument(help=option.option.help, metavar=metavar, rich_help_panel=panel)]
    return Annotated[hint, typer.Option(option.flag, help=option.option.help, metavar=metavar, rich_help_panel=panel)]


def _is_typed(ctx: typer.Context, name: str) -> bool:
    """Whether the user typed the option, rather than it having its default."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
