"""The messages of docs/faq.md are those that the commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import isamap

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "faq.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```console\n\$ (.*?)\n(.*?)\n```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_page_shows_messages():
    assert len(SHOWN) >= 5


@pytest.mark.parametrize(("command", "message"), SHOWN, ids=[message[:40] for _, message in SHOWN])
def test_the_command_ends_with_the_message(command, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isamap.main(shlex.split(command)[1:]) in (1, 2)
    printed = capsys.readouterr().err
    assert printed.startswith(message), printed
