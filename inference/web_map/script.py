"""The page's scripts, which are modules, joined into one script that loads nothing."""

from __future__ import annotations

import re
from pathlib import Path

HOME = Path(__file__).resolve().parents[1] / "serve" / "page"
_IMPORT = re.compile(r'^import\s+({[^}]*})\s+from\s+"\./([\w.]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let) (\w+))", re.MULTILINE)


def joined(entry: str) -> str:
    """One strict script of a module and of all that it imports, each in its own scope before its importers."""
    order: dict[str, str] = {}
    _visit(entry, order)
    return '"use strict";\n(() => {\nconst modules = {};\n' + "\n".join(order.values()) + "\n})();\n"


def asset(name: str) -> str:
    """The text of one of the page's files."""
    return (HOME / name).read_text(encoding="utf-8")


def _visit(name: str, order: dict[str, str]) -> None:
    if name in order:
        return
    source = asset(name)
    for _, imported in _IMPORT.findall(source):
        _visit(imported, order)
    text = _EXPORT.sub("", _IMPORT.sub(r'const \1 = modules["\2"];\n', source))
    exports = ", ".join(_EXPORT.findall(source))
    order[name] = f'modules["{name}"] = (() => {{\n{text}return {{ {exports} }};\n}})();'
