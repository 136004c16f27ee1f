"""Citations of the project's own pages: found in code and pages, and followed to a file and a heading."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((DOCS / "reference").glob("*.md")))
# the path of a page from the folder of the project or engine; then #anchor, or headings: , "One", "Two" and "Three"
CITED = re.compile(r'(?<![\w/])((?:local_ee/)?docs/[\w/-]+\.md)(?:#([\w-]+)|((?:,? (?:and )?"[^"]+")+))?')
# names of the notes that these pages were written from, and of the pages without their folder
BARE = re.compile(
    r"(?<![\w/.-])(?:models|world|formats|earth-engine|performance|user-wishes|engine|glossary|design|scale-out"
    r"|papers|networks|local-engine|wishes)\.md"
)
# a module by its path, and what the namespace gives; the dotted name of a file (`NAME.py` of a user) is neither
MODULE = re.compile(r"(?<![\w/.*-])(?:\w+/)*\w+\.py\b")
DOTTED = re.compile(r"(?<![\w.])isamap(?:\.\w+)+")
OWN = ("gee_export", "training", "inference", "reproduction", "benchmarks", "local_ee", "tests", "isamap")
_IMPORTS = re.compile(r"^\s*(?:from|import) .*$", flags=re.MULTILINE)
_CODE = re.compile(r"^```.*?^```", flags=re.MULTILINE | re.DOTALL)
_HALVES = re.compile(r'"\n\s*"(?!")')  # of a string that goes over two lines
_WRAPPED = re.compile(r"\n\s*(?:# )?")  # a line's end with what begins the next one


@cache
def headings(page: Path) -> tuple[str, ...]:
    """The headings of a page as they read, in order."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    return tuple(re.findall(r"^#+ (.+?)\s*$", text, flags=re.MULTILINE))


def anchor(heading: str) -> str:
    """The heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def unwrapped(text: str) -> str:
    """The text with comments and strings that go over several lines in one."""
    return _WRAPPED.sub(" ", _HALVES.sub("", text))


def broken(text: str, root: Path = ROOT) -> list[str]:
    """The citations of a text that lead nowhere.

    A heading may be cited without what follows its colon: "Wish 3" is the heading "Wish 3: ...".
    """
    wrong = []
    for match in CITED.finditer(unwrapped(text)):
        name, fragment, named = match.groups()
        page = next((file for file in (root / name, root / "local_ee" / name) if file.is_file()), root / name)
        if not page.is_file():
            wrong.append(name)
        elif fragment and fragment not in map(anchor, headings(page)):
            wrong.append(f"{name}#{fragment}")
        wrong += [f'{name}, "{title}"' for title in re.findall(r'"([^"]+)"', named or "") if not _leads(page, title)]
    return wrong


def missing_modules(path: Path, root: Path = ROOT) -> list[str]:
    """The modules that docstrings of a file of the project name and that are not there.

    A path counts from the project, the file's folder or its package; those of other projects are not followed.
    """
    source = path.read_text("utf-8")
    if not MODULE.search(source) and not DOTTED.search(_IMPORTS.sub("", source)):
        return []  # most files, and parsing is what takes time
    tree = ast.parse(source)
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    text = "\n".join(ast.get_docstring(node) or "" for node in nodes)
    places = (root, path.parent, root / path.relative_to(root).parts[0])
    named = {name for name in MODULE.findall(text) if "/" not in name or name.partition("/")[0] in _folders(places)}
    wrong = [name for name in named if not any((place / name).is_file() for place in places)]
    return sorted(wrong + [name for name in set(DOTTED.findall(text)) if not _is_given(name, root)])


def _folders(places: tuple[Path, ...]) -> set[str]:
    """The folders from which a path of the project may begin."""
    return {*OWN, *(folder.name for place in places for folder in place.iterdir() if folder.is_dir())}


def _is_given(name: str, root: Path) -> bool:
    """Whether a dotted name is a module, or a word of the last module on its way."""
    at, (_, *parts) = root / "isamap", name.split(".")
    for part in parts:
        module = at.with_suffix(".py") if at.with_suffix(".py").is_file() else at / "__init__.py"
        if not ((at / part).is_dir() or (at / f"{part}.py").is_file()):
            return bool(re.search(rf"\b{part}\b", module.read_text("utf-8")))
        at = at / part
    return True


def _leads(page: Path, title: str) -> bool:
    listed = headings(page) if page.is_file() else ()
    return title in listed or any(heading.startswith(f"{title}: ") for heading in listed)


def links(page: Path) -> list[tuple[Path, str]]:
    """The links of a page to files: the file, and the anchor or nothing."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [target.partition("#") for target in targets if not re.match(r"[a-z]+:", target)]
    return [((page.parent / name).resolve() if name else page, fragment) for name, _, fragment in local]
