"""How isamap fails: a ValueError is the user's mistake (exit code 2), a Fault anything else (1); both name the cure."""

from __future__ import annotations

import sys

USER_MISTAKE, FAULT, INTERRUPTED, TERMINATED = 2, 1, 130, 143


class Fault(RuntimeError):
    """Something outside the user's command failed (a server, a disk, a damaged file); the message holds the remedy."""


def notice(text: str) -> None:
    """Prints a line to stderr while a command runs, above its progress bars; nothing under --quiet."""
    from isamap.gee_export.base.progress_bar import ProgressBar

    ProgressBar.write(text, file=sys.stderr)
