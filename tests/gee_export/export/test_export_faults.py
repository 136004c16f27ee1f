"""Exports while servers and disks fail: the same dataset to the byte, and nothing fetched twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from local_ee.catalogs import open_catalog
from local_ee.faults import Faults

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Patience
from isamap.gee_export.earth_engine.session import Session
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.requests import client, pixels
from isamap.gee_export.tasks import batch, export_task
from local_ee import LocalEngine
from tests.gee_export.export.test_export import contents
from tests.support import killed

pytestmark = pytest.mark.usefixtures("reconnected", "small_requests")
SUPPORT = Path(__file__).parents[2] / "support"
OWN_MOUNT = ("unshare", "--user", "--map-root-user", "--mount")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Attempts enough that no chance exhausts them, milliseconds apart."""
    monkeypatch.setattr(client, "Patience", lambda attempts=8: Patience(attempts=8, base_s=0.01, cap_s=0.2))


@contextmanager
def failing(plot, home: Path, *rules, seed: int = 0):
    """A session on an engine over the plot that goes wrong by the rules, and that engine's log."""
    with LocalEngine(open_catalog(str(plot.folder)), home, faults=Faults.of(*rules, seed=seed)) as engine:
        session = Session("local", "local-engine", str(plot.folder), engine.url, home).activate()
        yield session, engine.injector
        session.close()


def blobs(session: Session, bucket: str) -> dict[str, bytes]:
    actual = session.storage_client().list_blobs(bucket)
    return {blob.name.partition("/")[2]: blob.download_as_bytes() for blob in actual}


def fetched(log) -> Counter:
    """How often the pixels of each grid arrived."""
    calls = [call for call in log.report()["calls"] if call["route"] == "pixels" and call["status"] == 200]
    return Counter(tuple(call["grid"]) for call in calls if call["fault"] != "truncate")


@pytest.fixture(scope="module")
def whole(plot, tmp_path_factory) -> dict[str, bytes]:
    """An export that nothing disturbed."""
    base = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch, failing(plot, base / "home") as (session, log):
        patch.setattr(pixels, "REQUEST_LIMIT_BYTES", killed.SMALL_REQUEST)
        export_patches(**killed.ASKED, out=base / "data", session=session)
        assert set(fetched(log).values()) == {1} and len(fetched(log)) == 9
    return contents(base / "data")


BROKEN = ("429", "500", "503", "reset", "lost", "truncate")


@pytest.mark.long
def test_one_export_comes_through_all_of_them(plot, whole, tmp_path):
    """docs/reference/wishes.md, "Wish 7": waits and goes on; docs/reference/earth-engine.md, "Errors" says which may be
    repeated.
    """
    rules = [{"on": "pixels", "kind": sort, "nth": 1 + 2 * index} for index, sort in enumerate(BROKEN)]
    with failing(plot, tmp_path / "home", *rules) as (session, log):
        export_patches(**killed.ASKED, out=tmp_path / "data", session=session)
        assert [rule["struck"] for rule in log.report()["rules"]] == [1] * len(BROKEN)
    assert contents(tmp_path / "data") == whole


@pytest.mark.long
@pytest.mark.parametrize("kind", BROKEN)
def test_refused_and_broken_requests_are_repeated(plot, whole, tmp_path, kind):
    """docs/reference/wishes.md, "Wish 7": waits and goes on; docs/reference/earth-engine.md, "Errors" says which may be
    repeated.
    """
    rule = {"on": "pixels", "kind": kind, "nth": [1, 3, 4, 8]}
    with failing(plot, tmp_path / "home", rule) as (session, log):
        export_patches(**killed.ASKED, out=tmp_path / "data", session=session)
        assert log.report()["rules"][0]["struck"] == 4
        if kind != "lost":  # whose pixels were computed but never arrived
            assert set(fetched(log).values()) == {1}
    assert contents(tmp_path / "data") == whole


@pytest.mark.parametrize("kind", ["memory", pytest.param("timeout", marks=pytest.mark.long)])
def test_what_is_too_much_for_one_request_is_asked_in_parts(plot, whole, tmp_path, monkeypatch, kind):
    """docs/reference/wishes.md, "Wish 6": which tile size? The largest that the server accepts, learned once."""
    monkeypatch.setattr(pixels, "REQUEST_LIMIT_BYTES", 48 << 20)
    rule = {"on": "pixels", "kind": kind, "above_px": 90 * 90}
    with failing(plot, tmp_path / "home", rule) as (session, log):
        export_patches(**killed.ASKED, out=tmp_path / "data", session=session)
        assert log.report()["rules"][0]["struck"] == 1  # remembered
    images = {name: data for name, data in contents(tmp_path / "data").items() if name.endswith(".tif")}
    assert images == {name: data for name, data in whole.items() if name.endswith(".tif")}


@pytest.mark.long
def test_questions_about_scenes_are_repeated(plot, whole, tmp_path):
    rule = {"on": "value", "kind": "503", "nth": 2}
    with failing(plot, tmp_path / "home", rule) as (session, _):
        export_patches(**killed.ASKED, out=tmp_path / "data", session=session)
    assert contents(tmp_path / "data") == whole


