"""What the suites share: one engine over the simulated world per test run.

The `ee` client holds one connection per process. A test that connects elsewhere (its own engine) must use the
`reconnected` fixture, which leads the client back to the world afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gee_export.session import Session


@pytest.fixture(scope="session")
def engine_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ISAMAP_HOME for this run."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def session(engine_home: Path) -> Iterator[Session]:
    """A connection to an engine over the simulated world, on a free port."""
    from gee_export.session import connect

    with connect(catalog="world", home=engine_home) as connected:
        yield connected


@pytest.fixture
def reconnected(request: pytest.FixtureRequest) -> Iterator[None]:
    """Lets a test connect `ee` elsewhere and leads it back to the run's session, where one is open."""
    yield
    if "session" in request.session._fixturemanager._arg2fixturedefs and _open_session(request):
        from gee_export.session import connect

        connect(catalog="world", home=request.getfixturevalue("engine_home"))


def _open_session(request: pytest.FixtureRequest) -> bool:
    definitions = request.session._fixturemanager._arg2fixturedefs["session"]
    return any(definition.cached_result is not None for definition in definitions)
