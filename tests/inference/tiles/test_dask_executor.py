"""Tiles on a Dask cluster of this machine: workers and scheduler are killed, nothing is lost, nothing made twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Patience
from isamap.inference.runs.run import run_jobs
from isamap.inference.tiles.dask_executor import Dask, _neighbours, _worker_reason
from isamap.inference.tiles.receipt import Failure, Receipt
from tests.inference.tiles.conftest import bytes_of
from tests.support.tile_work import Painted, calls, content, tiles

distributed = pytest.importorskip("distributed")
ROOT = Path(__file__).resolve().parents[3]
NOW = Patience(sleep=lambda seconds: None)


@pytest.fixture(scope="module")
def address(engine_home) -> Iterator[str]:
    """Two workers of one thread, in processes of their own, which their nannies begin again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
        ) as cluster:
            yield cluster.scheduler_address


@pytest.fixture
def work(tmp_path) -> Painted:
    (tmp_path / "markers").mkdir()
    return Painted(str(tmp_path / "store"), markers=str(tmp_path / "markers"))


def stored(tmp_path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (tmp_path / "store" / "tiles").rglob("*.tif")}


@pytest.mark.long
def test_workers_that_are_killed_lose_no_tile_and_change_no_byte(address, work, tmp_path):
    """Two workers die, one over a tile that is tried three times; one tile fails for good, one once."""
    markers = tmp_path / "markers"
    for name, turns in (("die-2", 2), ("die-6", 1), ("fail-4", 1), ("fail-5", 99)):
        (markers / name).write_text(str(turns))
    some = tiles(12)
    outcomes_by_tile = {each.tile: each for each in Dask(address, patience=NOW).run(some, work, retries=1)}
    assert set(outcomes_by_tile) == {tile.id for tile in some}
    failed = outcomes_by_tile[some[5].id]
    assert isinstance(failed, Failure) and failed.reason == "the server has no pixels of column 5"
    assert sum(isinstance(each, Receipt) for each in outcomes_by_tile.values()) == 11
    assert stored(tmp_path) == {f"{tile.name}.tif": content(tile) for tile in some if tile is not some[5]}
    # more often where a tile was in the hands of a worker that died over another one
    assert calls(markers, 2) >= 3 and calls(markers, 4) >= 2 and calls(markers, 5) >= 2


@pytest.mark.long
def test_a_worker_killed_over_real_tiles_leaves_the_undisturbed_bytes(address, asked, undisturbed, tmp_path):
    """The process that made the first tile is killed while the run goes on."""
    from isamap.inference.runs import run as runs

    note, killed = runs._Run.note, []

    def kill_after(self, outcome):
        note(self, outcome)
        if not killed:
            killed.append(outcome.measured["process"])
            os.kill(killed[0], signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs._Run, "note", kill_after)
        status = run_jobs(**asked | {"retries": 3}, scheduler=address)
    assert killed and killed[0] != os.getpid()
    assert status.state == "done" and bytes_of(tmp_path / "out") == undisturbed


@pytest.mark.long
def test_a_scheduler_that_goes_away_is_one_sentence(work, tmp_path):
    (tmp_path / "markers" / "seconds").write_text("0.2")
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
    )
    # as long the client looks for a scheduler that has gone
    run = Dask(cluster.scheduler_address, patience=NOW, connect_s=8).run(tiles(50), work, retries=0)
    assert isinstance(next(run), Receipt)
    cluster.close()
    with pytest.raises(Fault, match=r"the Dask scheduler at tcp://.* has gone: start it again and run"):
        list(run)


@pytest.mark.long
def test_a_worker_that_is_told_to_end_does_not_wait_for_its_tile(work, tmp_path):
    """It would take ten minutes; half a one is given."""
    (tmp_path / "markers" / "slow-0").write_text("600")
    with distributed.LocalCluster(n_workers=0, processes=True, dashboard_address=None) as cluster:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address]
        paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard")
        with subprocess.Popen([*command, *options], env=os.environ | paths) as worker:
            try:
                threading.Thread(target=_run, args=(cluster.scheduler_address, work), daemon=True).start()
                while calls(tmp_path / "markers", 0) == 0:
                    assert worker.poll() is None
                    time.sleep(0.2)
                worker.terminate()
                assert worker.wait(300) is not None
            finally:
                worker.kill()


def _run(address: str, work: Painted) -> None:
    with suppress(Fault):  # the scheduler goes away at the end of the test
        list(Dask(address, patience=NOW).run(tiles(1), work, retries=0))


@pytest.mark.long
def test_no_scheduler_is_one_sentence(work):
    with pytest.raises(Fault, match=r"no Dask scheduler answers at tcp://127.0.0.1:9: start one with `dask scheduler`"):
        list(Dask("tcp://127.0.0.1:9", connect_s=1).run(tiles(1), work, retries=0))


def test_an_address_that_is_none_is_the_users_mistake(work):
    with pytest.raises(ValueError, match="--scheduler no:such:thing: expected an address such as tcp://"):
        list(Dask("no:such:thing", connect_s=1).run(tiles(1), work, retries=0))


def test_workers_of_one_machine_share_its_cores():
    workers = {"a": {"host": "10.0.0.1"}, "b": {"host": "10.0.0.1"}, "c": {"host": "10.0.0.2"}}
    assert _neighbours(workers) == 2 and _neighbours({}) == 1


def test_a_worker_without_isamap_is_said_in_words():
    assert "install the same version there" in _worker_reason(ModuleNotFoundError("No module named 'inference'"))
