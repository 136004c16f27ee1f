"""Which isamap made something: the commit of its own clone, and of no other repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from isamap.gee_export.base.revision import revision

ROOT = Path(__file__).resolve().parents[3]


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()


def copied(folder: Path) -> Path:
    """What an installation brings of it."""
    package = folder / "gee_export" / "base"
    package.mkdir(parents=True)
    shutil.copy(ROOT / "gee_export" / "base" / "revision.py", package)
    (folder / "isamap").mkdir()
    (folder / "isamap" / "__init__.py").write_text("")
    (folder / "isamap" / "gee_export").symlink_to(folder / "gee_export")
    return folder


def said(folder: Path) -> str:
    program = "from isamap.gee_export.base.revision import revision; print(revision())"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def theirs(tmp_path) -> Path:
    """Somebody else's repository with one commit."""
    git(tmp_path, "init", "-q")
    (tmp_path / "thesis.txt").write_text("mine")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "thesis")
    return tmp_path


def test_a_wheel_inside_another_repository_is_not_that_ones_commit(theirs):
    installed = copied(theirs / ".venv" / "lib" / "site-packages")
    assert git(theirs, "rev-parse", "--short=12", "HEAD") not in said(installed)


def test_a_copy_at_the_top_of_another_repository_is_not_that_ones_commit(theirs):
    (theirs / "setup.cfg").write_text("[metadata]\nname = thesis\n")
    assert git(theirs, "rev-parse", "--short=12", "HEAD") not in said(copied(theirs))


def test_a_source_archive_inside_another_repository_is_not_that_ones_commit(theirs):
    source = copied(theirs / "isamap-0.1.0")
    shutil.copy(ROOT / "setup.cfg", source)
    assert git(theirs, "rev-parse", "--short=12", "HEAD") not in said(source)


def test_without_a_repository_the_installed_version_is_said():
    try:
        expected = f"isamap {metadata.version('isamap')}"
    except metadata.PackageNotFoundError:
        expected = "unreleased"
    from isamap.gee_export.base import revision as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_is_ours", lambda root: False)
        assert revision() == expected


def test_a_clone_says_its_commit(tmp_path):
    shutil.copy(ROOT / "setup.cfg", copied(tmp_path))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    commit = said(tmp_path)
    assert commit == git(tmp_path, "rev-parse", "--short=12", "HEAD") and re.fullmatch("[0-9a-f]{12}", commit)


def test_a_hook_of_another_repository_changes_nothing(theirs, tmp_path_factory, monkeypatch):
    clone = copied(tmp_path_factory.mktemp("clone"))
    shutil.copy(ROOT / "setup.cfg", clone)
    git(clone, "init", "-q")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "first")
    monkeypatch.setenv("GIT_DIR", str(theirs / ".git"))
    assert said(clone) == git(clone, "rev-parse", "--short=12", "HEAD")
