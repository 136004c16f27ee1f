"""Whether the public archives may be asked (--offline), for this process and those that it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "ISAMAP_OFFLINE"


def is_offline() -> bool:
    """Whether nothing may be fetched now: only what was kept of the archives is read."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


@contextmanager
def without_network() -> Iterator[None]:
    """Nothing is fetched from the archives inside the block."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
