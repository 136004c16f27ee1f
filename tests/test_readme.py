"""Every command that the README shows is run in an empty folder, word for word but for its ground, a quarter of it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import isamap

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GROUND, QUARTER = "--bbox 114.20 30.52 114.32 30.62", "--bbox 114.25 30.53 114.31 30.58"


def commands(kind: str) -> list[str]:
    blocks = re.findall(rf"^```{kind}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def words_of(command: str) -> list[str]:
    """The command for this interpreter and this clone, installed or not."""
    words = shlex.split(command)
    if words[0] == "isamap":
        return [sys.executable, "-m", "isamap", *words[1:]]
    assert words[:2] == ["python", "export_patches.py"], f"no way to run {command!r} here"
    return [sys.executable, str(ROOT / "export_patches.py"), *words[2:]]


@pytest.mark.long
def test_the_commands_run_as_written(tmp_path):
    assert GROUND in README
    for command in commands("bash"):
        words = words_of(command.replace(GROUND, QUARTER))
        result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    assert (tmp_path / "wuhan.png").stat().st_size > 10_000


@pytest.mark.parametrize("command", [c for c in commands("bash google") if c.startswith("isamap")])
def test_the_commands_for_google_have_these_options(command, capsys):
    words = shlex.split(command)[1:]
    assert isamap.main([words[0], "--help"]) == 0
    help_ = capsys.readouterr().out
    assert not [word for word in words if word.startswith("--") and word not in help_]


def test_every_linked_file_exists():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_first_page_is_short():
    assert len(README.splitlines()) < 110


def test_the_citation_names_the_version_of_the_package():
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    versions = [re.search(r"^version\s*[=:]\s*(\S+)$", text, flags=re.MULTILINE)[1] for text in (setup, citation)]
    assert versions[0] == versions[1]
