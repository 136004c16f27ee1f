"""Options that are written once: fields of frozen records, from which commands, functions and files are made.

A record is a frozen dataclass. A field `Annotated[type, Option(help=...)]` is an option; a field whose type is another
record holds that record's options. Names of options are flat: they are unique in all records together.

    @dataclass(frozen=True)
    class Cut:
        size: Annotated[int, Option("Side of a patch in pixels.", group="Patches")] = 128

    @dataclass(frozen=True)
    class Request:
        cut: Cut = field(default_factory=Cut)

    from_options(Request, {"size": 64}).cut.size  # 64; {"size": "64"} or {"sise": 64} is a ValueError
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from isamap.gee_export.base import suggest
from isamap.gee_export.base.option_values import checked, is_several

Record = TypeVar("Record")


@dataclass(frozen=True)
class Option:
    """What a field says of itself as an option.

    help: a line of words. metavar: the form of its value, such as `W S E N`. choices: the words that it takes. group:
    the panel of help that it stands in, GROUP of its record unless given. flag: its spelling on the command line,
    `--its-name` unless given. name: its name, the field's unless given. positional: given without a flag. local: about
    this machine or run only, so left out of files that go along with results. check: ValueError for values of the type
    that cannot be meant.
    """

    help: str
    metavar: str = ""
    choices: Collection[str] = ()
    group: str = ""
    flag: str = ""
    name: str = ""
    positional: bool = False
    local: bool = False
    check: Callable[[Any], None] | None = None

    @property
    def form(self) -> str:
        """The metavar as help shows it: the choices where there are any, `[stream|batch]`."""
        return self.metavar or (f"[{'|'.join(self.choices)}]" if self.choices else "")


@dataclass(frozen=True)
class OptionField:
    """An option with its place: `attribute` of `record`. default: MISSING where it must be given."""

    name: str
    type: Any = field(repr=False)
    default: Any
    option: Option
    record: type
    attribute: str

    @property
    def flag(self) -> str:
        """Its spelling on the command line."""
        return self.option.flag or f"--{self.name.rstrip('_').replace('_', '-')}"

    @property
    def group(self) -> str:
        """The panel of help that it stands in: its own, or its record's."""
        return self.option.group or getattr(self.record, "GROUP", "")


Spelling = Callable[[OptionField, Any], str]


def as_keyword(option: OptionField, value: Any) -> str:
    """`size='128'`: an option with its value as Python writes it."""
    return f"{option.name}={value!r}"


def as_flag(option: OptionField, value: Any) -> str:
    """`--size 128`: an option with its value as the command line has it."""
    words = " ".join(map(str, value)) if is_several(value) else str(value)
    return f"{option.name.upper()} {words}" if option.option.positional else f"{option.flag} {words}"


@cache
def options_of(record: type) -> tuple[OptionField, ...]:
    """Every option of a record and of the records in it, in order; TypeError where two have one name."""
    options: list[OptionField] = []
    for attribute, hint, default, option in _members(record):
        if option is None:
            options += options_of(hint)
        else:
            options.append(OptionField(option.name or attribute, hint, default, option, record, attribute))
    names = [option.name for option in options]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TypeError(f"{record.__name__} has two options {', '.join(twice)}: names are flat, so give each its own")
    return tuple(options)


def from_options(record: type[Record], values: Mapping[str, Any], *, spelled: Spelling = as_keyword) -> Record:
    """The record of options by their flat names; None and what is left out is the default.

    ValueError names the option (as `spelled` writes it), its value and the form expected: for unknown names (with the
    nearest), values of another type, words that are none of its choices, and whatever the records refuse themselves.
    """
    return _built(record, checked_options(record, values, spelled=spelled))


def checked_options(record: type, values: Mapping[str, Any], *, spelled: Spelling = as_keyword) -> dict[str, Any]:
    """The values in their options' types, those that are None left out; ValueError as `from_options`, by option."""
    options = {option.name: option for option in options_of(record)}
    for name in values:
        if name not in options:
            raise ValueError(_unknown(name, options.values()))
    return {name: _value(options[name], value, spelled) for name, value in values.items() if value is not None}


def to_options(record: Any) -> dict[str, Any]:
    """Every option of a record by its flat name: what `from_options` makes an equal record of."""
    values: dict[str, Any] = {}
    for attribute, _, _, option in _members(type(record)):
        value = getattr(record, attribute)
        values |= to_options(value) if option is None else {option.name or attribute: value}
    return values


