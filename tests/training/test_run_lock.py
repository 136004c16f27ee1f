"""Whose a run's folder is; folders on mounts that know no locks and rename no folders."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from isamap import training
from isamap.gee_export.base.errors import Fault
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.recipes import recipe
from isamap.training.runs.run_lock import DONE, NOTE, alone_in, claim, finished
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import spread

WANTED = {"data": "abc", "recipe": recipe("unet-tiny").to_json(), "start": None, "chips": None}


def test_the_same_run_may_go_on(tmp_path):
    for _ in range(2):
        claim(tmp_path / "run", WANTED)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": "xyz"}, "data is abc there, xyz asked"),
        ({"start": "f00"}, "start is None there, f00 asked"),
        ({"recipe": WANTED["recipe"] | {"lr": 0.5}}, r"lr is 0.002 there, 0.5 asked"),
        ({"recipe": WANTED["recipe"] | {"ema": 0.9}}, r"ema is 0.0 there, 0.9 asked"),
    ],
)
def test_another_run_is_refused_with_what_differs(tmp_path, change, words):
    claim(tmp_path / "run", WANTED)
    with pytest.raises(ValueError, match=f"holds another run: {words}; choose another --out or remove that folder"):
        claim(tmp_path / "run", WANTED | change)


@pytest.mark.parametrize("damage", ["{", "[]"])
def test_a_damaged_note_of_a_run_that_has_a_checkpoint_is_a_fault(tmp_path, damage):
    claim(tmp_path / "run", WANTED)
    (tmp_path / "run" / NOTE).write_text(damage)
    (tmp_path / "run" / "last").mkdir()
    with pytest.raises(Fault, match=r"run.json is damaged, .* remove .*run and train again"):
        claim(tmp_path / "run", WANTED)


def test_a_damaged_note_is_written_again_where_nothing_was_trained(tmp_path):
    claim(tmp_path / "run", WANTED)
    note = (tmp_path / "run" / NOTE).read_bytes()
    (tmp_path / "run" / NOTE).write_bytes(b"")
    claim(tmp_path / "run", WANTED)
    assert (tmp_path / "run" / NOTE).read_bytes() == note


def test_a_damaged_report_counts_as_absent(tmp_path):
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / ck.DESCRIPTION).write_text("{}")
    (tmp_path / DONE).write_bytes(b"")
    assert finished(tmp_path) is None


def test_two_at_once_are_refused_and_the_lock_goes_with_its_holder(tmp_path):
    lock = tmp_path / ".lock"
    with alone_in(lock, "runs/x"), pytest.raises(ValueError, match="another process is training in runs/x"):
        alone_in(lock, "runs/x").__enter__()
    with alone_in(lock, "runs/x"):
        pass


@pytest.fixture
def drive(tmp_path, monkeypatch) -> Path:
    """A folder as a mounted Drive gives it: no locks, no renamed folders, no links."""
    original = os.replace

    def replace(source, target):
        if Path(source).is_dir() and "drive" in str(source):
            raise OSError(errno.ENOTSUP, "Operation not supported")
        return original(source, target)

    def no(*_, **__):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "link", no)
    monkeypatch.setattr(fcntl, "flock", no)
    return tmp_path / "drive" / "run"


def test_a_run_on_a_mounted_drive(make, drive, monkeypatch):
    """Trained, kept whole, gone on with and reported."""
    data, fast = (
        make(spread(4, 1, 1)).storage.url,
        {"model.widths": "4,8", "batch": "4", "epochs": "2", "device": "cpu"},
    )
    report = training.train(data, "unet-tiny", drive, settings=fast)
    assert ck.load(drive).build() is not None and ck.load(drive / "last").metrics["epoch"] == 2
    assert not [path for path in drive.rglob("*") if path.name.startswith(".best") and any(path.iterdir())]
    monkeypatch.setattr("isamap.training.fitting.loop.fit", lambda _: pytest.fail("trained again"))
    assert training.train(data, "unet-tiny", drive, settings=fast) == report
