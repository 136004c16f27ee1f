"""What the tests share: one engine over the simulated world per test run.

The `ee` client holds one connection per process. A test that connects elsewhere (its own engine) must use the
`reconnected` fixture, which leads the client back to the world afterwards.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support import connection as connections

pytest_plugins = ("local_ee.pytest_plugin",)

# A busy machine is no counterexample. The same commit gets the same examples, but for `make test-random`.
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("random"), derandomize=True)
settings.load_profile("same")

# A shell's background jobs ignore Ctrl-C, and so would the commands that tests start there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def engine_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty ISAMAP_HOME for this run, also for the commands it starts: nothing touches the user's own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISAMAP_HOME", str(home))
        yield home


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk() -> Iterator[None]:
    """No test cuts the power, and a killed process keeps what it has written: a sync would only cost 10 ms a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def session(engine_home: Path) -> Iterator[Any]:
    """A connection to an engine over the simulated world, on a free port."""
    with connections.connect(catalog="world", home=engine_home) as connected:
        yield connected


@pytest.fixture(autouse=True)
def _led_back(request: pytest.FixtureRequest) -> None:
    """`ee` speaks to the shared engine in every test that asks for it, wherever a test before left the client."""
    if "session" in request.fixturenames:
        shared = request.getfixturevalue("session")
        if connections.current() is not shared:
            shared.activate()


@pytest.fixture(scope="module")
def reconnected() -> Iterator[None]:
    """Lets a module connect `ee` elsewhere and leads it back afterwards to where it was."""
    before = connections.current()
    yield
    if before is not None:
        before.activate()
