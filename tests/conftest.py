"""What the suites share: one engine over the simulated world per test run.

The `ee` client holds one connection per process. A test that connects elsewhere (its own engine) must use the
`reconnected` fixture, which leads the client back to the world afterwards.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from isamap.gee_export.earth_engine import session as connections

pytest_plugins = ("local_ee.pytest_plugin",)

# Files of half a minute or more, by `make slow`; the second needs no engine, while the first compiles its kernels.
LONGEST = (
    "tests/test_notebooks.py",
    "tests/reproduction/test_studies_run.py",
    "tests/reliability/test_long_trials.py",
    "tests/inference/prove/test_prove.py",
    "tests/test_tutorial.py",
    "tests/inference/serve/test_city.py",
    "tests/inference/tiles/test_dask_executor.py",
    "tests/gee_export/export/test_open_faults.py",
    "tests/inference/runs/test_run_command.py",
    "tests/inference/serve/test_server.py",
    "tests/inference/serve/test_empty_page.py",
    "tests/ways/test_open_way.py",
    "tests/inference/serve/test_chain.py",
    "tests/gee_export/export/test_kills.py",
    "tests/inference/serve/test_page.py",
    "tests/inference/serve/test_bucket_maps.py",
    "tests/training/test_runtimes.py",
    "tests/training/test_quantization.py",
    "tests/ways/test_product_ways.py",
    "tests/gee_export/card/test_card_page.py",
    "tests/test_readme.py",
)

# A busy machine is no counterexample. The same commit gets the same examples, but for `make test-random`.
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("random"), derandomize=True)
settings.load_profile("same")

# A shell's background jobs ignore Ctrl-C, and so would the commands that tests start there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Thousands of tests stay until the end: looking for garbage among them takes time in every test."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin first: no worker is left alone with one when the others have nothing to do."""
    ranks = {file: rank for rank, file in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))


@pytest.fixture(autouse=True)
def _no_kernel() -> None:
    """Progress is told as in a log, whichever test before has imported ipykernel (geemap does)."""
    sys.modules.pop("ipykernel", None)


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
    """Lets a module connect `ee` elsewhere and leads it back afterwards to where it was, if it was anywhere.

    Which files a worker ran before is chance: no session of an engine that has ended stays for the next one.
    """
    before, opened = connections.current(), list(connections._open)
    yield
    for left in [session for session in reversed(connections._open) if session not in opened]:
        left.close()
    if before is not None:
        before.activate()
