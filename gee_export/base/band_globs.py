"""Band names written short: `A*` for A00 to A63."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

DAY = "DAY"  # the day of year that stands behind the bands of a date, where a network asks for it


def expanded(patterns: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """The names that the patterns stand for, in the patterns' order and then their own, each once.

    A pattern that stands for nothing stays as it is, so that whoever looks it up can refuse it by name.
    """
    matches: list[str] = []
    for pattern in patterns:
        matches += [name for name in names if fnmatchcase(name, pattern)] or [pattern]
    return tuple(dict.fromkeys(matches))
