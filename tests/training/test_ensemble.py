"""Ensembles: the mean of their members' probabilities, as one checkpoint for every command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

import inference
import isamap
import training
from tests.inference.conftest import BANDS, LEGEND, small_network, stored_scene, write_tif
from tests.support.one_thread import one_thread  # noqa: F401
from tests.training.test_runtimes import image_of, logits, relative
from training.checkpoints import checkpoint as ck
from training.runtimes import open_forward


def member(folder: Path, seed: int, name: str = "unet", **changes) -> Path:
    """A small network of its own; `changes` replace the checkpoint's fields."""
    network = small_network(name)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    facts = {"classes": LEGEND.names, "thresholds": {"impervious": 0.5}, "composite": {}, "backscatter": "sigma0"}
    fields = {"window": 128, "lattice": 96, "simulated": False} | facts | changes
    ck.save(ck.of_network(network, name, fields.pop("bands", BANDS), **fields), network, folder)
    return folder


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> list[Path]:
    """Two U-Nets and another network."""
    folder = tmp_path_factory.mktemp("members")
    return [
        member(folder / "a", 1, thresholds={"impervious": 0.3}),
        member(folder / "b", 2, thresholds={"impervious": 0.6}, simulated=True),
        member(folder / "c", 3, "fcn8s", thresholds={"impervious": 0.6}),
    ]


@pytest.fixture(scope="module")
def joined(three, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ensemble") / "run"
    assert isamap.main(["ensemble", *map(str, three), "--out", str(folder)]) == 0
    return folder


def test_the_probability_is_the_members_mean(three, joined):
    x = image_of("fcn8s", 2)
    parts = [logits(ck.load(place).build(), x).softmax(1).numpy() for place in three]
    found = logits(ck.load(joined).build(), x).softmax(1).numpy()
    np.testing.assert_allclose(found, np.mean(parts, axis=0), atol=1e-6)


@pytest.mark.parametrize("runtime", ["torch", "onnx", "openvino"])
def test_every_runtime_computes_it(joined, runtime):
    x, described = image_of("fcn8s"), ck.load(joined)
    assert relative(logits(open_forward(described, runtime=runtime), x), logits(described.build(), x)) < 1e-4


def test_it_is_a_checkpoint_that_knows_its_members(three, joined):
    found = ck.load(joined)
    assert found.origin["members"] == [ck.load(place).fingerprint for place in three]
    assert found.thresholds == {"impervious": 0.5} and found.simulated
    assert (found.window, found.lattice) == (128, 96) and found.multiple == 32


def test_a_map_names_its_members(three, joined, tmp_path):
    scene = write_tif(tmp_path / "scene.tif", stored_scene(70, 50))
    report = inference.map_region(joined, out=tmp_path / "map.tif", input=scene, progress=False)
    with rasterio.open(report.path) as held:
        assert held.tags()["members"].split(",") == [ck.load(place).fingerprint for place in three]
        assert held.tags()["model"] == "ensemble"


def test_it_is_written_as_onnx(joined, tmp_path):
    training.export_onnx(joined, tmp_path / "ensemble.onnx")
    assert (tmp_path / "ensemble.onnx").stat().st_size > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"window": 64}, "differ in window"),
        ({"classes": ("impervious", "pervious")}, "differ in classes"),
        ({"bands": tuple(ck.BandNorm(b.name, b.unit, b.mean + 1, b.std) for b in BANDS)}, "standardisation"),
        ({"composite": {"reducer": "mean"}}, "settings of the composite"),
        ({"backscatter": "gamma0"}, "backscatter"),
    ],
)
def test_members_that_differ_are_refused(three, tmp_path, capsys, changes, words):
    other = member(tmp_path / "other", 4, **changes)
    assert isamap.main(["ensemble", str(three[0]), str(other), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert words in error and "same dataset" in error and not (tmp_path / "out").exists()


def test_one_or_the_same_twice_is_no_ensemble(three, tmp_path, capsys):
    for runs, words in ((three[:1], "give two checkpoints"), (three[:1] * 2, "the same checkpoint twice")):
        assert isamap.main(["ensemble", *map(str, runs), "--out", str(tmp_path / "out")]) == 2
        assert words in capsys.readouterr().err


def test_classifiers_of_pixels_are_refused(three, tmp_path):
    network = small_network("random_forest")
    facts = {"classes": LEGEND.names, "thresholds": {}, "composite": {}, "backscatter": "sigma0", "simulated": False}
    ck.save(ck.of_network(network, "random_forest", BANDS, **facts), network, tmp_path / "forest")
    with pytest.raises(ValueError, match="give networks only"):
        training.ensemble([tmp_path / "forest", three[0]], tmp_path / "out")


def test_a_folder_that_holds_something_is_left_alone(three, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        training.ensemble(three, tmp_path)
