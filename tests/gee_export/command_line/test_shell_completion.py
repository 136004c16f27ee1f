"""Completion in a shell: what is offered, the scripts in their shells, and their installation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import isamap
from isamap.gee_export.command_line import console, shell_completion

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("words", "expected", "missing"),
    [
        (["exp"], {"export"}, {"regions"}),
        (["engine", ""], {"serve"}, {"export"}),
        (["export", "--spe"], {"--speckle"}, {"--region"}),
        (["export", "--q"], {"--quiet"}, {"--region"}),
        (["export", "--speckle", ""], {"lee", "none"}, {"cloud_score_plus"}),
        (["export", "--region", "wuhan", "hu"], {"hunan"}, {"wuhan"}),
        (["prune", "--scheme", ""], {"inner"}, {"isa"}),
        (["labels", "gai"], {"gaia"}, set()),
        (["map", "--out", ""], set(), {"export"}),
        (["frobnicate", ""], set(), {"export"}),
    ],
)
def test_completion_offers_commands_options_and_choices(words, expected, missing, capsys):
    assert isamap.main(["--complete", *words]) == 0
    offered = set(capsys.readouterr().out.split())
    assert expected <= offered and not missing & offered


def test_bash_completes(tmp_path):
    """The script in a real bash, which asks this isamap."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    program = tmp_path / "isamap"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m isamap "$@"\n')
    program.chmod(0o755)
    words = 'COMP_WORDS=(isamap export --clouds s); COMP_CWORD=3; _isamap_completion; echo "${COMPREPLY[@]}"'
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    text = shell_completion.script("bash")
    done = subprocess.run(["bash", "-c", text + words], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["s2cloudless", "scl"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_are_read_by_their_shells(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    subprocess.run([shell, "-n", "-c", shell_completion.script(shell)], check=True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_in_the_users_home(shell, tmp_path, monkeypatch, capsys):
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    assert isamap.main(["--install-completion"]) == 0
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert path.read_text(encoding="utf-8") == shell_completion.script(shell)
    assert str(path) in capsys.readouterr().out


def test_an_unknown_shell_is_the_users_mistake(capsys):
    assert isamap.main(["--show-completion", "tcsh"]) == console.USER_MISTAKE
    assert "expected one of bash, zsh, fish" in capsys.readouterr().err
