"""How many of Google's own API-doc samples the local engine answers as they are printed (local_ee/docs/engine.md).

python local_ee/benchmarks/conformance.py --samples REPOSITORY [--class Array] [--misses] [--json FILE] [--page FILE]

REPOSITORY is a clone of github.com/google/earthengine-community, with or without a work tree. A sample's line
`display(value)  # printed` is one check where the comment can be read as a value; a comment above or below the line
counts where it stands alone. Samples that need an asset which the simulated world lacks are counted apart.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import math
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import MagicMock

import ee
from google.auth.credentials import AnonymousCredentials

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.clone import commit_of, sources
from benchmarks.page_marks import write_between
from benchmarks.printed_values import Printed, printed_text, printed_value
from benchmarks.sample_misses import reason_of
from local_ee import LocalEngine
from local_ee.catalogs import open_catalog
from local_ee.limits import Limits

FOLDER = "samples/python/apidocs"
PASSED, WRONG, MISSING, REFUSED, ASSET = "as printed", "another value", "no such algorithm", "refused", "no such asset"
OUTCOMES = (PASSED, WRONG, MISSING, REFUSED, ASSET)
_OPENING, _CLOSING = "<!-- samples: local_ee/benchmarks/conformance.py -->", "<!-- /samples -->"
_SECONDS = 20.0  # of a computation
_CELL = 60  # characters of a table's cell
_MARK = re.compile(r"\[(?:START|END) ")


@dataclass(frozen=True)
class Check:
    """One printed value: what came of it, and what the engine said instead."""

    sample: str
    line: int
    outcome: str
    printed: str
    answer: str = ""

    @property
    def family(self) -> str:
        """The class whose page it is."""
        return family_of(self.sample)


def family_of(sample: str) -> str:
    """The class whose page a sample is: ee_array_accum.py is Array's."""
    words = sample.removesuffix(".py").split("_")
    return words[1] if len(words) > 1 else words[0]


def samples(repository: str) -> Iterator[tuple[str, str]]:
    """Names and sources of the samples."""
    return ((path.name, source) for path, source in sources(repository, FOLDER, ".py"))


def comments(source: str) -> Mapping[int, str]:
    """The comment of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    noted = {token.start[0]: token.string.lstrip("# ").rstrip() for token in tokens if token.type == tokenize.COMMENT}
    return {line: text for line, text in noted.items() if not _MARK.match(text)}


@dataclass(frozen=True)
class Page:
    """A sample's statements, and the comments that say what they print."""

    name: str
    statements: tuple[ast.stmt, ...]
    noted: Mapping[int, str]
    code_lines: frozenset[int]

    @classmethod
    def of(cls, name: str, source: str) -> Page:
        """A page by its source."""
        tree = ast.parse(source)
        lines = frozenset(node.lineno for node in ast.walk(tree) if hasattr(node, "lineno"))
        return cls(name, tuple(tree.body), comments(source), lines)

    def printed_by(self, statement: ast.stmt) -> Printed | None:
        """What a statement prints: the comment at its end, or one that stands alone above or below."""
        last = statement.end_lineno or statement.lineno
        if last in self.noted:
            return printed_value([self.noted[last]]) or printed_text(self.noted[last])
        blocks = (self._block(statement.lineno - 1, -1), self._block(last + 1, 1), self._rows_below(last))
        return next((printed for printed in map(printed_value, filter(None, blocks)) if printed), None)

    def _block(self, line: int, step: int) -> list[str]:
        """The comments from a line on that have no code beside them."""
        block = []
        while line in self.noted and line not in self.code_lines:
            block.append(self.noted[line])
            line += step
        return block[::step]

    def _rows_below(self, last: int) -> list[str]:
        """A matrix that an empty line parts from its statement."""
        following = min((line for line in self.code_lines if line > last), default=math.inf)
        lines = [line for line in self.noted if last < line < following]
        if not lines or lines[-1] + 1 == following:  # of the next statement
            return []
        texts = [self.noted[line] for line in lines]
        return texts if texts[-1].startswith("[") else []


def checks_of(page: Page) -> Iterator[Check]:
    """Runs a sample and compares every value that it prints."""
    space: dict[str, Any] = {"ee": ee, "geemap": MagicMock(), "display": lambda *values: None, "__name__": "sample"}
    for statement in page.statements:
        shown = _displayed(statement)
        printed = page.printed_by(statement) if shown else None
        try:
            if printed is None or shown is None:
                exec(compile(ast.Module([statement], []), page.name, "exec"), space)
                continue
            value = eval(compile(ast.Expression(shown), page.name, "eval"), space)
            answer = value.getInfo() if hasattr(value, "getInfo") else value
            answer = answer.__name__ if isinstance(answer, type) else answer
        except Exception as error:
            if printed is not None:
                yield Check(page.name, statement.lineno, _refusal(str(error)), printed.text, str(error)[:200])
            continue
        if printed.states(answer):
            outcome = PASSED if printed.equals(answer) else WRONG
            yield Check(page.name, statement.lineno, outcome, printed.text, json.dumps(answer, default=str)[:200])


