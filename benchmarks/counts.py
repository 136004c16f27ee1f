"""What README and docs/ state of the code, written from the code: `make counts`, or `python -m benchmarks.counts`.

Between two marks of a page stands what a function gives: counts from the registries (`<!-- count:NAME -->` to
`<!-- /count -->`), the tables of docs/labels.md, the tests that name a wish (docs/reference/wishes.md), and the folders
of the package and how the code measures (docs/contributing.md). With `--check` nothing is written; the exit code is 1
where a page is not current. Measures change with every line of code: `--check` does not look at them.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import code_figures  # noqa: E402
from isamap.gee_export.labelling import label_table, tables  # noqa: E402
from isamap.gee_export.labelling.label_products import LABELS  # noqa: E402
from isamap.gee_export.sentinel.clouds import CLOUDS  # noqa: E402
from isamap.gee_export.sentinel.speckle import SPECKLE  # noqa: E402
from isamap.reproduction import STUDIES  # noqa: E402
from isamap.training.checkpoints import checkpoint as ck  # noqa: E402
from isamap.training.checkpoints.judged import judged_table  # noqa: E402
from isamap.training.checkpoints.places import PACKAGED  # noqa: E402
from isamap.training.models.configurations import CONFIGURATIONS  # noqa: E402

DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((DOCS / "reference").glob("*.md")))
FOLDERS = ("gee_export", "training", "inference", "reproduction")
WISHES = range(1, 26)
_WISHES = re.compile(r'docs/reference/wishes\.md((?:,? (?:and )?"Wish \d+")+)')
_WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_UNFILTERED = "none"  # the entry of a registry that stands for "do nothing"


def _spelt(count: int) -> str:
    return _WORDS[count] if count < len(_WORDS) else str(count)


COUNTS: Mapping[str, Callable[[], str]] = {
    "products": lambda: f"{sum(product is not None for product in LABELS.values())} label products",
    "tables": lambda: f"{len(tables.TABLES)} tables of buildings and roads",
    "filters": lambda: f"{_spelt(len(SPECKLE.keys() - {_UNFILTERED}))} speckle filters",
    "masks": lambda: f"{_spelt(len(CLOUDS.keys() - {_UNFILTERED}))} cloud masks",
    "configurations": lambda: f"{len(CONFIGURATIONS)} configurations",
    "studies": lambda: f"{len(STUDIES)} studies",
}


@cache
def wish_tests(folder: Path = ROOT) -> Mapping[int, tuple[str, ...]]:
    """Of each wish, the test files whose docstrings (of a test, or of the module) name it, in order of their paths."""
    named: dict[int, dict[str, None]] = {}
    for path in sorted(path for tests in ("local_ee/tests", "tests") for path in (folder / tests).rglob("test_*.py")):
        for wish in _named_wishes(ast.parse(path.read_text(encoding="utf-8"))):
            named.setdefault(wish, {})[path.relative_to(folder).as_posix()] = None
    return {wish: tuple(paths) for wish, paths in named.items()}


def _named_wishes(tree: ast.Module) -> set[int]:
    documented = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]
    texts = (" ".join((ast.get_docstring(node) or "").split()) for node in documented)
    return {int(digits) for text in texts for cited in _WISHES.findall(text) for digits in re.findall(r"\d+", cited)}


def _tests_of(wish: int) -> str:
    """The line of docs/reference/wishes.md that names a wish's tests."""
    files = ", ".join(f"`{path}`" for path in wish_tests().get(wish, ())) or "none"
    lines = textwrap.wrap(f"Tests: {files}.", 120, break_long_words=False, break_on_hyphens=False)
    return _lines("\n".join(lines))


def _lines(table: str) -> str:
    return f"\n{table}\n"


def _grounds_of(name: str) -> str:
    """How a network that comes with isamap was judged, as its card says it."""
    judged = ck.load(name).origin["judged"]
    return _lines(f"{judged['about']}\n\n{judged_table(judged['grounds'])}")


def tree(root: Path = ROOT) -> str:
    """The package's folders, a line each: the name, and what the first line of its `__init__.py` says."""
    lines = []
    for folder in (root / name for name in FOLDERS):
        rooms = sorted(path.parent for path in folder.glob("*/__init__.py"))
        lines += [_folder_line(folder, f"{folder.name}/"), *(_folder_line(room, f"  {room.name}/") for room in rooms)]
    return "\n".join(lines)


def _folder_line(folder: Path, name: str) -> str:
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or "?"
    return f"{name:<19} {text.splitlines()[0]}"


# opening mark, what stands after it, closing mark
Block = tuple[str, Callable[[], str], str]
BLOCKS: tuple[Block, ...] = (
    *((f"<!-- count:{name} -->", text, "<!-- /count -->") for name, text in COUNTS.items()),
    *((f"<!-- wish:{wish} -->", partial(_tests_of, wish), "<!-- /wish -->") for wish in WISHES),
    ("<!-- products: label_table.markdown() -->", lambda: _lines(label_table.markdown()), "<!-- /products -->"),
    (
        "<!-- classes: label_table.markdown_classes() -->",
        lambda: _lines(label_table.markdown_classes()),
        "<!-- /classes -->",
    ),
    *((f"<!-- judged: {name} -->", partial(_grounds_of, name), "<!-- /judged -->") for name in PACKAGED),
    ("<!-- tables: tables.markdown() -->", lambda: _lines(tables.markdown()), "<!-- /tables -->"),
    ("<!-- tree: counts.tree() -->", lambda: _lines(f"```text\n{tree()}\n```"), "<!-- /tree -->"),
)


@cache
def _measures() -> str:
    return _lines(code_figures.table([ROOT], ["isamap"]))


MEASURES: Block = ("<!-- figures: code_figures.table() -->", _measures, "<!-- /figures -->")


def current(text: str, blocks: Sequence[Block] = BLOCKS) -> str:
    """The page's text with every block as the code has it now; ValueError where a mark is not closed."""
    for opening, content, closing in blocks:
        pieces = text.split(opening)
        for index, piece in enumerate(pieces[1:], start=1):
            _, closed, after = piece.partition(closing)
            if not closed:
                raise ValueError(f"{opening} is not followed by {closing}: close it")
            pieces[index] = f"{content()}{closing}{after}"
        text = opening.join(pieces)
    return text


def stale(pages: tuple[Path, ...] = PAGES, blocks: Sequence[Block] = BLOCKS) -> list[Path]:
    """The pages that hold something else than the code says."""
    return [page for page in pages if current(page.read_text("utf-8"), blocks) != page.read_text("utf-8")]


def main() -> int:
    """Writes the pages, or with --check only names those that are not current."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    blocks = BLOCKS if check else (*BLOCKS, MEASURES)
    pages = stale(blocks=blocks)
    for page in pages:
        print(f"{page.relative_to(ROOT)}: {'not current' if check else 'written'}")
        if not check:
            page.write_text(current(page.read_text("utf-8"), blocks), encoding="utf-8")
    return 1 if check and pages else 0


if __name__ == "__main__":
    sys.exit(main())
