"""`isamap onnx`: bands in their units in, probabilities out, as another program reads the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import isamap
from isamap import training
from isamap.training.checkpoints import checkpoint
from isamap.training.checkpoints.checkpoint import normalise
from tests.inference.conftest import BANDS, LEGEND, NAMES, small_network
from tests.support.checkpoints import kept
from tests.support.one_thread import one_thread  # noqa: F401


def run_of(folder: Path, name: str = "unet", **changes) -> checkpoint.Checkpoint:
    return kept(folder / name, small_network(name), name, BANDS, **({"thresholds": {"impervious": 0.375}} | changes))


@pytest.fixture(scope="module")
def held(tmp_path_factory) -> tuple[checkpoint.Checkpoint, Path]:
    """A U-Net's checkpoint and its file."""
    folder = tmp_path_factory.mktemp("onnx")
    run = run_of(folder)
    training.export_onnx(run.location, folder / "unet.onnx")
    return run, folder / "unet.onnx"


def physical(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Reflectances (some beyond their clip) and backscatter in dB, and which of them are known."""
    rng = np.random.default_rng(5)
    optical = rng.uniform(-0.1, 1.3, (4, height, width))
    values = np.concatenate([optical, rng.normal(-12, 4, (2, height, width))]).astype(np.float32)
    return values, rng.random(values.shape) > 0.1


def answered(file: Path, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(["probability"], {"image": image})[0]


@pytest.mark.parametrize("size", [(32, 32), (40, 24)])
def test_units_in_probabilities_out_missing_values_as_nan(held, size):
    """The same as standardising (checkpoint.normalise) and softmax by torch; NaN counts as not known."""
    actual, file = held
    values, listed = physical(*size)
    probabilities = answered(file, np.where(listed, values, np.nan)[None])
    with torch.no_grad():
        expected = actual.build()(torch.from_numpy(normalise(values, listed, BANDS))[None]).logits_BKHW.softmax(dim=1)
    np.testing.assert_allclose(probabilities, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_the_file_says_what_it_is(held):
    actual, file = held
    model = onnx.load(file)
    onnx.checker.check_model(model, full_check=True)
    words = {entry.key: entry.value for entry in model.metadata_props}
    assert [band["name"] for band in json.loads(words["bands"])] == list(NAMES)
    assert json.loads(words["bands"])[4]["unit"] == "dB"
    assert words["checkpoint"] == actual.fingerprint and json.loads(words["classes"]) == list(LEGEND.names)
    assert float(words["threshold"]) == 0.375 and (words["window"], words["multiple"]) == ("128", "4")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]


def test_deepness_hands_the_values_through(held):
    """It divides by 255 and then standardises by the file's own numbers (docs/runtimes.md); nothing may be left."""
    words = {entry.key: json.loads(entry.value) for entry in onnx.load(held[1]).metadata_props if entry.key in DEEPNESS}
    assert set(words) == DEEPNESS
    values = np.array([0.02, 0.3, 0.1, 0.4, -11.5, -18.25])
    mean, deviation = np.array(words["standardization_mean"]), np.array(words["standardization_std"])
    np.testing.assert_allclose((values / 255 - mean) / deviation, values, rtol=1e-12)
    assert words["model_type"] == "Segmentor" and words["class_names"] == {"0": "pervious", "1": "impervious"}
    assert (words["resolution"], words["tile_size"], words["tiles_overlap"]) == (1000.0, 128, 25)


DEEPNESS = {"model_type", "class_names", "resolution", "tile_size", "tiles_overlap", "seg_thresh"}
DEEPNESS |= {"standardization_mean", "standardization_std"}


def test_one_size_only_where_it_is_asked_for(tmp_path):
    report = training.export_onnx(run_of(tmp_path).location, tmp_path / "fixed.onnx", size=32)
    session = onnxruntime.InferenceSession(str(tmp_path / "fixed.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [1, 6, 32, 32] and session.get_outputs()[0].shape == [1, 2, 32, 32]
    assert "; 32 x 32 px" in str(report)
    words = onnx.load(tmp_path / "fixed.onnx").metadata_props
    assert {entry.key: entry.value for entry in words}["tile_size"] == "32"  # the training window is another


@pytest.mark.long
def test_a_network_of_dates_takes_all_its_dates(tmp_path):
    run = run_of(tmp_path, "jointseg", frames=3, window=16, lattice=8)
    training.export_onnx(run.location, tmp_path / "dates.onnx")
    image = np.random.default_rng(1).uniform(0, 0.5, (1, 3, 6, 16, 16)).astype(np.float32)
    standard = np.stack([normalise(date, np.ones(date.shape, bool), BANDS) for date in image[0]])
    with torch.no_grad():
        expected = run.build()(torch.from_numpy(standard)[None]).logits_BKHW.softmax(dim=1)
    np.testing.assert_allclose(answered(tmp_path / "dates.onnx", image), expected.numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "words", "sentence"),
    [
        ("unet", ["--out", "{0}/a.tif"], "ends in .onnx"),
        ("unet", ["--out", "{0}/a.onnx", "--size", "30"], "multiples of 4 px"),
        ("unet", ["--out", "{0}/there.onnx"], "replace it with --overwrite"),
        ("random_forest", ["--out", "{0}/a.onnx"], "single pixels"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(tmp_path, capsys, name, words, sentence):
    (tmp_path / "there.onnx").write_bytes(b"mine")
    run = run_of(tmp_path, name).location
    before = sorted(tmp_path.iterdir())
    assert isamap.main(["onnx", "--checkpoint", run, *(word.format(tmp_path) for word in words)]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "there.onnx").read_bytes() == b"mine"


def test_the_command_replaces_where_it_may(tmp_path, capsys):
    (tmp_path / "there.onnx").write_bytes(b"old")
    words = ["--checkpoint", run_of(tmp_path).location, "--out", str(tmp_path / "there.onnx"), "--overwrite"]
    assert isamap.main(["onnx", *words]) == 0
    assert "missing pixels as NaN" in capsys.readouterr().out
    onnx.checker.check_model(onnx.load(tmp_path / "there.onnx"))
