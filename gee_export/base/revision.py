"""Which isamap this is."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path


def revision() -> str:
    """The git commit of this clone, or the installed version."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return found.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        try:
            return f"isamap {metadata.version('isamap')}"
        except metadata.PackageNotFoundError:
            return "unreleased"
