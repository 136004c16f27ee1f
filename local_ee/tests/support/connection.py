"""A connection of `ee` to a local engine, for runs in which local_ee is installed alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import ee
from google.auth.credentials import AnonymousCredentials

from local_ee import LocalEngine
from local_ee.catalog import Catalog
from local_ee.catalogs import open_catalog

_current: Connection | None = None


@dataclass(frozen=True)
class Connection:
    """`ee` speaks to this engine after `activate`."""

    engine: LocalEngine

    def activate(self) -> Connection:
        global _current
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=self.engine.url)
        _current = self
        return self

    def __enter__(self) -> Connection:
        return self.activate()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _current
        self.engine.stop()
        if _current is self:  # nobody is led back to an engine that has ended
            _current = None


def connect(catalog: str | Catalog, home: Path) -> Connection:
    """A started engine over a catalog, or over one that a command can name."""
    opened = open_catalog(catalog) if isinstance(catalog, str) else catalog
    return Connection(LocalEngine(opened, home).start())


def current() -> Connection | None:
    """What `ee` speaks to."""
    return _current