def changed_options(record: Any) -> dict[str, Any]:
    """The options of a record that are not their defaults, in order."""
    record_type: type = type(record)
    defaults = {option.name: option.default for option in options_of(record_type)}
    return {name: value for name, value in to_options(record).items() if value != defaults[name]}


def takes_options(record: type, annotation: Callable[[OptionField], Any] | None = None) -> Callable[[Any], Any]:
    """A decorator: the `**options` of a function become the record's options in its signature and type hints.

    annotation: the type hint of an option, the field's own unless given. The function is called as it was written.
    """

    def decorate(function: Any) -> Any:
        written = _signature(function)
        own = written.parameters.values()
        hint = annotation or (lambda option: option.type)
        spread = [_parameter(option, hint(option)) for option in options_of(record)]
        kept = [parameter for parameter in own if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
        ordered = sorted(
            [*spread, *kept], key=lambda parameter: (parameter.kind, parameter.default is not parameter.empty)
        )
        function.__signature__ = written.replace(parameters=ordered)
        function.__annotations__ = {parameter.name: parameter.annotation for parameter in ordered}
        return function

    return decorate


def nearest(name: str, names: Iterable[str]) -> str:
    """`did you mean SIZE?` with the name that is most like it; all names, where none is."""
    names = list(names)
    return suggest.suggest(name, names) or f"expected one of {', '.join(names)}"


def _signature(function: Any) -> inspect.Signature:
    """A function's signature, its hints as objects; as words where they name what only type checkers import."""
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:
        return inspect.signature(function)


def _members(record: type) -> list[tuple[str, Any, Any, Option | None]]:
    """Fields that are options, or (Option None) records with options: attribute, type, default, Option."""
    hints, members = get_type_hints(record, include_extras=True), []
    for member in fields(record):
        plain, option = _unannotated(hints[member.name])
        if option is not None or (isinstance(plain, type) and is_dataclass(plain)):
            factory = member.default_factory
            members.append((member.name, plain, member.default if factory is MISSING else factory(), option))
    return members


def _unannotated(hint: Any) -> tuple[Any, Option | None]:
    if get_origin(hint) is not Annotated:
        return hint, None
    plain, *notes = get_args(hint)
    return plain, next((note for note in notes if isinstance(note, Option)), None)


def _value(option: OptionField, value: Any, spelled: Spelling) -> Any:
    """The value in the option's type; ValueError where it has another, is none of the choices, or cannot be meant."""
    try:
        taken = checked(value, option.type)
    except ValueError as error:
        form = f" ({option.option.form})" if option.option.form else ""
        raise ValueError(f"{spelled(option, value)}: expected {error}{form}") from error
    for word in taken if isinstance(taken, tuple) else (taken,):
        if option.option.choices and isinstance(word, str) and word not in option.option.choices:
            choices = ", ".join(option.option.choices)
            hint = suggest.suggest(word, option.option.choices, cutoff=0.6)
            raise ValueError(f"{spelled(option, value)}: expected one of {choices}{hint and f' ({hint})'}")
    if option.option.check is not None:
        option.option.check(taken)
    return taken


def _built(record: type[Record], values: Mapping[str, Any]) -> Record:
    members: dict[str, Any] = {}
    for attribute, hint, default, option in _members(record):
        name = (option and option.name) or attribute
        if option is None:
            members[attribute] = _built(hint, values)
        elif name in values:
            members[attribute] = values[name]
        elif default is MISSING:
            raise ValueError(f"{name} is missing: {option.help}")
    return record(**members)


def _unknown(name: str, options: Iterable[OptionField]) -> str:
    """Says that no option has this name, and which is nearest, by its name or by its flag."""
    spellings = {spelling: o.name for o in options for spelling in (o.flag.strip("-").replace("-", "_"), o.name)}
    key = name.strip("-").replace("-", "_").lower()
    near = suggest.nearest(key, spellings)
    names = ", ".join(sorted(set(spellings.values())))
    hint = f"did you mean {spellings[near[0]]}?" if near else f"expected some of {names}"
    return f"{name!r} is no option: {hint}"


def _parameter(option: OptionField, hint: Any) -> inspect.Parameter:
    parameter_kind = (
        inspect.Parameter.POSITIONAL_OR_KEYWORD if option.option.positional else inspect.Parameter.KEYWORD_ONLY
    )
    default = inspect.Parameter.empty if option.default is MISSING else option.default
    return inspect.Parameter(option.name, parameter_kind, default=default, annotation=hint)
