"""The help of one command: usage, description, and its options in groups with their choices and defaults."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

from isamap.gee_export.command_line import global_options

# what stands for the value of an option where its command does not say
METAVARS = {
    "--bbox": "W S E N", "--month": "YYYY-MM", "--period": "PERIOD", "--region": "NAME", "--geometry": "FILE",
    "--out": "PATH", "--data": "DATASET", "--checkpoint": "RUN", "--from": "RUN", "--label": "SOURCE",
    "--fine-label": "SOURCE", "--image": "IMAGE", "--fine": "IMAGE", "--set": "NAME=VALUE", "--project": "PROJECT",
    "--bucket": "BUCKET", "--catalog": "FOLDER", "--epsg": "CODE", "--recipe": "NAME", "--json": "FILE",
    "--hold-out": "NAME", "--bands": "BAND", "--fine-bands": "BAND", "--asset": "ASSET", "--chips": "FILE",
    "--plot": "FILE", "--input": "FILE", "--fixed": "FILE", "--moving": "FILE", "--page": "FILE", "--faults": "FILE",
    "--layer": "[label|fine]", "--judge": "[val|train]", "--backbone": "FILE", "--backbone-bands": "BAND",
    "--answers": "FILE", "--diagram": "FILE.png", "--group": "NAME=RUN,RUN", "--column": "NAME",
    "--impervious": "VALUE", "--classes": "NAME", "--strata-classes": "NAME", "--strata": "map|none|FILE",
    "--folder": "FOLDER", "--host": "ADDRESS", "--url": "URL", "--token-file": "FILE", "--trusted-proxy": "ADDRESS",
    "--scheduler": "tcp://HOST:PORT", "--maps": "FOLDER", "--parameters": "FILE", "--html": "FILE.html",
    "--external": "gs://BUCKET/NAME.tif", "--geemap": "FILE.py", "--products": "NAME", "--replay": "FOLDER",
    "--steps": "STEP",
}  # fmt: skip
MOST_CHOICES = 8
WIDEST = 120
_INDENT = 2
_NAMES_WIDTH = 30

Choices = Callable[[str], Sequence[str]]


def page(command: Any, prog: str, choices: Choices = lambda name: ()) -> str:
    """The help text at the terminal's width. choices: an option's values, empty where they are not limited."""
    width = min(WIDEST, shutil.get_terminal_size((100, 24)).columns)
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join([f"Usage: {prog} [OPTIONS]", *(_argument_usage(p) for p in arguments)])
    paragraphs = [" ".join(block.split()) for block in (command.help or "").split("\n\n")]
    lines = [usage, "", *(textwrap.fill(text, width) + "\n" for text in paragraphs)]
    types = _types(command.callback)
    panels: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.params:
        if not getattr(parameter, "hidden", False) and "--help" not in parameter.opts:
            row = _row(parameter, types.get(parameter.name), choices)
            panels.setdefault(_panel(parameter), []).append(row)
    panels["Every command"] = [*global_options.HELP, ("-h, --help", "Show this text.")]
    for title, rows in panels.items():
        lines += [f"{title}:", *_table(rows, width), ""]
    return "\n".join(lines).rstrip() + "\n"


def _panel(parameter: Any) -> str:
    usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
    return getattr(parameter, "rich_help_panel", None) or usual


def _argument_usage(parameter: Any) -> str:
    name = _argument_name(parameter) + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _argument_name(parameter: Any) -> str:
    return parameter.metavar or parameter.name.upper()


def _row(parameter: Any, annotation: Any, choices: Choices) -> tuple[str, str]:
    if parameter.param_type_name == "argument":
        return _argument_name(parameter), parameter.help or ""
    names = " / ".join(", ".join(group) for group in (parameter.opts, parameter.secondary_opts) if group)
    if not parameter.is_flag:
        names += f" {_metavar(parameter, annotation, choices)}"
    return names, f"{parameter.help or ''}{_default(parameter)}"


def _metavar(parameter: Any, annotation: Any, choices: Choices) -> str:
    option = parameter.opts[0]
    several = " ..." if parameter.multiple else ""
    if parameter.metavar:
        return parameter.metavar + several
    values: Sequence[Any] = get_args(annotation) if get_origin(annotation) is Literal else ()
    if option not in METAVARS:
        values = values or choices(option)
    if values and len(values) <= MOST_CHOICES:
        return f"[{'|'.join(map(str, values))}]{several}"
    return METAVARS.get(option, {int: "N", float: "NUMBER"}.get(annotation, "TEXT")) + several


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return " [required]"
    if value is None or value == "" or callable(value) or isinstance(value, bool) or parameter.show_default is False:
        return ""
    words = " ".join(map(_word, value)) if isinstance(value, (list, tuple)) else _word(value)
    return f" [default: {words}]" if words else ""


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _types(function: Callable) -> Mapping[str, Any]:
    """The plain type of every parameter: without None, and of a list the type of its items."""
    return {name: _plain(hint) for name, hint in get_type_hints(function).items()}


def _plain(hint: Any) -> Any:
    kinds = [member for member in get_args(hint) if member is not type(None)]
    if get_origin(hint) is Literal or not kinds:
        return hint
    return _plain(kinds[0])


def _table(rows: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Rows in two columns; a long left cell has a line of its own."""
    column = min(_NAMES_WIDTH, max(len(name) for name, _ in rows) + 2)
    lines: list[str] = []
    for name, text in rows:
        wrapped = textwrap.wrap(text, max(20, width - column - _INDENT)) or [""]
        if len(name) + 2 <= column:
            lines.append(f"{'':{_INDENT}}{name:<{column}}{wrapped.pop(0)}".rstrip())
        else:
            lines += textwrap.wrap(name, width - _INDENT, initial_indent=" " * _INDENT, subsequent_indent=" " * 6)
        lines += [f"{'':{_INDENT + column}}{line}" for line in wrapped]
    return lines
