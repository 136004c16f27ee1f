"""`isamap run jobs.toml`: exit codes, one sentence for each mistake, kills, and the same bytes afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import isamap
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.requests import quota
from isamap.inference.tiles import work
from tests.inference.tiles.conftest import REGION, STEP_PX, bytes_of
from tests.support.killed_at import ended_at
from tests.support.plot import Plot

ROOT = Path(__file__).resolve().parents[3]
WEST, SOUTH, EAST, NORTH = REGION.bounds_wsen
NAME = "field_201906"


@pytest.fixture
def jobs(plot, network, tmp_path, reconnected) -> Callable[..., list[str]]:
    """Writes a file of options; `changes` replace or add lines."""
    return partial(written, plot, network, tmp_path)


def written(plot: Plot, network: Path, home: Path, folder: str = "out", **changes: str) -> list[str]:
    """A command and its file of options, of a run into a folder."""
    lines = {
        "version": "1",
        "bbox": str([WEST + 0.001, SOUTH + 0.001, EAST - 0.001, NORTH - 0.001]),
        "epsg": "32650",
        "name": '"field"',
        "month": '["2019-06"]',
        "catalog": f'"{plot.folder}"',
        "checkpoint": f'["{network}"]',
        "out": f'"{home / folder}"',
        "tile_px": str(STEP_PX),
        "retries": "0",
    } | changes
    file = home / f"{folder}.toml"
    file.write_text("".join(f"{name} = {value}\n" for name, value in lines.items() if value))
    return ["run", str(file)]


@pytest.fixture(scope="module")
def whole(plot, network, tmp_path_factory, reconnected) -> Path:
    """The folder of a run that nothing disturbed."""
    home = tmp_path_factory.mktemp("whole")
    assert isamap.main(written(plot, network, home)) == 0
    return home / "out"


def sentence(capsys) -> str:
    """The one line of the error."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0].removeprefix("error: ")


@pytest.mark.long
def test_a_run_with_a_failed_tile_ends_with_1_and_lists_it(jobs, capsys, monkeypatch):
    original, count = work.map_requested, []

    def broken(request, **how):
        count.append(1)
        if len(count) == 2:
            raise Fault("the server will not compute it")
        return original(request, **how)

    monkeypatch.setattr(work, "map_requested", broken)
    assert isamap.main(jobs()) == 1
    assert "1 of 4 tiles failed" in sentence(capsys)
    assert isamap.main([*jobs(), "--status"]) == 0
    assert "failed: 50n_" in capsys.readouterr().out


def test_what_is_typed_overrides_the_file(jobs, tmp_path, capsys):
    assert isamap.main([*jobs(), "--out", str(tmp_path / "elsewhere"), "--tile-px", "256"]) == 0
    assert "1 of 1 tiles" in capsys.readouterr().out and (tmp_path / "elsewhere" / "status.json").exists()


def spent_s(out: Path) -> list[float]:
    """EECU seconds of every tile that is made, by its receipt."""
    return [json.loads(path.read_text())["measured"]["eecu_s"] for path in (out / "tiles").rglob("*.json")]


