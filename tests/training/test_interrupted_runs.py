"""A run that was broken off, killed or ended goes on to the weights of a whole one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import traceback
from pathlib import Path

import pytest

import isamap
from isamap import training
from isamap.gee_export.base.errors import Fault
from isamap.training.checkpoints import checkpoint as ck
from tests.support.killed_at import assert_killed_at
from tests.support.one_thread import one_thread  # noqa: F401

FAST = {"model.widths": "4,8,16", "batch": "4", "epochs": "4", "lr": "5e-3"}


@pytest.mark.long
def test_a_run_killed_just_before_its_report_is_not_trained_again(whole, town, tmp_path, monkeypatch):
    from isamap.training.fitting.task import Task

    copied = shutil.copytree(whole, tmp_path / "copied")
    (copied / "report.json").unlink()
    monkeypatch.setattr(Task, "training_step", lambda *_: pytest.fail("trained again"))
    report = training.train(town, "unet", copied, settings=FAST)
    assert (report.epochs, report.best_miou) == (4, max(entry["val_miou"] for entry in curve(whole)))


def test_a_damaged_resume_file_is_a_fault(whole, town, tmp_path):
    copied = shutil.copytree(whole, tmp_path / "copied")
    (copied / "report.json").unlink()
    (copied / "resume.ckpt").write_bytes((copied / "resume.ckpt").read_bytes()[:1000])
    with pytest.raises(Fault, match=r"resume.ckpt is damaged; remove it"):
        training.train(town, "unet", copied, settings=FAST)


def curve(folder: Path) -> list[dict[str, float]]:
    return json.loads((folder / "history.json").read_text())


def weights(folder: Path) -> bytes:
    return (folder / "last" / ck.WEIGHTS).read_bytes()


@pytest.fixture(scope="module")
def whole(town, tmp_path_factory) -> Path:
    """An uninterrupted run of four epochs."""
    return training.train(town, "unet", tmp_path_factory.mktemp("runs") / "whole", settings=FAST).folder


def test_another_seed_gives_another_run(whole, town, tmp_path):
    report = training.train(town, "unet", tmp_path / "other", settings=FAST | {"seed": "1", "epochs": "1"})
    assert curve(report.folder)[0] != curve(whole)[0]


def test_a_broken_run_goes_on_where_it_was(whole, town, tmp_path, monkeypatch):
    """Broken off in the third epoch, the same command repeats the loss curve and the weights of a whole run."""
    from isamap.training.fitting.task import Task

    original, broken = Task.training_step, tmp_path / "broken"

    def breaking(task, batch, at):
        if task.current_epoch == 2 and at == 3:
            raise RuntimeError("power cut")
        return original(task, batch, at)

    with monkeypatch.context() as patch:
        patch.setattr(Task, "training_step", breaking)
        with pytest.raises(RuntimeError, match="power cut"):
            training.train(town, "unet", broken, settings=FAST)
    assert [entry["epoch"] for entry in curve(broken)] == [1, 2]
    done = []
    monkeypatch.setattr(Task, "training_step", lambda *words: done.append(1) or original(*words))
    training.train(town, "unet", broken, settings=FAST)
    assert len(done) == 2 * 6, "only the third and fourth epoch are trained"
    assert curve(broken) == curve(whole) and weights(broken) == weights(whole)


@pytest.mark.long
def test_a_killed_run_goes_on_where_it_was(whole, town, tmp_path):
    """kill -9 in the third epoch of six steps. Sums are equal to the bit only with as many threads as here."""
    killed = tmp_path / "killed"
    threads = "import torch; torch.set_num_threads(1); "
    code = f"{threads}import isamap; isamap.train({str(town)!r}, 'unet', {str(killed)!r}, settings={FAST!r})"
    assert_killed_at("isamap.training.fitting.task:Task.training_step", 15, code)
    assert len(curve(killed)) == 2
    training.train(town, "unet", killed, settings=FAST)
    assert curve(killed) == curve(whole) and weights(killed) == weights(whole)


def test_ctrl_c_stays_ctrl_c(town, tmp_path, monkeypatch):
    from isamap.training.fitting.task import Task

    def interrupted(*_):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Task, "training_step", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        training.train(town, "unet", tmp_path / "run", settings=FAST)
    assert signal.getsignal(signal.SIGINT) is before
    shown = "".join(traceback.format_exception(caught.value))
    assert "pytorch_lightning" not in shown and len(shown.splitlines()) < 40


@pytest.mark.long
def test_sigterm_loses_the_current_epoch_at_most(whole, town, tmp_path, monkeypatch, capsys):
    """SLURM, `docker stop`: exit code 143, one sentence, and the same command ends in the weights of a whole run."""
    from isamap.training.fitting.task import Task

    original, ended = Task.training_step, tmp_path / "ended"

    def terminating(task, batch, at):
        if (task.current_epoch, at) == (2, 3):
            os.kill(os.getpid(), signal.SIGTERM)
        return original(task, batch, at)

    words = [word for pair in FAST.items() for word in ("--set", "=".join(pair))]
    command = ["train", "--data", str(town), "--recipe", "unet", "--out", str(ended), *words]
    with monkeypatch.context() as patch:
        patch.setattr(Task, "training_step", terminating)
        assert isamap.main(command) == 143
    assert capsys.readouterr().err.splitlines()[-1] == "error: ended by SIGTERM; run the same command again to continue"
    assert [entry["epoch"] for entry in curve(ended)] == [1, 2]
    assert isamap.main(command) == 0
    assert curve(ended) == curve(whole) and weights(ended) == weights(whole)
