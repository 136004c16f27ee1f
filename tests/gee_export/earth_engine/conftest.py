"""A session of a small catalog, another engine, and the way back to that session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_ee.testing.small import catalog

from isamap.gee_export.earth_engine.session import Session, connect
from local_ee import LocalEngine


@pytest.fixture(scope="module")
def small(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect(catalog=catalog(8, 8), home=tmp_path_factory.mktemp("session")) as connected:
        yield connected


@pytest.fixture
def other_engine(tmp_path: Path) -> Iterator[LocalEngine]:
    """A server that no session of this process has made."""
    engine = LocalEngine(catalog(4, 4), tmp_path / "other").start()
    yield engine
    engine.stop()


@pytest.fixture
def back(small: Session) -> Iterator[None]:
    """Leads back to the session after the test."""
    yield
    small.activate()
