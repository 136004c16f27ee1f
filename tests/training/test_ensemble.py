"""Ensembles: the mean of their members' probabilities, as one checkpoint for every command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

import isamap
from isamap import inference, training
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.runtimes import open_forward
from tests.inference.conftest import BANDS, small_network, stored_scene, write_tif
from tests.support.checkpoints import kept
from tests.support.one_thread import one_thread  # noqa: F401
from tests.training.test_runtimes import image_of, logits, relative


def member(folder: Path, seed: int, name: str = "unet", **changes) -> Path:
    """A small network of its own; `changes` replace the checkpoint's fields."""
    network = small_network(name)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    fields = {"window": 128, "lattice": 96, "bands": BANDS, "simulated": False} | changes
    kept(folder, network, name, **fields)
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
    parts = [logits(ck.load(location).build(), x).softmax(1).numpy() for location in three]
    actual = logits(ck.load(joined).build(), x).softmax(1).numpy()
    np.testing.assert_allclose(actual, np.mean(parts, axis=0), atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("runtime", ["torch", "onnx", "openvino"])
def test_every_runtime_computes_it(joined, runtime):
    x, described = image_of("fcn8s"), ck.load(joined)
    assert relative(logits(open_forward(described, runtime=runtime), x), logits(described.build(), x)) < 1e-4


def test_it_is_a_checkpoint_that_knows_its_members(three, joined):
    checkpoint = ck.load(joined)
    assert checkpoint.origin["members"] == [ck.load(location).fingerprint for location in three]
    assert checkpoint.thresholds == {"impervious": 0.5} and checkpoint.simulated
    assert (checkpoint.window, checkpoint.lattice) == (128, 96) and checkpoint.multiple == 32


def test_a_map_names_its_members(three, joined, tmp_path):
    scene = write_tif(tmp_path / "scene.tif", stored_scene(70, 50))
    report = inference.map_region(joined, out=tmp_path / "map.tif", input=scene, progress=False)
    with rasterio.open(report.path) as stored:
        assert stored.tags()["members"].split(",") == [ck.load(location).fingerprint for location in three]
        assert stored.tags()["model"] == "ensemble"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ("impervious", "pervious")}, "differ in classes"),
        ({"bands": tuple(ck.BandNorm(b.name, b.unit, b.mean + 1, b.std) for b in BANDS)}, "standardisation"),
        ({"composite": {"reducer": "mean"}}, "settings of the composite"),
        ({"backscatter": "gamma0"}, "backscatter"),
    ],
)
def test_members_that_differ_are_refused(three, tmp_path, capsys, changes, words):
    second = member(tmp_path / "other", 4, **changes)
    assert isamap.main(["ensemble", str(three[0]), str(second), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert words in error and "same dataset" in error and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("window", "lattice", "expected"), [(64, 48, (128, 96)), (256, 192, (256, 192)), (144, 108, (160, 96))]
)
def test_members_of_other_windows_are_joined_in_the_largest(three, tmp_path, window, lattice, expected):
    """In whole steps of 32 px, which the third network halves."""
    second = member(tmp_path / "other", 4, window=window, lattice=lattice)
    training.ensemble([three[0], second, three[2]], tmp_path / "out")
    checkpoint = ck.load(tmp_path / "out")
    assert (checkpoint.window, checkpoint.lattice) == expected and checkpoint.build().multiple == 32


def test_one_or_the_same_twice_is_no_ensemble(three, tmp_path, capsys):
    for runs, words in ((three[:1], "give two checkpoints"), (three[:1] * 2, "the same checkpoint twice")):
        assert isamap.main(["ensemble", *map(str, runs), "--out", str(tmp_path / "out")]) == 2
        assert words in capsys.readouterr().err


def test_classifiers_of_pixels_are_refused(three, tmp_path):
    network = small_network("random_forest")
    kept(tmp_path / "forest", network, "random_forest", BANDS)
    with pytest.raises(ValueError, match="give networks only"):
        training.ensemble([tmp_path / "forest", three[0]], tmp_path / "out")


def test_a_folder_that_holds_something_is_left_alone(three, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        training.ensemble(three, tmp_path)