def _displayed(statement: ast.stmt) -> ast.expr | None:
    """The value that a statement displays or prints; of `repr(value)` the value."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not (_calls(call, "display") or _calls(call, "print")) or not call.args:
        return None
    shown = call.args[-1]
    return shown.args[0] if _calls(shown, "repr") else shown


def _calls(node: ast.expr | None, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _refusal(message: str) -> str:
    if "the local engine does not have it" in message:
        return MISSING
    return ASSET if "not found (does not exist" in message or "asset" in message.lower() else REFUSED


def table(checks: list[Check]) -> str:
    """Counts of each class in Markdown."""
    counted = Counter((check.family, check.outcome) for check in checks)
    families = sorted({check.family for check in checks}, key=lambda f: -sum(counted[f, o] for o in OUTCOMES))
    rows = [[family, *(counted[family, outcome] for outcome in OUTCOMES)] for family in families]
    rows.append(["all", *(sum(row[i] for row in rows) for i in range(1, len(OUTCOMES) + 1))])
    lines = [f"| class | {' | '.join(OUTCOMES)} | printed |", "| --- |" + " --- |" * (len(OUTCOMES) + 1)]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} | {sum(row[1:])} |" for row in rows)])


def misses(checks: list[Check]) -> str:
    """Every check that is not as printed, with its reason, in Markdown; those of absent assets by their page."""
    absent = Counter(check.sample for check in checks if check.outcome == ASSET)
    lines = ["| page and line | printed | answered | reason |", "| --- | --- | --- | --- |"]
    for check in checks:
        if check.outcome not in (PASSED, ASSET):
            reason = reason_of(check.sample, check.line, absent=False)
            lines.append(f"| {check.sample}:{check.line} | {_cell(check.printed)} | {_cell(check.answer)} | {reason} |")
    for page, count in absent.items():
        lines.append(f"| {page} | {count} printed | refused | {reason_of(page, 0, absent=True)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """A text that a table's cell can hold."""
    short = text if len(text) <= _CELL else f"{text[: _CELL - 3]}..."
    return f"`{short.replace('|', '')}`"


def write_page(page: Path, checks: list[Check], repository: str) -> None:
    """Puts the tables between the marks of a page; ValueError where it has none."""

    def body() -> str:
        counted = Counter(check.outcome for check in checks)
        answerable = len(checks) - counted[ASSET]
        head = f"{datetime.now(UTC):%Y-%m-%d}, samples of commit {commit_of(repository)}: {counted[PASSED]} of the "
        head += f"{answerable} printed values that need no absent asset are answered as printed; {counted[ASSET]} "
        return "\n\n".join([f"{head}need one.", table(checks), misses(checks)])

    write_between(page, _OPENING, _CLOSING, body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", required=True, help="a clone of google/earthengine-community")
    parser.add_argument("--class", dest="family", default="", help="only the pages of one class, such as Array")
    parser.add_argument("--misses", action="store_true", help="print every value that is not as printed")
    parser.add_argument("--json", help="a file for every check")
    parser.add_argument("--page", type=Path, help="a page with marks for the tables, such as local_ee/docs/coverage.md")
    options = parser.parse_args()
    checks: list[Check] = []
    pages = list(samples(options.samples))
    limits = Limits(computation_seconds=_SECONDS)
    with (
        TemporaryDirectory() as folder,
        chdir(folder),  # some samples write files
        LocalEngine(open_catalog("world"), Path(folder, "home"), limits=limits) as engine,
    ):
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=engine.url)
        ee.data.setMaxRetries(0)
        for name, source in pages:
            if options.family.lower() in ("", family_of(name)):
                checks += checks_of(Page.of(name, source))
    if options.misses:
        for check in checks:
            if check.outcome != PASSED:
                print(f"{check.sample}:{check.line}: {check.outcome}: printed {check.printed}, answered {check.answer}")
    print(table(checks))
    if options.json:
        Path(options.json).write_text(json.dumps([asdict(check) for check in checks], indent=1))
    if options.page:
        write_page(options.page, checks, options.samples)


if __name__ == "__main__":
    main()
