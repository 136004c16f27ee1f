"""Pixels by Export tasks: right, named by content, repeated where they fail, never computed twice."""

from __future__ import annotations

from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path

import ee
import numpy as np
import pytest
import rasterio
from local_ee.faults import Faults
from local_ee.limits import Limits
from local_ee.testing.small import catalog, grid

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import Window, crop, tiles
from isamap.gee_export.datasets.progress_log import ProgressLog
from isamap.gee_export.earth_engine.session import Session
from isamap.gee_export.export import modes
from isamap.gee_export.export.modes import Means
from isamap.gee_export.requests.channel import FILL, Channel
from isamap.gee_export.requests.client import Cell
from isamap.gee_export.tasks import batch, export_task
from isamap.gee_export.tasks.batch import BatchTasks, batched
from isamap.gee_export.tasks.export_task import formed, window_in
from local_ee import LocalEngine

pytestmark = pytest.mark.usefixtures("reconnected")
HEIGHT, WIDTH = 600, 500
GRID = grid(HEIGHT, WIDTH)
CHANNELS = (Channel("B2", "uint16", 65535), Channel("VV"))
SMALL = catalog(HEIGHT, WIDTH)


@contextmanager
def serving(home: Path, *rules, limits: Limits | None = None, seed: int = 0):
    """A session on an engine of its own with a bucket, and the engine."""
    faults = Faults.of(*rules, seed=seed)
    with LocalEngine(SMALL, home, faults=faults, limits=limits) as engine:
        session = Session("local", "local-engine", "small", engine.url, home).activate()
        session.storage_client().create_bucket("bucket")
        yield session, engine
        session.close()


def cells(side: int = 300, image: ee.Image | None = None) -> list[Cell]:
    image = image or ee.Image("SMALL/ONE")
    windows = list(tiles(HEIGHT, WIDTH, side))
    return [Cell(index, f"cell {index}", image, crop(GRID, w), CHANNELS) for index, w in enumerate(windows)]


def expected(cell: Cell) -> dict[str, np.ndarray]:
    """From the catalog's arrays, by numpy."""
    rows, cols = window_in(GRID, cell.geobox).slices
    valid = SMALL.valid[rows, cols]
    fills = {"B2": np.uint16(65535), "VV": np.float32(FILL)}
    return {name: np.where(valid, SMALL.bands[name][rows, cols], fill) for name, fill in fills.items()}


def assert_right(found) -> int:
    """Every cell once, with its pixels."""
    seen = Counter()
    for cell, pixels in found:
        seen[cell.index] += 1
        for name, values in expected(cell).items():
            assert pixels[name].dtype == values.dtype
            np.testing.assert_array_equal(pixels[name], values)
    assert set(seen.values()) <= {1}
    return len(seen)


def supply(session: Session, folder: Path, **options) -> BatchTasks:
    folder.mkdir(parents=True, exist_ok=True)
    return batched(session, ProgressLog(folder), "bucket", **options)


def sent(engine: LocalEngine, route: str) -> int:
    return sum(call["route"] == route for call in engine.injector.report()["calls"])


def states(engine: LocalEngine) -> list[str]:
    return [call["state"] for call in engine.injector.report()["calls"] if call["route"] == "task"]


def objects(session: Session) -> list[str]:
    return [blob.name for blob in session.storage_client().list_blobs("bucket")]


def test_pixels_masks_and_types_survive_and_nothing_is_left_behind(tmp_path):
    """docs/reference/wishes.md, "Wish 13": masked pixels come as declared values, not as 0."""
    with serving(tmp_path / "home") as (session, engine):
        made = supply(session, tmp_path / "run")
        assert assert_right(made(cells())) == 4
        assert made.counts["tasks"] == sent(engine, "export") == 1
        assert objects(session) == [] and not (tmp_path / "run" / "batch").exists()


@pytest.mark.long
def test_two_exports_of_the_same_pixels_do_not_meet_in_the_bucket(tmp_path):
    """What one removes in the end is not what the other still reads."""
    with serving(tmp_path / "home") as (session, _):
        kept = supply(session, tmp_path / "first", keep=True)
        assert assert_right(kept(cells())) == 4
        left = objects(session)
        assert assert_right(supply(session, tmp_path / "second")(cells())) == 4
        assert left and objects(session) == left


@pytest.mark.long
def test_a_large_grid_comes_in_several_files(tmp_path, monkeypatch):
    """REST image:export: PREFIX-yMin-xMin.tif; cells lie across them."""
    monkeypatch.setattr(export_task, "FILE_PX", 256)
    with serving(tmp_path / "home") as (session, _):
        assert assert_right(supply(session, tmp_path / "run", keep=True)(cells(200))) == 9
        names = [name.rpartition("/")[2] for name in objects(session)]
        assert names == [f"pixels-{row:010d}-{col:010d}.tif" for row in (0, 256, 512) for col in (0, 256)]


