"""How code measures, a column a folder: `python -m benchmarks.code_figures [FOLDER] [--peers FOLDER ...]`.

A folder is the root of a repository, or a package inside one. Its Python files are read and never imported. Tests are
files of a folder named test or tests, test_*.py, *_test.py and conftest.py; they count in "test / code lines" only.
Documentation, examples, experiments, builds, hidden folders and projects of their own (a pyproject.toml below the root)
are left out. A folder that a link in a package leads to has the package's name.

- Function length: lines from `def` to the last one, docstring included, decorators not. Nested functions count too.
- Cyclomatic complexity: 1 + branches: if, for, while, except, case, conditional expressions, generators and
  conditions of comprehensions, and each further operand of and/or. Nested functions count for themselves.
- Parameters: without self and cls. Public functions: of a module or a public class, without a leading underscore.
- Typed: share of parameters (without self and cls) and of functions whose annotation stands in the source.
- Module cycles: sizes of the groups of modules that import each other in a circle, by all import statements, those
  inside functions and those for type checkers too.
- Generic names: share of GENERIC among all stored names (assigned, looped over, caught by `as`).

p95 is the nearest rank: the least value that at least 95 % of the values do not exceed.
"""

from __future__ import annotations

import argparse
import ast
import io
import math
import statistics
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parents[1]
GENERIC = frozenset(
    {"found", "one", "kind", "place", "number", "held", "known", "there", "what", "how", "said"}
    | {"told", "wanted", "given", "chosen", "part", "whole", "other", "rest", "about", "asked"}
)
LONG_FILE, LONG_FUNCTION = 300, 40
LEFT_OUT = frozenset(("docs", "doc", "examples", "experiments", "notebooks", "dev", "build", "dist", "site-packages"))
_TESTS = frozenset(("test", "tests"))
_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.match_case)
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A source file: its dotted name, its text and its syntax tree."""

    name: str
    is_package: bool
    text: str
    tree: ast.Module

    @property
    def line_count(self) -> int:
        """Lines of the file."""
        return len(self.text.splitlines())

    def public_functions(self) -> Iterator[Function]:
        """Functions of the module and methods of its public classes whose names have no leading underscore."""
        bodies = [self.tree.body]
        bodies += [node.body for node in self.tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
        for body in bodies:
            yield from (node for node in body if isinstance(node, Function) and node.name[0] != "_")

    def docstring_lines(self) -> int:
        """Lines that docstrings take."""
        return sum(_docstring_lines(node) for node in ast.walk(self.tree) if isinstance(node, _DOCUMENTED))

    def comment_lines(self) -> int:
        """Lines that hold nothing but a comment."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return sum(token.type == tokenize.COMMENT and token.line.lstrip()[0] == "#" for token in tokens)

    def stored_names(self) -> Iterator[str]:
        """Every name at each place where it is bound by assignment, loop, comprehension or with."""
        names = (node for node in ast.walk(self.tree) if isinstance(node, ast.Name))
        return (node.id for node in names if isinstance(node.ctx, ast.Store))

    def imports(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Dotted targets of all import statements, each with the names taken from it."""
        package = self.name.split(".")[: None if self.is_package else -1]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, ()) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                target = ".".join([*base, *([node.module] if node.module else [])])
                yield target, tuple(alias.name for alias in node.names)


@dataclass(frozen=True)
class Tree:
    """The modules of a source tree, and the lines of its tests."""

    modules: list[Module]
    test_lines: int

    @classmethod
    def read(cls, folder: Path) -> Tree:
        """The tree of a folder; ValueError where it holds no Python file."""
        if not folder.is_dir():
            raise ValueError(f"{folder} is no folder: give the root of a source tree")
        folder = folder.resolve()
        own = {file.parent for file in folder.glob("*/pyproject.toml")}
        paths = [path for path in sorted(folder.rglob("*.py")) if own.isdisjoint(path.parents)]
        # What a link leads to is counted where it lies, and no file twice.
        paths = [path for path in paths if not _is_left_out(path.relative_to(folder)) and path.resolve() == path]
        sources = [path for path in paths if not _is_test(path.relative_to(folder))]
        if not sources:
            raise ValueError(f"{folder} holds no Python file outside its tests: give the root of a source tree")
        base, links = _import_root(folder), _links(folder)
        tests = set(paths) - set(sources)
        return cls(
            [_module(path, base, links) for path in sources], sum(len(_text(path).splitlines()) for path in tests)
        )

    @cached_property
    def functions(self) -> list[Function]:
        """All functions and methods, nested ones too."""
        nodes = (node for module in self.modules for node in ast.walk(module.tree))
        return [node for node in nodes if isinstance(node, Function)]

    def cycles(self) -> list[int]:
        """Sizes of the groups of two and more modules that import each other in a circle, largest first."""
        indices = {module.name: index for index, module in enumerate(self.modules)}
        edges = [
            (indices[module.name], indices[target])
            for module in self.modules
            for target in _imported(module, indices.keys())
        ]
        if not edges:
            return []
        importers, targets = zip(*edges, strict=True)
        shape = (len(indices), len(indices))
        graph = coo_array((np.ones(len(edges)), (importers, targets)), shape=shape)
        _, groups = connected_components(graph.tocsr(), directed=True, connection="strong")
        return sorted((int(size) for size in np.bincount(groups) if size > 1), reverse=True)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _links(folder: Path) -> dict[str, str]:
    """The packages in which links to folders of the root lie, by the folders' names."""
    links = [path for path in folder.glob("*/*") if path.is_symlink() and path.is_dir()]
    return {path.resolve().name: path.parent.name for path in links if path.resolve().parent == folder}


def _module(path: Path, base: Path, links: Mapping[str, str]) -> Module:
    words = list(path.relative_to(base).with_suffix("").parts)
    words = [links[words[0]], *words] if words[0] in links else words
    words = words[1:] if words[0] == "src" and len(words) > 1 else words
    is_package = words[-1] == "__init__" and len(words) > 1
    text = _text(path)
    return Module(".".join(words[:-1] if is_package else words), is_package, text, ast.parse(text, str(path)))


def _import_root(folder: Path) -> Path:
    """The folder from which absolute imports start: above all packages that the folder lies in."""
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _is_left_out(path: Path) -> bool:
    folders = path.parts[:-1]
    return path.name == "setup.py" or any(word in LEFT_OUT or word[0] == "." for word in folders)


def _is_test(path: Path) -> bool:
    named = path.name == "conftest.py" or path.match("test_*.py") or path.match("*_test.py")
    return named or not _TESTS.isdisjoint(path.parts[:-1])


def _imported(module: Module, names: Iterable[str]) -> set[str]:
    """The tree's modules that a module imports: a submodule where one is named, else the module itself."""
    targets: set[str] = set()
    for target, members in module.imports():
        submodules = {f"{target}.{member}" for member in members} & set(names)
        targets |= submodules
        if len(submodules) < len(members) or not members:
            targets |= {target} & set(names)
    return targets - {module.name}


def _docstring_lines(node: ast.Module | ast.ClassDef | Function) -> int:
    if ast.get_docstring(node, clean=False) is None:
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1


def _length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions and classes inside it."""
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        if isinstance(node, Function | ast.ClassDef):
            continue
        yield node
        stack.extend(ast.iter_child_nodes(node))


def complexity(function: Function) -> int:
    """Cyclomatic complexity (McCabe 1976, doi:10.1109/TSE.1976.233837), counted as the first lines of this file say."""
    branches = 1
    for node in _own_nodes(function):
        if isinstance(node, _BRANCHES):
            branches += 1
        elif isinstance(node, ast.BoolOp):
            branches += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            branches += 1 + len(node.ifs)
    return branches


def parameters(function: Function) -> list[ast.arg]:
    """The parameters of a function without self and cls."""
    own = function.args
    variadic = [parameter for parameter in (own.vararg, own.kwarg) if parameter is not None]
    declared = [*own.posonlyargs, *own.args, *own.kwonlyargs, *variadic]
    return [parameter for parameter in declared if parameter.arg not in ("self", "cls")]


def p95(values: Sequence[int]) -> int:
    """The least value that at least 95 % of the values do not exceed; 0 of none."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1] if values else 0


def _percent(count: float, total: float) -> float:
    return 100 * count / total if total else 0.0


def _spread(values: Sequence[int]) -> str:
    return f"{statistics.median(values):.0f} / {p95(values)} / {max(values)}" if values else "none"


def _share_over(values: Sequence[int], limit: int) -> str:
    count = sum(value > limit for value in values)
    return f"{count} ({_percent(count, len(values)):.1f} %)"


def _typed(functions: Sequence[Function]) -> str:
    """Shares of parameters and of functions whose annotation stands in the source."""
    declared = [parameter for each in functions for parameter in parameters(each)]
    annotated = _percent(sum(parameter.annotation is not None for parameter in declared), len(declared))
    returning = _percent(sum(each.returns is not None for each in functions), len(functions))
    return f"{annotated:.0f} / {returning:.0f} %"


def _prose(modules: Sequence[Module]) -> str:
    """Shares of the lines that docstrings and comments take."""
    lines = sum(module.line_count for module in modules)
    docstrings = _percent(sum(module.docstring_lines() for module in modules), lines)
    return f"{docstrings:.1f} / {_percent(sum(module.comment_lines() for module in modules), lines):.1f} %"


def _generic(modules: Sequence[Module]) -> str:
    """Share of GENERIC among all stored names."""
    names = [name for module in modules for name in module.stored_names()]
    return f"{_percent(sum(name in GENERIC for name in names), len(names)):.2f} %"


def figures(tree: Tree) -> dict[str, str]:
    """The rows of the table, by their titles."""
    functions, files = tree.functions, [module.line_count for module in tree.modules]
    lengths, lines = [_length(each) for each in functions], sum(files)
    branches, counts = [complexity(each) for each in functions], [len(parameters(each)) for each in functions]
    public = [each for module in tree.modules for each in module.public_functions()]
    described = sum(ast.get_docstring(each) is not None for each in public)
    return {
        "files / lines": f"{len(files)} / {lines:,}",
        "file lines, median / p95 / max": _spread(files),
        f"files > {LONG_FILE} lines": _share_over(files, LONG_FILE),
        "function lines, median / p95 / max": _spread(lengths),
        f"functions > {LONG_FUNCTION} lines": _share_over(lengths, LONG_FUNCTION),
        "cyclomatic, mean / p95 / max": (
            f"{statistics.mean(branches or [0]):.1f} / {p95(branches)} / {max(branches, default=0)}"
        ),
        "parameters, p95 / max": f"{p95(counts)} / {max(counts, default=0)}",
        "public functions with docstring": f"{_percent(described, len(public)):.0f} %",
        "docstring / comment lines": _prose(tree.modules),
        "typed arguments / returns": _typed(functions),
        "module cycles (sizes)": ", ".join(map(str, tree.cycles())) or "0",
        "test / code lines": f"{tree.test_lines / lines:.2f}" if tree.test_lines else "none",
        "generic stored names": _generic(tree.modules),
    }


def table(folders: Sequence[Path], names: Sequence[str] = ()) -> str:
    """The figures of the folders as a Markdown table, one column each, by the names or those of the folders."""
    names = names or [folder.resolve().name for folder in folders]
    columns = {name: figures(Tree.read(folder)) for name, folder in zip(names, folders, strict=True)}
    lines = [f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for title in next(iter(columns.values())):
        lines.append(f"| {title} | {' | '.join(column[title] for column in columns.values())} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT, help="source tree (default: this repository)")
    parser.add_argument("--peers", type=Path, nargs="+", default=[], help="source trees to stand beside it")
    options = parser.parse_args(words)
    try:
        print(table([options.folder, *options.peers]))
    except (ValueError, SyntaxError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
