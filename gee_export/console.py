"""How commands end: one sentence for the user's mistakes (exit code 2) or for faults (exit code 1), no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

USER_MISTAKE, FAULT, INTERRUPTED = 2, 1, 130


class Fault(RuntimeError):
    """Something outside the user's command failed (a server, a disk, a damaged file); the message holds the remedy."""


def run(command: Callable[[], object]) -> int:
    """The exit code of a command, its error printed as one sentence; ISAMAP_TRACEBACK=1 shows where it was raised."""
    try:
        command()
    except (ValueError, Fault, OSError, MemoryError, KeyboardInterrupt) as error:
        if os.environ.get("ISAMAP_TRACEBACK"):
            raise
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return _code(error)
    return 0


def _code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return USER_MISTAKE if isinstance(error, ValueError) else FAULT


def _sentence(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; the same command goes on where it was"
    if isinstance(error, MemoryError):
        return "out of memory; give fewer workers or a smaller area"
    return " ".join(str(error).split()) or type(error).__name__
