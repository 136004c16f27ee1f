"""Commands made of option records: a typed function for typer, with `--config FILE.toml` where it is asked for.

    @command
    def cut(data: Annotated[str, Option("A folder.")], tiling: Tiling) -> None: ...

Every parameter is an option, as a field of a record is, or a record of options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields, make_dataclass
from typing import Annotated, Any, get_type_hints

import typer

from isamap.gee_export.base import option_files
from isamap.gee_export.base.option_values import plain_type
from isamap.gee_export.base.options import Option, OptionField, as_flag, from_options, takes_options

Command = Callable[..., None]
_CONFIG = Option("Options by name; those on the command line override them.", metavar="FILE.toml", flag="--config")


def command(run: Command) -> Command:
    """The function behind a command: the options of `run`, which is called with what they make.

    Name and help are those of `run`. ValueError for what a record refuses.
    """
    record = _record_of(run)

    def invoke(ctx: typer.Context, **options: Any) -> None:
        _call(run, record, _typed(ctx, options))

    return _declared(invoke, run, record)


def command_with_file(file: Option = _CONFIG) -> Callable[[Command], Command]:
    """A decorator as `command`; options of the command line override those of a TOML file. file: how it is given."""

    def decorate(run: Command) -> Command:
        record = _record_of(run)

        def invoke(ctx: typer.Context, config: str | None = None, **options: Any) -> None:
            values = {} if config is None else option_files.read(record, config)
            _call(run, record, values | _typed(ctx, options))

        invoke.__annotations__["config"] = _hint(file, str | None, file.flag)
        return _declared(invoke, run, record)

    return decorate


def annotation(option: OptionField) -> Any:
    """The type hint from which typer makes an option or argument."""
    option_type = plain_type(option.type)
    hint = option_type if option_type is bool or option.default is MISSING else option_type | None
    return _hint(option.option, hint, option.flag, option.group)


def _hint(option: Option, hint: Any, flag: str, panel: str = "") -> Any:
    shown: dict[str, Any] = {"help": option.help, "metavar": option.form or None, "rich_help_panel": panel or None}
    return Annotated[hint, typer.Argument(**shown) if option.positional else typer.Option(flag, **shown)]


def _record_of(run: Command) -> type:
    """A record whose fields are the parameters of a function."""
    hints = get_type_hints(run, include_extras=True)
    defaults = {name: parameter.default for name, parameter in inspect.signature(run).parameters.items()}
    members = [
        (name, hints[name], field() if default is inspect.Parameter.empty else field(default=default))
        for name, default in defaults.items()
    ]
    return make_dataclass(run.__name__, members, frozen=True, kw_only=True)


def _call(run: Command, record: type, values: Mapping[str, Any]) -> None:
    made: Any = from_options(record, values, spelled=as_flag)
    run(**{member.name: getattr(made, member.name) for member in fields(made)})


def _declared(invoke: Command, run: Command, record: type) -> Command:
    """`invoke` with the name and the help of `run` and the options of the record."""
    invoke.__name__, invoke.__doc__ = run.__name__.strip("_"), run.__doc__
    return takes_options(record, annotation)(invoke)


def _typed(ctx: typer.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the user typed, without those that have their defaults."""
    sources = {name: ctx.get_parameter_source(name) for name in options}
    return {name: options[name] for name, source in sources.items() if source and source.name == "COMMANDLINE"}
