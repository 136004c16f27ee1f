"""How isamap fails: a ValueError is the user's mistake (exit code 2), a Fault anything else (1); both name the cure."""

from __future__ import annotations

USER_MISTAKE, FAULT, INTERRUPTED = 2, 1, 130


class Fault(RuntimeError):
    """Something outside the user's command failed (a server, a disk, a damaged file); the message holds the remedy."""
