"""A page's scripts, which are modules, joined into one script that loads nothing.

`page` holds what every page of maps has: canvas, layers, charts, style. A page with more files, as the service's, names
their folder; a file is looked for there first.
"""

from __future__ import annotations

import re
from pathlib import Path

HOME = Path(__file__).with_name("page")
_IMPORT = re.compile(r'^import\s+({[^}]*})\s+from\s+"\./([\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let) (\w+))", re.MULTILINE)


def joined(entry: str, folder: Path = HOME) -> str:
    """One strict script of a module and of all that it imports, each in its own scope before its importers."""
    order: dict[str, str] = {}
    _visit(entry, folder, order)
    return '"use strict";\n(() => {\nconst modules = {};\n' + "\n".join(order.values()) + "\n})();\n"


def asset(name: str, folder: Path = HOME) -> str:
    """The text of one of the page's files."""
    path = folder / name
    return (path if path.exists() else HOME / name).read_text(encoding="utf-8")


def _visit(name: str, folder: Path, order: dict[str, str]) -> None:
    if name in order:
        return
    source = asset(name, folder)
    for _, imported in _IMPORT.findall(source):
        _visit(imported, folder, order)
    text = _EXPORT.sub("", _IMPORT.sub(r'const \1 = modules["\2"];\n', source))
    exports = ", ".join(_EXPORT.findall(source))
    order[name] = f'modules["{name}"] = (() => {{\n{text}return {{ {exports} }};\n}})();'
