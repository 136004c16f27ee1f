"""Citations of the project's own pages: found in code and pages, and followed to a file and a heading."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((DOCS / "reference").glob("*.md")))
# the page's path from the project's folder; then #anchor, or its headings: , "Heading", "Heading" and "Heading"
CITED = re.compile(r'(?<![\w/])(docs/[\w/-]+\.md)(?:#([\w-]+)|((?:,? (?:and )?"[^"]+")+))?')
# names of the notes that these pages were written from, and of the pages without their folder
BARE = re.compile(
    r"(?<![\w/.-])(?:models|world|formats|earth-engine|performance|user-wishes|engine|glossary|design|scale-out"
    r"|papers|networks|local-engine|wishes)\.md"
)
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
        page = root / name
        if not page.is_file():
            wrong.append(name)
        elif fragment and fragment not in map(anchor, headings(page)):
            wrong.append(f"{name}#{fragment}")
        wrong += [f'{name}, "{title}"' for title in re.findall(r'"([^"]+)"', named or "") if not _leads(page, title)]
    return wrong


def _leads(page: Path, title: str) -> bool:
    known = headings(page) if page.is_file() else ()
    return title in known or any(heading.startswith(f"{title}: ") for heading in known)


def links(page: Path) -> list[tuple[Path, str]]:
    """The links of a page to files: the file, and the anchor or nothing."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [target.partition("#") for target in targets if not re.match(r"[a-z]+:", target)]
    return [((page.parent / name).resolve() if name else page, fragment) for name, _, fragment in local]