@pytest.mark.long
def test_a_quota_is_kept_without_losing_a_block(plot, whole, tmp_path):
    """docs/reference/wishes.md, "Wish 7": this server accepts one request at a time."""
    rules = [{"on": "pixels", "kind": "quota", "at_once": 1}, {"on": "pixels", "kind": "delay", "seconds": 0.02}]
    with failing(plot, tmp_path / "home", *rules) as (session, log):
        export_patches(**killed.ASKED, out=tmp_path / "data", session=session, workers=8)
        assert set(fetched(log).values()) == {1}
    assert contents(tmp_path / "data") == whole


@pytest.mark.long
def test_a_server_that_stays_away_ends_the_run_and_the_next_goes_on(plot, whole, tmp_path):
    """docs/reference/wishes.md, "Wish 2", "Wish 8" and "Wish 9": the server's own words; what was fetched is not
    fetched again.
    """
    rule = {"on": "pixels", "kind": "503", "first": 6, "message": "Backend is down."}
    with failing(plot, tmp_path / "home", rule) as (session, log):
        with pytest.raises(Fault, match=r"Backend is down\."):
            export_patches(**killed.ASKED, out=tmp_path / "data", session=session, workers=1)
        assert not (tmp_path / "data" / "manifest.json").exists()
        first = fetched(log)
    with failing(plot, tmp_path / "home") as (session, log):
        export_patches(**killed.ASKED, out=tmp_path / "data", session=session)
        assert len(first) == 5 and not first.keys() & fetched(log).keys() and len(fetched(log)) == 4
    assert contents(tmp_path / "data") == whole


@pytest.mark.long
def test_a_bucket_takes_the_same_bytes_through_every_fault(plot, whole, tmp_path, monkeypatch):
    """docs/reference/earth-engine.md, "Cloud Storage"; docs/reference/wishes.md, "Wish 23": nothing is written over
    anything else.
    """
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    rules = [
        {"on": ["upload", "object", "list"], "kind": sort, "probability": 0.04}
        for sort in ("429", "503", "reset", "lost", "truncate")
    ]
    rules += [{"on": "upload", "kind": "corrupt", "probability": 0.04}]
    with failing(plot, tmp_path / "home", *rules, seed=3) as (session, log):
        session.storage_client().create_bucket("patches")
        export_patches(**killed.ASKED, out="gs://patches/plot", session=session)
        assert sum(rule["struck"] for rule in log.report()["rules"]) >= 10
    with failing(plot, tmp_path / "home") as (session, log):
        assert blobs(session, "patches") == whole
        report = export_patches(**killed.ASKED, out="gs://patches/plot", session=session)
        assert "already complete" in str(report) and not fetched(log)


@pytest.mark.long
def test_batch_gives_the_bytes_that_streaming_gives(plot, whole, tmp_path, monkeypatch):
    """Pixels and labels identical, whatever became of the tasks on the way."""
    monkeypatch.setattr(export_task, "TASK_PX", 64)
    monkeypatch.setattr(batch, "LOCAL_PACE", batch.Pace(0.01, 0.05, 0.3))
    rules = [
        {"on": "task", "kind": "fail", "nth": [2, 5]},
        {"on": "task", "kind": "missing", "nth": [4]},
        {"on": "list", "kind": "lag", "lists": 2, "probability": 0.5},
        {"on": ["export", "operations"], "kind": "503", "probability": 0.05},
    ]
    with failing(plot, tmp_path / "home", *rules) as (session, log):
        session.storage_client().create_bucket("files")
        report = export_patches(**killed.ASKED, out=tmp_path / "data", session=session, mode="batch", bucket="files")
        assert not fetched(log) and blobs(session, "files") == {}
        assert "tasks" in str(report)
    assert contents(tmp_path / "data") == whole


@pytest.mark.long
def test_batch_into_its_own_bucket_needs_no_other(plot, whole, tmp_path, monkeypatch):
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    with failing(plot, tmp_path / "home") as (session, _):
        session.storage_client().create_bucket("patches")
        export_patches(**killed.ASKED, out="gs://patches/plot", session=session, mode="batch")
        assert blobs(session, "patches") == whole


@pytest.mark.long
@pytest.mark.skipif(
    subprocess.run([*OWN_MOUNT, "true"], capture_output=True).returncode != 0, reason="no mounts of one's own here"
)
def test_a_full_disk_is_a_sentence_and_the_run_goes_on(plot, whole, tmp_path):
    """A file system of 400 kB under the dataset, made larger after the first run."""
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT.parents[1])}
    command = [*OWN_MOUNT, sys.executable, str(SUPPORT / "filling.py"), str(plot.folder), str(tmp_path)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    words, manifest = result.stdout.splitlines()
    assert "is full: free some space and run the same command again" in words and manifest == "False"
    assert contents(tmp_path / "copy") == whole