def test_files_lie_on_the_grid_that_was_asked_for(tmp_path):
    """docs/reference/wishes.md, "Wish 11": crs, crsTransform and dimensions, never a scale alone."""
    with serving(tmp_path / "home") as (session, _):
        list(supply(session, tmp_path / "run", keep=True)(cells()))
        [name] = objects(session)
        data = session.storage_client().bucket("bucket").blob(name).download_as_bytes()
        with rasterio.MemoryFile(data) as file, file.open() as source:
            assert source.transform == GRID.affine and source.shape == (HEIGHT, WIDTH)
            assert source.descriptions == ("B2", "VV") and set(source.dtypes) == {"float32"}


def test_a_run_that_was_cut_off_finds_its_finished_tasks(tmp_path):
    """docs/reference/wishes.md, "Wish 9": a task that succeeded is read, not computed again."""
    with serving(tmp_path / "home") as (session, engine):
        with closing(supply(session, tmp_path / "run")(cells())) as supplied:
            first, _ = next(supplied)
        again = supply(session, tmp_path / "run")
        left = [cell for cell in cells() if cell.index != first.index]
        assert assert_right(again(left)) == 3
        assert again.counts["tasks"] == 0 and states(engine) == ["SUCCEEDED"]
        assert objects(session) == []


@pytest.mark.long
def test_a_run_that_was_cut_off_finds_its_running_tasks(tmp_path, monkeypatch):
    with serving(tmp_path / "home", {"on": "task", "kind": "delay", "seconds": 3}) as (session, engine):

        class Cut(Exception):
            pass

        def cut(seconds):
            raise Cut

        made = supply(session, tmp_path / "run")
        made.pace = batch.Pace(sleep=cut)
        with pytest.raises(Cut):
            list(made(cells()))
        again = supply(session, tmp_path / "run")
        assert assert_right(again(cells())) == 4
        assert again.counts["tasks"] == 0 and states(engine) == ["SUCCEEDED"]


@pytest.mark.long
def test_what_a_run_killed_between_reading_and_tidying_left_is_removed(tmp_path, monkeypatch):
    with serving(tmp_path / "home") as (session, _):
        list(supply(session, tmp_path / "run", keep=True)(cells()))
        assert objects(session)
        others = [Cell(9, "other", ee.Image("SMALL/ONE").multiply(2), crop(GRID, Window(0, 0, 50, 50)), CHANNELS)]
        list(supply(session, tmp_path / "run")(others))
        assert objects(session) == []


@pytest.mark.long
@pytest.mark.parametrize("others", [False, True])
def test_files_of_a_run_killed_after_the_last_pixel_are_removed(tmp_path, others):
    """Every cell was taken, but nothing had noted that the task is over (benchmarks/kills.py, "export, batch")."""
    more = [Cell(9, "other", ee.Image("SMALL/ONE").multiply(2), crop(GRID, Window(0, 0, 50, 50)), CHANNELS)]
    with serving(tmp_path / "home") as (session, _):
        with closing(supply(session, tmp_path / "run")(cells())) as supplied:
            for _ in cells():
                next(supplied)
        assert objects(session)
        list(supply(session, tmp_path / "run")(more if others else []))
        assert objects(session) == []


def test_files_of_a_run_killed_before_it_removed_the_last_ones_are_removed(tmp_path):
    """The end of the task was noted, its files were not yet gone, and nothing is left to fetch."""
    with serving(tmp_path / "home") as (session, _):
        list(supply(session, tmp_path / "run", keep=True)(cells()))
        assert objects(session)
        list(supply(session, tmp_path / "run")([]))
        assert objects(session) == []


def test_a_task_that_fails_is_repeated(tmp_path):
    with serving(tmp_path / "home", {"on": "task", "kind": "fail", "message": "Backend.", "nth": [1, 2]}) as (
        s,
        engine,
    ):
        assert assert_right(supply(s, tmp_path / "run")(cells())) == 4
        assert states(engine) == ["FAILED", "FAILED", "SUCCEEDED"]


@pytest.mark.long
def test_a_task_that_keeps_failing_is_named_after_the_others_came(tmp_path, monkeypatch):
    """docs/reference/wishes.md, "Wish 2" and "Wish 8": the server's words, and nothing else is lost."""
    monkeypatch.setattr(export_task, "TASK_PX", 300)
    with serving(tmp_path / "home") as (session, _):
        doomed = cells()[1].geobox
        digest = next(t.digest for t, _ in formed(cells()) if t.geobox == doomed)
    rule = {"on": "task", "kind": "fail", "message": "Backend is down.", "matching": digest}
    with serving(tmp_path / "other", rule) as (session, engine):
        actual = []
        with pytest.raises(Fault, match=r"cell 1\) failed: Backend is down\. \(3 attempts\); what came is kept"):
            for item in supply(session, tmp_path / "run")(cells()):
                actual.append(item)
        assert assert_right(actual) == 3
        assert Counter(states(engine)) == {"FAILED": 3, "SUCCEEDED": 3}