@pytest.mark.long
def test_a_run_ends_before_it_exceeds_its_computing_and_goes_on_with_more(jobs, whole, tmp_path, capsys, monkeypatch):
    assert min(spent_s(whole)) > 0  # as the engine names it
    monkeypatch.setattr(quota.Use, "eecu_s", 0.04)  # which differs from run to run
    assert isamap.main([*jobs(), "--eecu-hours", f"{0.09 / 3600}"]) == 1
    assert "would be exceeded" in (words := sentence(capsys)) and "a larger --eecu-hours to continue" in words
    assert spent_s(tmp_path / "out") == [0.04, 0.04]
    assert json.loads((tmp_path / "out" / "status.json").read_text())["state"] == "partial"
    assert isamap.main([*jobs(), "--eecu-hours", "1"]) == 0
    assert bytes_of(tmp_path / "out") == bytes_of(whole)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"checkpoint": ""}, "checkpoint is missing: give --checkpoint runs/NAME, or a line"),
        ({"out": ""}, "out is missing: give --out maps"),
        ({"checkpoint": '["nowhere"]'}, "nowhere: no checkpoint there"),
        ({"bbox": ""}, "give --region NAME"),
        ({"month": ""}, "nothing says when: give --month"),
        ({"tile_px": "4"}, "tiles of 4 px a side: expected 16 to 16384"),
        ({"regoin": '["wuhan"]'}, "'regoin' is no option: did you mean region?"),
        ({"retries": "-1"}, "--retries -1: expected 0 to 100"),
        ({"workers": "0"}, "--workers 0: expected 1 to 256"),
        ({"part": '"5/4"'}, "--part 5/4: expected 1/4 to 4/4"),
        ({"workers": "2", "scheduler": '"tcp://x:1"'}, "give one of them"),
        ({"catalog": '"nowhere"'}, "--catalog nowhere: no such folder"),
        ({"eecu_hours": "0.0"}, "--eecu-hours 0: expected hours above 0"),
        ({"silence": "0.0"}, "--silence 0: expected minutes above 0"),
        ({"asset": '"projects/my-project/assets/a"', "project": '"my-project"'}, "--asset needs --bucket NAME"),
        ({"bucket": '"data/out"'}, "--bucket 'data/out': expected the name alone"),
        ({"project": '"./folder"'}, "--project './folder': expected the ID of a Google Cloud project"),
        ({"asset": '"projects/p/assets/a"'}, "is of the project p, but without --project nothing goes to Google"),
        ({"requests": "0", "project": '"my-project"'}, "--requests 0: expected 1 to"),
        ({"sieve": '"tiny"'}, "sieve 'tiny': expected pixels or an area"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_mistake_is_one_sentence_and_2(jobs, capsys, changes, words):
    assert isamap.main(jobs(**changes)) == 2
    assert words in sentence(capsys)


def test_a_checkpoint_of_files_is_refused(jobs, capsys, make_checkpoint):
    assert isamap.main(jobs(checkpoint=f'["{make_checkpoint()}"]')) == 2
    assert "map a file of that kind with `isamap map --input FILE.tif`" in sentence(capsys)


def test_two_checkpoints_of_one_name_are_refused(jobs, capsys, network, tmp_path):
    (tmp_path / network.name).symlink_to(network)
    assert isamap.main(jobs(checkpoint=f'["{network}", "{tmp_path / network.name}"]')) == 2
    assert "have one name, so would their maps" in sentence(capsys)


def test_a_cluster_needs_dask(jobs, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert isamap.main([*jobs(), "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "needs Dask, which is not installed: pip install 'isamap[cluster]'" in sentence(capsys)


def test_an_unwritable_store_is_one_sentence_and_1(jobs, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert isamap.main(jobs("file")) == 1
    assert "a file stands where a folder belongs" in sentence(capsys)


def state_of(out: Path) -> str:
    """What status.json says; "done" only where the receipts of all four tiles lie there."""
    state = json.loads((out / "status.json").read_text())["state"]
    assert state != "done" or len(list((out / "tiles").rglob("*.json"))) == 4
    return state


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "code", "further"),
    [
        (signal.SIGINT, 130, []),
        (signal.SIGTERM, 143, ["--workers", "2"]),
        (signal.SIGKILL, -9, ["--workers", "2"]),
    ],
)
def test_a_run_ended_by_a_signal_goes_on_to_the_same_bytes(jobs, whole, tmp_path, number, code, further):
    """It comes when the first of four tiles is there."""
    words, home = [*jobs(), *further], {"ISAMAP_HOME": str(tmp_path / "home")}
    command = f"import isamap; raise SystemExit(isamap.main({words}))"
    assert ended_at("isamap.inference.runs.run:_Run.note", 1, command, number, **home) == code
    if number != signal.SIGKILL:
        assert state_of(tmp_path / "out") in ("interrupted", "done")  # the last where all tiles are made
    process = [sys.executable, "-m", "isamap", *words]
    assert subprocess.run(process, env=os.environ | home, cwd=ROOT, check=False).returncode == 0
    assert bytes_of(tmp_path / "out") == bytes_of(whole)
