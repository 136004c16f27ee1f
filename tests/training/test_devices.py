"""Several processes train one run: they share its batches, and one of them keeps its files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isamap import training
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.samples.data import EpochOrder
from tests.support.one_thread import one_thread  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
UNET = {"epochs": "3", "batch": "4", "lr": "5e-3", "model.widths": "4,8"}


def curve(folder: Path) -> list[dict[str, float]]:
    return json.loads((folder / "history.json").read_text())


@pytest.mark.long
@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 5))
def test_processes_share_every_batch_of_one(count, ranks, epoch):
    """Disjoint, equally long, and together the order of a single process."""
    shares = []
    for rank in range(ranks):
        order = EpochOrder(count, 7, rank=rank, ranks=ranks)
        order.set_epoch(epoch)
        shares.append(list(order))
        assert len(shares[-1]) == len(order) == count // ranks
    alone = EpochOrder(count, 7)
    alone.set_epoch(epoch)
    together = [location for places in zip(*shares, strict=True) for location in places]
    assert together == list(alone)[: count // ranks * ranks]


SHARED = """
import os, sys
sys.path.insert(0, {root!r})
from isamap.training.samples.patches import Patches
original = Patches.__getitems__
def noting(patches, indices):
    if len(patches) == 8:  # training's
        with open(os.path.join({seen!r}, os.environ.get("LOCAL_RANK", "0")), "a") as file:
            file.write(",".join(map(str, indices)) + "\\n")
    return original(patches, indices)
Patches.__getitems__ = noting
import isamap
words = ["--data", {data!r}, "--out", {out!r}, "--recipe", {recipe!r}, "--devices", "{devices}", "--set", *{settings!r}]
sys.exit(isamap.main(["train", *words]))
"""


def shared(tmp_path: Path, data: Path, recipe: str, settings: dict[str, str]) -> tuple[Path, list, str]:
    """A run of a command by two processes: its folder, the batches that each of them read, what was printed."""
    seen, out, script = tmp_path / "seen", tmp_path / "shared", tmp_path / "train.py"
    seen.mkdir()
    words = [f"{key}={value}" for key, value in settings.items()]
    arguments = {"root": str(ROOT), "seen": str(seen), "data": str(data), "out": str(out)}
    script.write_text(SHARED.format(recipe=recipe, settings=words, devices=2, **arguments))
    options = {"capture_output": True, "text": True, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
    done = subprocess.run([sys.executable, str(script)], timeout=900, **options)
    assert done.returncode == 0, done.stderr
    read = [[line.split(",") for line in (seen / str(rank)).read_text().splitlines()] for rank in range(2)]
    return out, read, done.stdout + done.stderr


@pytest.mark.long
def test_two_processes_train_as_one(pairs, tmp_path):
    """DDP (gloo on the CPU), with batch normalisation, averages and a discriminator.

    Batches are those of one process, files are written once; losses agree to 3 % only, as batch normalisation sees
    half a batch in each process.
    """
    sizes = {"model.features": "4", "model.growth": "2", "model.widths": "2,4", "loss.discriminator": "2"}
    settings = UNET | sizes | {"ema": "0.9", "epochs": "2"}
    alone = training.train(pairs, "progesrgan-tiny", tmp_path / "alone", settings=settings).folder
    two, (first, second), printed = shared(tmp_path, pairs, "progesrgan-tiny", settings)
    expected = []
    for epoch in range(2):
        order = EpochOrder(8, 0)
        order.set_epoch(epoch)
        full = [str(row) for row in order]
        expected += [full[:4], full[4:]]
    assert [sorted(left + right) for left, right in zip(first, second, strict=True)] == list(map(sorted, expected))
    assert printed.count("best MIoU on validation") == 1 and printed.count("epoch 2/2") == 1
    losses = [[entry["train_loss"] for entry in curve(run)] for run in (alone, two)]
    assert losses[1] == pytest.approx(losses[0], rel=0.03) and len(losses[1]) == 2
    names = [{path.name for path in run.rglob("*") if "tfevents" not in path.name} for run in (alone, two)]
    assert names[0] == names[1] and len(list((two / "tensorboard").glob("events.*"))) == 1
    ck.load(two).build()


def test_several_devices_are_refused_where_no_command_can_be_run_again(hamlet, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with pytest.raises(ValueError, match="several devices need a command that can be run again: use `isamap train"):
        training.train(hamlet, "unet", tmp_path / "run", settings=UNET | {"devices": "2"})


def test_more_devices_than_patches_to_validate_are_refused(hamlet, tmp_path):
    with pytest.raises(ValueError, match="devices=4: the validation split has 2 patches, use one device"):
        training.train(hamlet, "unet", tmp_path / "run", settings=UNET | {"devices": "4"})


def test_more_devices_than_gpus_are_refused(hamlet, tmp_path, monkeypatch):
    monkeypatch.setattr("isamap.training.fitting.loop.torch.cuda.device_count", lambda: 1)
    with pytest.raises(ValueError, match="devices=2: this machine has 1 GPUs that torch can use"):
        training.train(hamlet, "unet", tmp_path / "run", settings=UNET | {"devices": "2"})


def test_a_follower_does_not_ask_for_the_lock(hamlet, tmp_path, monkeypatch):
    """The process that started it holds it."""
    from isamap.training.runs.run_lock import alone_in

    with alone_in(tmp_path / ".lock", "run"):
        with pytest.raises(ValueError, match="another process"), alone_in(tmp_path / ".lock", "run"):
            pass
        monkeypatch.setenv("LOCAL_RANK", "1")
        with alone_in(tmp_path / ".lock", "run"):
            pass
