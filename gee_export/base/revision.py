"""The version and revision of the isamap that runs."""

from __future__ import annotations

import os
import subprocess
from configparser import ConfigParser, Error
from importlib import metadata
from pathlib import Path

NAME = "isamap"


def revision() -> str:
    """The git commit of this clone, else the installed version; a repository of somebody else's around it is none."""
    root = Path(__file__).resolve().parents[2]
    if _is_ours(root):
        try:
            top, commit = _git(root, "rev-parse", "--show-toplevel", "--short=12", "HEAD").splitlines()
            if Path(top).resolve() == root:
                return commit
        # Without git, or with an empty repository, the installed version says enough.
        except (OSError, ValueError, subprocess.SubprocessError):
            pass
    try:
        return f"{NAME} {metadata.version(NAME)}"
    except metadata.PackageNotFoundError:
        return "unreleased"


def _is_ours(root: Path) -> bool:
    """Whether the folder is this project's source: an installed package has no setup.cfg of its name beside it."""
    try:
        parser = ConfigParser(interpolation=None)
        parser.read(root / "setup.cfg", encoding="utf-8")
        return parser.get("metadata", "name", fallback="") == NAME
    except (Error, OSError, UnicodeDecodeError):
        return False


def _git(root: Path, *words: str) -> str:
    # in a hook of another repository git's variables name that one
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(root), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True, env=environment)
    return done.stdout
