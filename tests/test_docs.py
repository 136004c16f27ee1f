"""Commands that docs/ shows: known words, known options, programs that are there, links that lead somewhere."""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest

import isamap

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def shown(start: str) -> list[str]:
    """Lines of the pages' code blocks that begin with a word, without the comments behind them."""
    blocks = [block for page in PAGES for block in page.read_text(encoding="utf-8").split("```")[1::2]]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return sorted({line.split(" #")[0].strip() for line in lines if line.startswith(f"{start} ")})


def options_of(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    words = shlex.split(command)[1:]
    name = " ".join(words[:2]) if " ".join(words[:2]) in isamap.COMMANDS else words[0]
    assert isamap.main([*name.split(), "--help"]) == 0, command
    return capsys.readouterr().out


@pytest.mark.parametrize("command", shown("isamap"))
def test_every_command_shown_has_the_options_shown(command, capsys):
    listed = options_of(command, capsys)
    named = [word.partition("=")[0] for word in shlex.split(command) if word.startswith("--")]
    assert not [word for word in named if not re.search(rf"{word}\b", listed)]


def test_every_benchmark_named_is_there():
    named = {name for page in PAGES for name in re.findall(r"benchmarks[./](\w+)", page.read_text(encoding="utf-8"))}
    assert named
    folders = (ROOT / "benchmarks", ROOT / "local_ee" / "benchmarks")
    assert not [name for name in named if not any(list(folder.glob(f"{name}*")) for folder in folders)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not link.startswith("http") and not (page.parent / link).exists()]


def test_every_page_has_a_place_in_the_index():
    """A page outside every toctree is an error of `make docs`; this says so without Sphinx. `_*.md` are included."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    trees = re.findall(r"^```{toctree}\n(.*?)^```", index, flags=re.MULTILINE | re.DOTALL)
    entries = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    pages = [path.stem for path in PAGES if path.stem != "index" and not path.stem.startswith("_")]
    assert not [page for page in pages if sum(fnmatch(page, entry) for entry in entries) != 1]
