"""Whether the user wants no progress and no notes (--quiet)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_quiet = False


def is_quiet() -> bool:
    """Whether progress and notes are left out now."""
    return _quiet


@contextmanager
def silence() -> Iterator[None]:
    """Progress and notes are left out inside the block."""
    global _quiet
    before, _quiet = _quiet, True
    try:
        yield
    finally:
        _quiet = before
