"""A power cut while a network is trained: the same command ends with the same checkpoints."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from local_ee.testing.power import Disk

from isamap import training
from tests.support.one_thread import one_thread  # noqa: F401

pytestmark = pytest.mark.long
SEED, SAMPLED = 6, 40
FAST = {"model.widths": "4,8", "batch": "4", "epochs": "2", "device": "cpu"}
MEASURED = ("samples_per_s", "waiting_share")


def trained(root: Path, data: Path) -> dict[str, bytes]:
    """The run's files but for what differs from run to run by nature: times, and the optimiser's container."""
    training.train(data, "unet-tiny", root / "run", settings=FAST)
    files = {path.relative_to(root / "run").as_posix(): path for path in (root / "run").rglob("*") if path.is_file()}
    kept = {name: path.read_bytes() for name, path in files.items() if not name.startswith(("tensorboard", "resume"))}
    report = json.loads(kept.pop("report.json"))
    return kept | {"report.json": json.dumps({k: v for k, v in report.items() if k not in MEASURED}).encode()}


def test_training_ends_with_the_same_checkpoints_after_a_power_cut(hamlet, tmp_path, monkeypatch):
    (root := tmp_path / "disk").mkdir()
    monkeypatch.setenv("ISAMAP_HOME", str(root / "home"))
    disk = Disk(root)
    with disk.recording():
        full = trained(root, hamlet)
        disk.promise("trained")
    assert {"best/weights.safetensors", "last/checkpoint.json", "history.json"} <= set(full)
    for cut in random.Random(SEED).sample(disk.cuts, min(SAMPLED, len(disk.cuts))):
        cut.restore(root)
        assert trained(root, hamlet) == full, cut.moment
