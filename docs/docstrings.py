"""Plain docstrings as reStructuredText: `name` becomes code, nothing else is markup."""

from __future__ import annotations

import re


def process(app, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Sphinx's hook: replaces the lines of a docstring in place."""
    lines[:] = to_rst("\n".join(lines)).splitlines()


def to_rst(text: str) -> str:
    """The reStructuredText of a docstring: paragraphs are kept, indented ones become literal blocks."""
    return "\n\n".join(_paragraph(block) for block in re.split(r"\n\s*\n", text.strip("\n")) if block.strip())


def _paragraph(block: str) -> str:
    lines = block.split("\n")
    if any(line.startswith((" ", "\t")) for line in lines):
        return "::\n\n" + "\n".join(f"    {line}" for line in lines)
    return re.sub(r"`([^`]+)`|([*_|\\])", _marked, " ".join(lines))


def _marked(match: re.Match[str]) -> str:
    code, sign = match.groups()
    return f"``{code.strip()}``" if code else f"\\{sign}"
