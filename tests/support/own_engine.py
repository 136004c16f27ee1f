"""A session's engine over a home of its own, which ends with the block as it would with its process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isamap.gee_export.earth_engine import session
from isamap.gee_export.earth_engine.session import Session


@contextmanager
def engine_of(home: Path, catalog: str | Path = "world") -> Iterator[Session]:
    """A connection to an engine of this home, which ends afterwards as with its process."""
    try:
        with session.connect(catalog=catalog, home=home) as connected:
            yield connected
    finally:
        for key in [key for key in session._engines if key[1] == home]:
            session._engines.pop(key).stop()
