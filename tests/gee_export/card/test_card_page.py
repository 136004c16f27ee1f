"""Every command and every line of Python of docs/card.md, run as written; its table names every check."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import isamap
from isamap.gee_export.card import checks

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "card.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.long
def test_the_page_runs_as_written(tmp_path, monkeypatch, reconnected, capsys):
    monkeypatch.chdir(tmp_path)
    for command in "".join(blocks("bash")).splitlines():
        assert isamap.main(shlex.split(command)[1:]) == 0, command
    notices = capsys.readouterr().out
    table = [row.split("|")[1].strip() for row in PAGE.split("## Checks")[1].splitlines() if row.startswith("| ")]
    assert all(f" {name}: " in notices for name in table[1:]) and len(table) - 1 == len(checks.CHECKS)
    names: dict = {}
    for code in blocks("python"):
        exec(code, names)
    assert names["train"] and 0 < names["blue"].mean() < 1
    written = {path.name for path in (tmp_path / "wuhan-part" / "card").iterdir()}
    assert written == {
        name
        for name in re.findall(r"`([a-z-]+\.(?:png|html|json))`", PAGE)
        if name not in ("collection.json", "croissant.json")  # these lie beside the dataset
    }