@pytest.mark.long
def test_where_memory_runs_out_shards_become_smaller(tmp_path):
    """docs/reference/wishes.md, "Wish 6": smaller pieces, then the words."""
    with serving(tmp_path / "home", {"on": "task", "kind": "memory", "nth": 1}) as (session, _):
        assert assert_right(supply(session, tmp_path / "run", keep=True)(cells())) == 4
        [name] = objects(session)
        data = session.storage_client().bucket("bucket").blob(name).download_as_bytes()
        with rasterio.MemoryFile(data) as file, file.open() as source:
            assert source.block_shapes[0] == (128, 128)
    with (
        serving(tmp_path / "other", {"on": "task", "kind": "memory"}) as (session, engine),
        pytest.raises(Fault, match="User memory limit exceeded"),
    ):
        list(supply(session, tmp_path / "never")(cells()))
    assert len(states(engine)) == 5  # shards of 256, 128 and three attempts of 64


@pytest.mark.long
def test_a_task_that_succeeds_without_a_file_is_repeated(tmp_path, monkeypatch):
    """docs/reference/wishes.md, "Wish 10": export says done but files are missing."""
    monkeypatch.setattr(export_task, "FILE_PX", 256)
    monkeypatch.setattr(batch, "LOCAL_PACE", batch.Pace(0.01, 0.05, 0.2))
    with serving(tmp_path / "home", {"on": "task", "kind": "missing", "nth": 1}) as (session, engine):
        assert assert_right(supply(session, tmp_path / "run")(cells())) == 4
        assert states(engine) == ["SUCCEEDED", "SUCCEEDED"]
    with (
        serving(tmp_path / "other", {"on": "task", "kind": "missing"}) as (session, _),
        pytest.raises(Fault, match="succeeded, but 5 files with 278,528 pixels where 6 with 300,000 belong"),
    ):
        list(supply(session, tmp_path / "never")(cells()))


@pytest.mark.long
def test_a_list_that_lags_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "LOCAL_PACE", batch.Pace(0.02, 0.5, 120.0))
    rule = {"on": "list", "kind": "lag", "lists": 4}
    with serving(tmp_path / "home", rule) as (session, engine):
        assert assert_right(supply(session, tmp_path / "run")(cells())) == 4
        assert states(engine) == ["SUCCEEDED"] and sent(engine, "list") >= 5


def test_damaged_downloads_are_not_believed(tmp_path):
    with serving(tmp_path / "home", {"on": "download", "kind": "corrupt", "nth": 1}) as (session, engine):
        assert assert_right(supply(session, tmp_path / "run")(cells())) == 4
        assert sent(engine, "download") == 2


@pytest.mark.long
def test_lost_replies_start_no_task_twice(tmp_path):
    """A request id of its own makes a repeated submission the same task."""
    rules = [
        {"on": "export", "kind": "lost", "nth": [1, 3]},
        {"on": ["export", "operations"], "kind": "503", "probability": 0.2},
        {"on": "operations", "kind": "truncate", "probability": 0.1},
    ]
    with serving(tmp_path / "home", *rules, seed=4) as (session, engine):
        assert assert_right(supply(session, tmp_path / "run")(cells())) == 4
        assert states(engine) == ["SUCCEEDED"]


@pytest.mark.long
def test_the_log_tells_how_far_the_tasks_are(tmp_path, monkeypatch):
    monkeypatch.setattr(export_task, "TASK_PX", 300)
    with serving(tmp_path / "home", {"on": "task", "kind": "delay", "seconds": 0.3}) as (session, _):
        list(supply(session, tmp_path / "run")(cells()))
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "batch: 0 to submit, 2 pending, 2 running" in log and log.rstrip().endswith("batch: 0 to submit")


def test_a_cancelled_task_is_named(tmp_path):
    with serving(tmp_path / "home", {"on": "task", "kind": "delay", "seconds": 30}) as (session, _):
        made = supply(session, tmp_path / "run")

        def cancel(seconds):
            for operation in ee.data.listOperations():
                ee.data.cancelOperation(operation["name"])

        made.pace = batch.Pace(sleep=cancel)
        with pytest.raises(Fault, match=r"cell 0 and 3 more\) was cancelled on the server"):
            list(made(cells()))


def test_a_bucket_that_is_not_there_is_named(tmp_path):
    with serving(tmp_path / "home") as (session, _), pytest.raises(Fault, match="bucket 'absent' does not exist"):
        ProgressLog(tmp_path / "run").folder.mkdir()
        list(batched(session, ProgressLog(tmp_path / "run"), "absent")(cells()))


@pytest.mark.parametrize(
    ("mode", "means", "words"),
    [
        ("btach", Means(), "expected one of stream, batch"),
        ("batch", Means(), "give --bucket NAME, or --out gs://"),
        ("batch", Means(bucket="gs://b"), "expected the name alone"),
        ("stream", Means(keep=True), "--keep-exports is for --mode batch"),
    ],
)
def test_means_that_do_not_suit_are_refused(mode, means, words):
    with pytest.raises(ValueError, match=words):
        modes.check(mode, means)
