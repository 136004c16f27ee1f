"""How many of Google's own API-doc samples the local engine answers as they are printed (docs/engine.md).

python benchmarks/conformance.py --samples REPOSITORY [--class Array] [--misses] [--json FILE]

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
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import MagicMock

import ee

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder: its coverage.py is not the one of numba

from gee_export.earth_engine.session import connect  # noqa: E402

FOLDER = "samples/python/apidocs"
PASSED, WRONG, MISSING, REFUSED, ASSET = "as printed", "another value", "no such algorithm", "refused", "no such asset"
OUTCOMES = (PASSED, WRONG, MISSING, REFUSED, ASSET)
_NAMES = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None, "inf": math.inf}
_NAMES |= {"NaN": math.nan, "Infinity": math.inf, "pi": math.pi, "π": math.pi}
_OPERATORS = {ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b}
_OPERATORS |= {ast.Div: lambda a, b: a / b, ast.Pow: lambda a, b: a**b}


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


class Printed:
    """A printed value that was read from a comment; numbers know how many digits were printed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.value = _read(text)

    def equals(self, answer: Any) -> bool:
        return _same(self.value, answer, self.text)


def _read(text: str) -> Any:
    """The value of a comment; ValueError where it is prose."""
    source = re.sub(r"√(\d+)", r"sqrt(\1)", text.strip().rstrip(".").replace("(nearly)", "").strip())
    try:
        return _evaluated(ast.parse(source, mode="eval").body)
    except (SyntaxError, RecursionError) as error:
        raise ValueError(text) from error


def _evaluated(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_evaluated(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_key(key): _evaluated(value) for key, value in pairs if key is not None}
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluated(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluated(node.left), _evaluated(node.right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sqrt":
        return math.sqrt(_evaluated(node.args[0]))
    raise ValueError(ast.dump(node))


def _key(node: ast.expr) -> Any:
    return node.id if isinstance(node, ast.Name) else _evaluated(node)


def _same(expected: Any, answer: Any, text: str) -> bool:
    if isinstance(answer, str) and not isinstance(expected, str) and answer == text:  # "# 123476.00" beside a string
        return True
    if isinstance(answer, list) and len(answer) == 1 and not isinstance(expected, list):
        return _same(expected, answer[0], text)
    if isinstance(expected, list):
        if not isinstance(answer, list) and len(expected) == 1:  # "# [16]" beside a number
            return _same(expected[0], answer, text)
        return (
            isinstance(answer, list)
            and len(expected) == len(answer)
            and all(_same(*pair, text) for pair in zip(expected, answer, strict=True))
        )
    if isinstance(expected, dict):
        return isinstance(answer, dict) and all(_same(value, answer.get(key), text) for key, value in expected.items())
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        return answer == expected or (isinstance(expected, str) and str(answer) == expected)
    if isinstance(answer, str) and answer in ("NaN", "Infinity", "-Infinity"):
        answer = float(answer.replace("Infinity", "inf"))
    if not isinstance(answer, int | float):
        return False
    if math.isnan(expected) or math.isinf(expected):
        return math.isnan(answer) if math.isnan(expected) else answer == expected
    digits = max(
        (len(found) for found in re.findall(r"\.(\d+)", text)), default=12 if "√" in text or "/" in text else 9
    )
    return math.isclose(expected, answer, rel_tol=1e-6, abs_tol=0.6 * 10.0**-digits)


def samples(repository: str) -> Iterator[tuple[str, str]]:
    """Names and sources of the samples."""
    git = ["git", "-C", repository]
    listed = subprocess.run([*git, "ls-tree", "--name-only", "HEAD", f"{FOLDER}/"], check=True, capture_output=True)
    for path in listed.stdout.decode().split():
        if path.endswith(".py"):
            shown = subprocess.run([*git, "show", f"HEAD:{path}"], check=True, capture_output=True)
            yield Path(path).name, shown.stdout.decode()


def comments(source: str) -> Mapping[int, str]:
    """The comment of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ").rstrip() for token in tokens if token.type == tokenize.COMMENT}


def printed_at(call: ast.Expr, noted: Mapping[int, str], code_lines: set[int]) -> Printed | None:
    """What a display call prints: the comment at its end, or one that stands alone above or below."""
    last = call.end_lineno or call.lineno
    if last in noted:
        return _printed([noted[last]])
    for step, start in ((-1, call.lineno - 1), (1, last + 1)):
        block = []
        line = start
        while line in noted and line not in code_lines:
            block.append(noted[line])
            line += step
        found = _printed(block[::step]) if block else None
        if found:
            return found
    return None


def _printed(lines: list[str]) -> Printed | None:
    for text in (" ".join(lines), lines[-1], lines[0]):
        try:
            return Printed(text)
        except (ValueError, ZeroDivisionError, OverflowError):
            continue
    return None


def checks_of(name: str, source: str) -> Iterator[Check]:
    """Runs a sample and compares every value that it prints."""
    tree, noted = ast.parse(source), comments(source)
    code_lines = {node.lineno for node in ast.walk(tree) if hasattr(node, "lineno")}
    space: dict[str, Any] = {"ee": ee, "geemap": MagicMock(), "display": lambda *values: None, "__name__": "sample"}
    for statement in tree.body:
        shown = _displayed(statement)
        printed = printed_at(statement, noted, code_lines) if shown else None
        try:
            if printed is None or shown is None:
                exec(compile(ast.Module([statement], []), name, "exec"), space)
                continue
            value = eval(compile(ast.Expression(shown), name, "eval"), space)
            answer = value.getInfo() if hasattr(value, "getInfo") else value
        except Exception as error:
            if printed is not None:
                yield Check(name, statement.lineno, _refusal(str(error)), printed.text, str(error)[:200])
            continue
        outcome = PASSED if printed.equals(answer) else WRONG
        yield Check(name, statement.lineno, outcome, printed.text, json.dumps(answer)[:200])


def _displayed(statement: ast.stmt) -> ast.expr | None:
    """The value that a statement displays."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "display" and call.args:
        return call.args[-1]
    return None


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", required=True, help="a clone of google/earthengine-community")
    parser.add_argument("--class", dest="family", default="", help="only the pages of one class, such as Array")
    parser.add_argument("--misses", action="store_true", help="print every value that is not as printed")
    parser.add_argument("--json", help="a file for every check")
    options = parser.parse_args()
    checks: list[Check] = []
    pages = list(samples(options.samples))
    with connect(catalog="world"), TemporaryDirectory() as folder, chdir(folder):  # some samples write files
        for name, source in pages:
            if options.family.lower() in ("", family_of(name)):
                checks += checks_of(name, source)
    if options.misses:
        for check in checks:
            if check.outcome != PASSED:
                print(f"{check.sample}:{check.line}: {check.outcome}: printed {check.printed}, answered {check.answer}")
    print(table(checks))
    if options.json:
        Path(options.json).write_text(json.dumps([asdict(check) for check in checks], indent=1))


if __name__ == "__main__":
    main()
