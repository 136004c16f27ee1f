"""What the documentation site is made of: the generated command reference, docstrings as text, the build itself."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import isamap

DOCS = Path(__file__).resolve().parents[1] / "docs"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_has_a_section_with_its_options():
    sections = script("generate").markdown().split("\n## ")
    titles = [section.removeprefix("## ").splitlines()[0] for section in sections]
    assert titles == [f"isamap {name}" for name in isamap.COMMANDS]
    assert all("--help" in section for section in sections)


@pytest.mark.long
def test_an_unchanged_page_is_not_written_again(tmp_path):
    generate, page = script("generate"), tmp_path / "generated" / "commands.md"
    generate.write(page)
    os.utime(page, (1, 1))
    generate.write(page)
    assert page.stat().st_mtime == 1


def test_signs_of_a_docstring_are_no_markup():
    assert script("docstrings").to_rst("A `name`, **rest and a_ | b.") == r"A ``name``, \*\*rest and a\_ \| b."


def test_indented_lines_of_a_docstring_stay_as_they_are():
    text = script("docstrings").to_rst("First.\n\nusage:\n    a * b\n\nLast.")
    assert text == "First.\n\n::\n\n    usage:\n        a * b\n\nLast."


@pytest.mark.long
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(tmp_path / "cache")]
    done = subprocess.run([*command, str(DOCS), str(tmp_path / "site")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "tutorial.html").exists()
