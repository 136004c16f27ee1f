"""What is given away: a whole source archive, and a lock that fits what setup.cfg asks for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCKED = re.compile(r"^([a-z0-9._-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def tracked() -> set[str]:
    try:
        done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a git clone: its list of files is what the archive is compared with")
    return {name for name in done.stdout.splitlines() if (ROOT / name).exists()}


@pytest.mark.long
def test_the_source_archive_holds_every_file_of_the_project(tmp_path):
    """Built offline by setuptools, as `python -m build --sdist` does, from a copy."""
    names, copy = tracked(), tmp_path / "isamap"
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    program = f"from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", program], cwd=copy, capture_output=True, text=True, check=True)
    [archive] = tmp_path.glob("isamap-*.tar.gz")
    with tarfile.open(archive) as opened:
        held = {member.name.partition("/")[2] for member in opened if member.isfile()}
    assert names - held == set()
    assert not [name for name in held if name.endswith(".pyc")]


def lock() -> dict[str, str]:
    """Version by name."""
    return {name: version for name, version, _ in LOCKED.findall((ROOT / "requirements.lock").read_text("utf-8"))}


def required() -> dict[str, str]:
    """Lowest version by name, of setup.cfg."""
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = parser["options"]["install_requires"].split()
    return dict(line.split(">=") for line in lines)


def test_the_lock_holds_nothing_but_versions_with_hashes():
    """No address of an index, no path: it may be given away."""
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert LOCKED.sub("", text).strip() == ""


@pytest.mark.parametrize("name", required())
def test_the_lock_satisfies_what_is_required(name):
    from packaging.version import Version

    assert Version(lock()[name]) >= Version(required()[name])


def test_the_lock_has_the_torch_of_the_constraints():
    assert f"torch=={lock()['torch']}" in (ROOT / "constraints.txt").read_text("utf-8").split()
