"""The pytest plugin: the fixture `local_ee`, the mark of the same name, and --ee-record, --ee-replay, --ee-compare.

It costs nothing until a test or an option uses it: everything else is imported then.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from local_ee.testing.engines import Engines, TestEngine
    from local_ee.testing.runs import Run

MARK = "local_ee"
MARK_HELP = (
    f"{MARK}(catalog='world'): the test runs with `ee` connected to a local Earth Engine over this catalog: 'world' "
    "(simulated), 'open' (public archives), a folder of images, or a mapping of ids to arrays, GeoTIFFs and CSV files"
)
_run: pytest.StashKey[Run] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin."""
    group = parser.getgroup("local_ee", "Earth Engine")
    group.addoption("--ee-record", metavar="FILE", help="write the answers of the Earth Engine that tests connect to")
    group.addoption("--ee-replay", metavar="FILE", help="answer from this file, without network or account")
    group.addoption("--ee-compare", action="store_true", help="with --ee-replay: where the local engine differs")


def pytest_configure(config: pytest.Config) -> None:
    """Names the mark, and begins what the options ask for; UsageError where they do not go together."""
    config.addinivalue_line("markers", MARK_HELP)
    record, replay, compare = (config.getoption(name) for name in ("ee_record", "ee_replay", "ee_compare"))
    if record and replay:
        raise pytest.UsageError("--ee-record and --ee-replay: give one of them")
    if compare and not replay:
        raise pytest.UsageError("--ee-compare compares with --ee-replay FILE: give that too")
    if record and (hasattr(config, "workerinput") or config.getoption("numprocesses", None)):
        raise pytest.UsageError("--ee-record writes one file from one process: run without -n")
    if record or replay:
        from local_ee.testing.runs import Run

        try:
            run = Run.recording(Path(record)) if record else Run.replaying(Path(replay), compare=compare)
        except (OSError, ValueError) as error:
            raise pytest.UsageError(str(error)) from error
        config.stash[_run] = run
        config.add_cleanup(run.close)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What was recorded, or where the local engine answers otherwise."""
    run = config.stash.get(_run, None)
    if run is not None:
        terminalreporter.section("Earth Engine")
        for line in run.report():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def _local_ee_engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    from local_ee.testing.engines import Engines

    engines = Engines(tmp_path_factory.mktemp("local_ee"))
    yield engines
    engines.close()


@pytest.fixture
def local_ee(
    request: pytest.FixtureRequest, _local_ee_engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestEngine]:
    """A local Earth Engine that `ee` speaks to, without assets and buckets; `@pytest.mark.local_ee` names its catalog.

    The engine runs in this process and is shared by the tests of one catalog. Afterwards `ee` speaks to what it spoke
    to before.
    """
    mark = request.node.get_closest_marker(MARK)
    options = dict(mark.kwargs) if mark else {}
    catalog = options.pop("catalog", "world")
    if options or (mark and mark.args):
        raise ValueError(f"@pytest.mark.{MARK}: expected catalog=..., and nothing else")
    with _local_ee_engines.active(catalog, beside=request.path.parent) as engine:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", engine.url)
        yield engine


@pytest.fixture(autouse=True)
def _local_ee_where_marked(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker(MARK):
        request.getfixturevalue("local_ee")
