"""Which of Google's algorithms the local engine has, by class, and what it assumes (local_ee/docs/coverage.md).

    python -m benchmarks.engine_coverage

prints them; with `--write` (`make counts`) they go into the page. Google's list is that of the installed `ee` wheel. An
assumption is what a docstring or a comment of local_ee calls so.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from local_ee.evaluation import registry, signatures

ROOT = Path(__file__).resolve().parents[1]
ENGINE, PAGE = ROOT / "src" / "local_ee", ROOT / "docs" / "coverage.md"
CONSTRUCTOR = "(constructor)"
_WORD = re.compile(r"\bassum(?:ption|es\b|ed\b)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.;])\s+(?=[A-Z])")


@dataclass(frozen=True)
class ClassCoverage:
    """The algorithms of one class of Earth Engine, by their names in it."""

    name: str
    present: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Assumption:
    """What the engine assumes: the module and function that say so, and the algorithms that are defined there."""

    module: str
    function: str | None
    text: str

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms of the function; of a whole module's assumption those of the module."""
        return _algorithms().get((self.module, self.function), ())


@cache
def classes() -> tuple[ClassCoverage, ...]:
    """Every class of Google's list, in alphabetical order."""
    present = set(registry.names())
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(signatures.signatures()):
        members[name.partition(".")[0]].append(name)
    return tuple(
        ClassCoverage(
            name,
            tuple(_member(each) for each in own if each in present),
            tuple(_member(each) for each in own if each not in present),
        )
        for name, own in sorted(members.items(), key=lambda pair: pair[0].lower())
    )


def _member(name: str) -> str:
    return name.partition(".")[2] or CONSTRUCTOR


@cache
def assumptions(folder: Path = ENGINE) -> tuple[Assumption, ...]:
    """Every assumption that the sources of a package name, in order of their paths."""
    paths = (path for path in sorted(folder.rglob("*.py")) if "build" not in path.relative_to(folder).parts)
    return tuple(assumption for path in paths for assumption in _of_file(path, folder.parent))


def _of_file(path: Path, root: Path) -> Iterator[Assumption]:
    source = path.read_text(encoding="utf-8")
    module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    for function, docstring in _docstrings(ast.parse(source)):
        for text in _stated(docstring):
            yield Assumption(module, function, text)
    for line in source.splitlines():
        comment = line.partition("# ")[2]
        if _WORD.search(comment) and '"' not in comment:
            yield Assumption(module, None, f"`{line.partition('#')[0].strip()}`: {comment}")


def _docstrings(tree: ast.Module) -> Iterator[tuple[str | None, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
            yield (None if isinstance(node, ast.Module) else node.name), text


def _stated(docstring: str) -> Iterator[str]:
    """The sentences of a docstring that name an assumption; after "Assumption:" all of the paragraph."""
    for paragraph in docstring.split("\n\n"):
        text = " ".join(paragraph.split())
        opening = re.search(r"Assumptions?\b[^.:]*:", text)
        if opening:
            yield text[opening.start() :]
        else:
            yield from (sentence for sentence in _SENTENCE_END.split(text) if _WORD.search(sentence))


@cache
def _algorithms() -> Mapping[tuple[str, str | None], tuple[str, ...]]:
    defined: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for name in registry.names():
        function = registry.find(name).function
        defined[function.__module__, function.__name__].append(name)
        defined[function.__module__, None].append(name)
    return {place: tuple(names) for place, names in defined.items()}


def totals() -> str:
    """One sentence of counts."""
    present = sum(len(each.present) for each in classes())
    missing = sum(len(each.missing) for each in classes())
    stated = assumptions()
    assumed = {name for assumption in stated for name in assumption.algorithms}
    return (
        f"Of {present + missing} algorithms in {len(classes())} classes, {present} are implemented and {missing} are "
        f"refused; {len(stated)} assumptions are stated, and {len(assumed)} of the implemented algorithms are defined "
        "where one is."
    )


def class_table() -> str:
    """Markdown: one row per class."""
    rows = ["| class | implemented | refused | names of the refused |", "|---|---:|---:|---|"]
    for each in classes():
        names = ", ".join(f"`{name}`" for name in each.missing)
        rows.append(f"| {each.name} | {len(each.present)} | {len(each.missing)} | {names} |")
    return "\n".join(rows)


def assumption_table() -> str:
    """Markdown: one row per assumption."""
    rows = ["| where | algorithms | what is assumed |", "|---|---|---|"]
    for each in assumptions():
        where = f"`{each.module.removeprefix('local_ee.')}`" + (f" `{each.function}`" if each.function else "")
        rows.append(f"| {where} | {_listed(each.algorithms)} | {each.text.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def _listed(names: tuple[str, ...], most: int = 6) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


BLOCKS = {"totals": totals, "classes": class_table, "assumptions": assumption_table}


def current(text: str) -> str:
    """The page's text with each of its blocks as the code has it now."""
    for name, content in BLOCKS.items():
        opening, closing = f"<!-- coverage: {name} -->", "<!-- /coverage -->"
        before, _, after = text.partition(opening)
        text = f"{before}{opening}\n{content()}\n{closing}{after.partition(closing)[2]}"
    return text


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(current(PAGE.read_text("utf-8")), encoding="utf-8")
    else:
        print(totals(), class_table(), assumption_table(), sep="\n\n")
