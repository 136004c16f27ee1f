"""llms.txt, the list of the pages for coding assistants (llmstxt.org): `python docs/llms.py` writes it."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
FILE = DOCS.parent / "llms.txt"
_TREE = re.compile(r"^```{toctree}\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
_CAPTION = re.compile(r"^:caption: (.+)$", flags=re.MULTILINE)
_MARK = re.compile(r"<!--.*?-->|[*`]|\[([^\]]+)\]\([^)]*\)", flags=re.DOTALL)


def text() -> str:
    """The whole file: title, one sentence, and the pages under the captions of docs/index.md."""
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    sections = [f"# isamap\n\n> {_first_sentence(index)}\n"]
    for tree in _TREE.findall(index):
        pages = [page for entry in tree.splitlines() if entry and entry[0] != ":" for page in _pages(entry)]
        sections.append(f"## {_CAPTION.findall(tree)[0]}\n\n" + "".join(map(_line, pages)))
    return "\n".join(sections)


def _pages(entry: str) -> list[Path]:
    return sorted(DOCS.glob(f"{entry}.md"))


def _line(page: Path) -> str:
    content = page.read_text(encoding="utf-8")
    title = content.partition("\n")[0].removeprefix("# ")
    return f"- [{title}]({page.relative_to(DOCS.parent).as_posix()}): {_first_sentence(content)}\n"


def _first_sentence(content: str) -> str:
    """The first sentence of the first paragraph, without marks and links."""
    paragraphs = content.split("\n\n")[1:]
    paragraph = next(each for each in paragraphs if not each.startswith(("#", "!", ":", "|", "```", "<", "*Sim")))
    plain = _MARK.sub(lambda match: match[1] or "", " ".join(paragraph.split()))
    return re.split(r"(?<=[.:])\s", plain, maxsplit=1)[0].rstrip(":")


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
