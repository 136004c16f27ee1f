"""docs/tutorial.md from top to bottom: its files are written, its commands run, in an empty folder; 10 of 20 epochs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio

import isamap

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
TRAIN = "--recipe unet-tiny --out runs/xiangyang\n"
QUICKER = TRAIN.replace("\n", " --set epochs=10\n")  # enough for a map that is not empty
BLOCKS = re.findall(r"^```(\S+) ?(\S*)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_page_has_files_and_commands():
    assert [name for language, name, _ in BLOCKS if language in ("json", "python")] == [
        "xiangyang.geojson",
        "make_labels.py",
    ]
    assert sum(text.count("\n") for language, name, text in BLOCKS if (language, name) == ("bash", "")) == 9


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_page_runs_as_written(tmp_path):
    tools = tmp_path / "bin"  # this interpreter and this clone under the names that the page uses, installed or not
    tools.mkdir()
    for name, words in {
        "python": sys.executable,
        "isamap": f"{sys.executable} {ROOT / 'isamap' / '__main__.py'}",
    }.items():
        (tools / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (tools / name).chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    path = {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    assert TRAIN in PAGE
    for language, name, text in BLOCKS:
        if language in ("json", "python"):
            (work / name).write_text(text)
        elif (language, name) == ("bash", ""):
            text = text.replace(TRAIN, QUICKER)
            done = subprocess.run(["sh", "-ec", text], cwd=work, env=os.environ | path, capture_output=True, text=True)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert (work / "xiangyang.png").stat().st_size > 10_000
    assert (work / "data" / "xiangyang" / "card" / "card.html").exists()
    with rasterio.open(work / "maps" / "xiangyang-2022-06.tif") as file:  # a first map must not be empty
        classes = file.read(1)
    assert 0.05 < (classes == 1).sum() / (classes != 255).sum() < 0.95


@pytest.mark.parametrize(
    "command", [line for _, name, text in BLOCKS if name in ("google", "open") for line in text.splitlines()]
)
def test_the_commands_for_real_pixels_have_these_options(command, capsys):
    words = command.split()
    if words[0] != "isamap":
        return
    assert isamap.main([words[1], "--help"]) == 0
    help_ = capsys.readouterr().out
    assert not [word for word in words if word.startswith("--") and word not in help_]
