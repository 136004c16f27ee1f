"""What a clone of a repository holds at its newest commit, with or without a work tree."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import PurePosixPath


def commit_of(repository: str) -> str:
    """The newest commit of a clone, nine digits."""
    git = ["git", "-C", repository, "rev-parse", "--short=9", "HEAD"]
    return subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()


def sources(repository: str, folder: str, suffix: str) -> Iterator[tuple[PurePosixPath, str]]:
    """Paths below a folder and texts of the files with a suffix, by path."""
    git = ["git", "-C", repository]
    listed = subprocess.run(
        [*git, "ls-tree", "-r", "--name-only", "HEAD", f"{folder}/"], check=True, capture_output=True
    )
    for path in map(PurePosixPath, listed.stdout.decode().split()):
        if path.suffix == suffix:
            shown = subprocess.run([*git, "show", f"HEAD:{path}"], check=True, capture_output=True)
            yield path.relative_to(folder), shown.stdout.decode()
