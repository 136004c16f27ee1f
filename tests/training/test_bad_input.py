"""Bad input: one sentence each, exit code 2 (1 for damaged files), nothing lost; by the commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

import isamap
from isamap.training.checkpoints import checkpoint as ck
from tests.support.checkpoints import for_dataset
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import BANDS, spread
from tests.training.test_train import unknown_labels

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
FAST = ("model.widths=4,8", "batch=4", "epochs=2", "device=cpu", "lr=1e-3")


@pytest.fixture
def town(make) -> str:
    return make(spread(4, 1, 1)).storage.url


@pytest.fixture
def kept(tmp_path, town) -> Path:
    """A checkpoint of a small untrained network that fits `town`."""
    return Path(for_dataset(tmp_path / "kept", town, loud=True, window=32, lattice=24))


def refused(capsys, code: int, *words: str) -> str:
    """The one sentence that a command ends with."""
    capsys.readouterr()
    assert isamap.main(list(words)) == code
    # Behind the blanks of a bar, where a test before has loaded ipykernel.
    lines = [line.strip() for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if "error: " in line]
    assert len(lines) == 1 and "Traceback" not in lines[0]
    return lines[0]


def training(data: str, out: Path, *settings: str) -> list[str]:
    return ["train", "--data", data, "--recipe", "unet-tiny", "--out", str(out), "--set", *FAST, *settings]


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("scheme=landcover3m", "does not hold the seven classes of scheme landcover3m"),
        ("target=fine", "fine_labels"),
        ("crop=15", "crop=15: expected a multiple of 2 up to"),
        ("min_agreement=0.3", "min_agreement=0.3 says which chips of an agreement file stay"),
    ],
)
def test_settings_that_the_data_cannot_serve(town, tmp_path, capsys, setting, sentence):
    assert sentence in refused(capsys, 2, *training(town, tmp_path / "run", setting))
    assert not (tmp_path / "run").exists()


def test_no_chips_file(town, tmp_path, capsys):
    words = [*training(town, tmp_path / "run"), "--chips", str(tmp_path / "none.json")]
    assert "none.json: no such file; make one with `isamap agreement`" in refused(capsys, 2, *words)


@pytest.mark.long
@pytest.mark.parametrize(
    "failing",
    [lambda *_: torch.empty(2**55), lambda task, output, prepared: output.logits_BKHW.sum() * torch.nan],
    ids=["memory", "nan"],
)
def test_what_fails_in_its_first_epoch_leaves_the_place_for_the_remedy(town, tmp_path, capsys, monkeypatch, failing):
    """Too little memory, a loss that is no number: the sentence names another setting, and --out takes it."""
    from isamap.training.fitting.task import Task

    with monkeypatch.context() as patch:
        patch.setattr(Task, "cost", failing)
        assert "--set" in refused(capsys, 2, *training(town, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def changed(folder: Path, **values) -> None:
    file = folder / ck.DESCRIPTION
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def commands(kept: Path, town: str, tmp_path: Path) -> dict[str, list[str]]:
    """Every command that reads a checkpoint."""
    return {
        "evaluate": ["evaluate", "--checkpoint", str(kept), "--data", town],
        "train": [*training(town, tmp_path / "run"), "--from", str(kept)],
        "calibrate": ["calibrate", "--checkpoint", str(kept), "--data", town, "--out", str(tmp_path / "out")],
        "map": ["map", "--checkpoint", str(kept), *f"--input {tmp_path}/in.tif --out {tmp_path}/m.tif".split()],
    }


@pytest.mark.long
@pytest.mark.parametrize("command", ["evaluate", "train", "calibrate", "map"])
def test_checkpoints_that_cannot_be_read(kept, town, tmp_path, capsys, command):
    """Of another version, of a model that this isamap does not know, corrupt, cut short, not there."""

    def said(code: int) -> str:
        return refused(capsys, code, *commands(kept, town, tmp_path)[command])

    full = shutil.copytree(kept, tmp_path / "whole")
    changed(kept, version=2)
    assert "checkpoint version 2, this isamap reads version 1" in said(2)
    changed(kept, version=1, model="segformer")
    assert "was changed after it was written" in said(1)
    (kept / ck.DESCRIPTION).write_text('{"version": 1, "model"')
    assert "checkpoint.json is damaged; train again or copy it again" in said(1)
    shutil.copy(full / ck.DESCRIPTION, kept / ck.DESCRIPTION)
    (kept / ck.WEIGHTS).write_bytes((full / ck.WEIGHTS).read_bytes()[:-1])
    if command != "map":  # asks for its --input first
        assert "weights.safetensors is damaged" in said(1)
    shutil.rmtree(kept)
    assert "no checkpoint there" in said(2)
    assert not (tmp_path / "run").exists() and not (tmp_path / "m.tif").exists()


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--layer", "fine"], "fine_labels"),
        (["--layer", "roads"], "layer 'roads' is not known: choose one of label, fine"),
        (["--runtime", "tpu"], "runtime 'tpu' is not known"),
        (["--batch", "0"], "batch=0: expected a whole number of 1 or more"),
        pytest.param(["--device", "gpu"], "this machine has no GPU that torch can use", marks=NO_GPU),
    ],
)
def test_evaluations_that_cannot_be(kept, town, capsys, words, sentence):
    assert sentence in refused(capsys, 2, "evaluate", "--checkpoint", str(kept), "--data", town, *words)


@pytest.mark.long
def test_a_split_without_a_known_label_is_not_judged(kept, make, capsys):
    data = make(spread(4, 1, 1), change=unknown_labels, name="blank").storage.url
    words = ["evaluate", "--checkpoint", str(kept), "--data", data]
    assert "all labels are unknown: nothing to judge by" in refused(capsys, 2, *words)


def test_a_network_of_weights_that_are_no_numbers(kept, town, capsys):
    network, actual = ck.load(kept).build(), ck.load(kept)
    torch.nn.init.constant_(network.head.weight, float("nan"))
    ck.save(actual, network, kept)
    words = ["evaluate", "--checkpoint", str(kept), "--data", town]
    assert "gave numbers that are not finite" in refused(capsys, 1, *words)


def test_pixels_that_are_no_numbers_are_missing(kept, tmp_path, capfd):
    """docs/reference/wishes.md, "Wish 22": NaN and infinities of a float GeoTIFF are unknown in the map, and nothing
    else is.
    """
    rng = np.random.default_rng(0)
    values = np.stack(
        [np.full((40, 40), mean) + sd * rng.standard_normal((40, 40)) for _, _, mean, sd, _ in BANDS.values()]
    )
    values = np.clip(values, [[[0.0]]] * 4 + [[[-40.0]]] * 2, None).astype(np.float32)
    values[1, 3, 4], values[5, 20, 30] = np.nan, np.inf
    profile = {"driver": "GTiff", "width": 40, "height": 40, "count": 6, "dtype": "float32", "crs": "EPSG:32650"}
    with rasterio.open(
        tmp_path / "in.tif", "w", transform=rasterio.Affine(10, 0, 212800, 0, -10, 3416000), **profile
    ) as file:
        file.write(values)
        file.descriptions = tuple(BANDS)
    words = ["map", "--checkpoint", str(kept), "--input", str(tmp_path / "in.tif"), "--out", str(tmp_path / "map.tif")]
    assert isamap.main(words) == 0, capfd.readouterr().err
    with rasterio.open(tmp_path / "map.tif") as file:
        assert np.argwhere(file.read(1) == 255).tolist() == [[3, 4], [20, 30]]
