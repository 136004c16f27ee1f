"""Every command and every line of Python of docs/datasets.md, run as written in an empty folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import isamap

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "datasets.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.long
def test_the_page_runs_as_written(tmp_path, monkeypatch, reconnected):
    monkeypatch.chdir(tmp_path)
    for command in "".join(blocks("bash")).splitlines():
        assert isamap.main(shlex.split(command)[1:]) == 0, command
    names: dict = {}
    for code in blocks("python"):
        exec(code, names)
    assert names["days"] and names["pixels"].dims == ("band", "y", "x")
    assert names["pixels"].sizes == {"band": 6, "y": 32, "x": 32}


def test_the_commands_for_ones_own_files_have_these_options(capsys):
    for line in "".join(blocks("bash yours")).splitlines():
        _, command, *words = shlex.split(line)
        assert isamap.main([command, "--help"]) == 0
        help_ = capsys.readouterr().out
        assert not [word for word in words if word.startswith("--") and word not in help_], line


def test_the_layers_of_the_page_are_those_of_the_format():
    from isamap.gee_export.datasets.manifest import LAYERS

    tree = PAGE.split("```")[1]
    assert {line.split("/")[0] for line in tree.splitlines() if "/<id>" in line} == {"images", "labels", *LAYERS}
