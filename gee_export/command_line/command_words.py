"""A command's words as typer takes them: options with several values, boxes with commas, and what is wrong in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from isamap.gee_export.base.suggest import suggest
from isamap.gee_export.command_line import global_options

HELP = ("-h", "--help")
OF_CHECKPOINT = ("composite", "sensors", "bands", "share", "scheme")  # of an export, and so of a network's input
_NUMBER = re.compile(r"-[\d.]")


@dataclass(frozen=True)
class OptionNames:
    """The options of a command by how many values they take.

    repeatable: several values, one after another. flags: none. fixed: exactly so many, such as the four of a box.
    """

    declared: frozenset[str]
    repeatable: frozenset[str]
    flags: frozenset[str]
    fixed: dict[str, int]
    takes_words: bool

    @classmethod
    def of(cls, command: Any) -> OptionNames:
        """Of a click command."""
        options = [p for p in command.params if p.param_type_name == "option"]
        return cls(
            _spellings(options) | {*HELP},
            _spellings([p for p in options if p.multiple]),
            _spellings([p for p in options if p.is_flag]) | {*HELP},
            {word: p.nargs for p in options if p.nargs > 1 for word in p.opts},
            len(options) < len(command.params),
        )


def _spellings(options: Sequence[Any]) -> frozenset[str]:
    return frozenset(word for option in options for word in (*option.opts, *option.secondary_opts))


def prepared(words: Sequence[str], names: OptionNames, *, prog: str, settings: Collection[str] = ()) -> list[str]:
    """The words as click takes them; ValueError for an option that is unknown, repeated, or has too few or many values.

    settings: the names that --set takes.
    """
    result: list[str] = []
    _refuse_repeated(words, names)
    for option, values in _groups(words):
        if option is None:
            result += values
            continue
        name, equals, value = option.partition("=")
        if name not in names.declared:
            raise ValueError(_unknown(name, value or " ".join(values[:1]), names, prog, settings))
        result += _option_words(name, [value, *values] if equals else values, names)
    return result


def _refuse_repeated(words: Sequence[str], names: OptionNames) -> None:
    """ValueError for an option given twice, of which click would silently take the last."""
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    for option in options:
        if option in names.declared - names.repeatable and options.count(option) > 1:
            raise ValueError(f"{option} is given {options.count(option)} times, it takes one value: run once for each")


def is_option(word: str) -> bool:
    """Whether a word names an option; negative numbers and a single minus are values."""
    return word.startswith("-") and word != "-" and not _NUMBER.match(word)


def nearest(name: str, names: Collection[str]) -> str:
    """`did you mean NAME?`, or nothing where no name is near."""
    return suggest(name, sorted(names), cutoff=0.6)


def _groups(words: Sequence[str]) -> list[tuple[str | None, list[str]]]:
    """Every option with the values behind it; first, and behind `--`, values of no option."""
    groups: list[tuple[str | None, list[str]]] = [(None, [])]
    for index, word in enumerate(words):
        if word == "--":
            return [*groups, (None, list(words[index:]))]
        if is_option(word):
            groups.append((word, []))
        else:
            groups[-1][1].append(word)
    return groups


def _option_words(name: str, values: list[str], names: OptionNames) -> list[str]:
    if name in names.flags:
        return [name, *values]
    if name in names.repeatable:
        if not values:
            raise ValueError(f"{name} needs at least one value, or leave it out")
        return [word for value in values for word in (name, value)]
    if name in names.fixed:
        return [name, *_numbers(name, values, names)]
    if not values:
        raise ValueError(f"{name} needs a value")
    if len(values) > 1 and not names.takes_words:
        raise ValueError(f"{name} takes one value, {len(values)} are given: {' '.join(values)}; run once for each")
    return [f"{name}={values[0]}", *values[1:]]


def _numbers(name: str, values: list[str], names: OptionNames) -> list[str]:
    """The values of an option that takes exactly so many numbers, with or without commas."""
    count = names.fixed[name]
    if values and "," in values[0]:
        values = [text for text in re.split(r"[,\s]+", " ".join(values)) if text]
    if len(values) < count or (len(values) > count and not names.takes_words):
        spelled = " ".join(values) or "none"
        raise ValueError(f"{name} takes {count} numbers, {len(values)} are given: {spelled}")
    for value in values[:count]:
        try:
            float(value)
        except ValueError as error:
            raise ValueError(f"{name} {' '.join(values[:count])}: {value!r} is not a number") from error
    return values


def _unknown(name: str, value: str, names: OptionNames, prog: str, settings: Collection[str]) -> str:
    key = name.strip("-").replace("-", "_")
    if key in settings:
        return f"{prog} has no option {name}: it is a setting, give --set {key}={value or 'VALUE'}"
    if key in OF_CHECKPOINT and "--checkpoint" in names.declared:
        return f"{prog} has no option {name}: the checkpoint decides it, give one that was trained so"
    hint = (
        nearest(name, {*names.declared, *global_options.FLAGS, *global_options.VALUED})
        or f"`{prog} --help` lists its options"
    )
    return f"{prog} has no option {name}: {hint}"
