"""The engines that tests share: one for each catalog, emptied between tests."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_ee.testing.client import Connection, forget_algorithms
from local_ee.testing.samples import write_catalog

if TYPE_CHECKING:
    from google.cloud import storage

    from local_ee import LocalEngine
    from local_ee.catalog import Catalog

CANCEL_SECONDS = 10.0


@dataclass(frozen=True)
class TestEngine:
    """What the fixture `local_ee` gives: a running engine that `ee` speaks to."""

    __test__ = False  # no class of tests
    engine: LocalEngine

    @property
    def url(self) -> str:
        """The address for other clients; it holds the engine's token."""
        return self.engine.url

    @property
    def home(self) -> Path:
        """The folder of this test's assets and buckets."""
        return self.engine.home.root

    def storage_client(self) -> storage.Client:
        """A Cloud Storage client of the engine's buckets."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        options = {"api_endpoint": self.engine.url}
        return storage.Client(project="local", credentials=AnonymousCredentials(), client_options=options)


class Engines:
    """Engines by catalog, started when a test first asks; their homes and catalogs lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._engines: dict[Any, tuple[LocalEngine, Connection, Any]] = {}

    @contextmanager
    def active(self, catalog: Any, *, beside: Path) -> Iterator[TestEngine]:
        """`ee` speaks to the engine of a catalog, whose home is empty at the beginning.

        catalog: "world", "open", the path of a folder (a relative one: beside `beside`), or samples by id
        (write_catalog).
        """
        engine, connection = self._engine(catalog, beside)
        with connection.active():
            try:
                yield TestEngine(engine)
            finally:
                _empty(engine)

    def close(self) -> None:
        """Stops every engine."""
        for engine, _, _ in self._engines.values():
            engine.stop()
        if self._engines:
            forget_algorithms()
        self._engines.clear()

    def _engine(self, catalog: Any, beside: Path) -> tuple[LocalEngine, Connection]:
        from local_ee import LocalEngine
        from local_ee.catalog.folder import FolderCatalog
        from local_ee.catalogs import open_catalog

        key: Any = id(catalog) if isinstance(catalog, Mapping) else _name(catalog, beside)
        if key not in self._engines:
            index = len(self._engines)
            if isinstance(catalog, Mapping):
                folder = write_catalog(self._folder / f"catalog-{index}", catalog, beside=beside)
                opened: Catalog = FolderCatalog(folder)
            else:
                opened = open_catalog(key)
            engine = LocalEngine(opened, self._folder / f"home-{index}").start()
            self._engines[key] = engine, Connection(engine), catalog  # kept, so that its id stays its own
        return self._engines[key][:2]


def _name(catalog: Any, beside: Path) -> str:
    if not isinstance(catalog, str | Path):
        raise ValueError(
            f"catalog {catalog!r}: expected 'world', 'open', the path of a folder, or a mapping of ids to samples"
        )
    from local_ee.catalogs import NAMES

    return str(catalog) if str(catalog) in NAMES else str((beside / Path(catalog).expanduser()).resolve())


def _empty(engine: LocalEngine) -> None:
    """Ends the engine's tasks and removes its assets, buckets and operations."""
    home = engine.home
    if home.operations.is_dir():
        _end_tasks()
    for folder in (home.assets, home.buckets, home.operations, home.uploads):
        shutil.rmtree(folder, ignore_errors=True)


def _end_tasks() -> None:
    import ee

    deadline = time.monotonic() + CANCEL_SECONDS
    for operation in ee.data.listOperations():
        if not operation.get("done"):
            ee.data.cancelOperation(operation["name"])
    while time.monotonic() < deadline and not all(each.get("done") for each in ee.data.listOperations()):
        time.sleep(0.01)
