"""Graphs under ISAMAP_HOME: the network runs from them as it was, and a damaged or foreign one is never read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from isamap.training.checkpoints import checkpoint as ck
from isamap.training.runtimes import kept_graphs
from isamap.training.runtimes.probabilities import Way, check_way, open_probabilities, softmax_of
from tests.inference.conftest import NAMES, small_network
from tests.support.checkpoints import kept

SHAPE = (len(NAMES), 32, 32)
IMAGE = np.random.default_rng(2).normal(size=(1, *SHAPE)).astype(np.float32)
WAY = Way("openvino", "fp32")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A user's folder of its own."""
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def saved(folder: Path, seed: int = 0) -> ck.Checkpoint:
    """A small U-Net's checkpoint; of another seed, other weights."""
    network = small_network("unet")
    with torch.no_grad():
        next(network.parameters()).add_(seed)
    norms = [ck.BandNorm(band, "1", 0.0, 1.0) for band in NAMES]
    return kept(folder, network, "unet", norms)


def graphs(home: Path) -> list[Path]:
    return sorted((home / "cache" / "graphs").glob("*.onnx"))


def chances(checkpoint: ck.Checkpoint) -> np.ndarray:
    return open_probabilities(checkpoint, WAY)(IMAGE, (1,))


@pytest.mark.long
def test_a_network_that_ran_here_runs_from_its_kept_graph(home, tmp_path, monkeypatch):
    """The exporter and the weights are not asked again: the file of weights is not even there."""
    checkpoint = saved(tmp_path / "run")
    first = chances(checkpoint)
    (tmp_path / "run" / ck.WEIGHTS).unlink()
    assert check_way(checkpoint, WAY, SHAPE) == "cpu"
    np.testing.assert_array_equal(chances(checkpoint), first)


@pytest.mark.long
def test_other_weights_have_a_graph_of_their_own(home, tmp_path):
    single, second = saved(tmp_path / "one"), saved(tmp_path / "other", seed=1)
    assert np.abs(chances(single) - chances(second)).max() > 1e-3
    assert len(graphs(home)) == 2


@pytest.mark.long
def test_a_damaged_graph_is_made_again(home, tmp_path):
    checkpoint = saved(tmp_path / "run")
    first = chances(checkpoint)
    (file,) = graphs(home)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert not kept_graphs.is_kept(checkpoint, "fp32", SHAPE)
    np.testing.assert_array_equal(chances(checkpoint), first)
    assert file.read_bytes() == content


def test_a_graph_of_another_program_is_not_read(home, tmp_path, monkeypatch):
    """Networks that compute otherwise under the same name and weights: another isamap, or one that is being changed."""
    checkpoint = saved(tmp_path / "run")
    chances(checkpoint)
    monkeypatch.setattr(kept_graphs, "_sources", lambda: "of another isamap")
    assert not kept_graphs.is_kept(checkpoint, "fp32", SHAPE)


def test_networks_of_other_packages_are_not_kept(home, tmp_path):
    """Their source may change, and no name says so; neither that of one in an ensemble."""
    checkpoint = replace(saved(tmp_path / "run"), model="package.module:Class")
    ensemble = replace(checkpoint, model="ensemble", config={"members": [{"model": "package.module:Class"}]})
    for foreign in (checkpoint, ensemble):
        assert not kept_graphs.is_kept(foreign, "fp32", SHAPE)
        kept_graphs._keep(kept_graphs._file(foreign, "fp32", SHAPE), b"graph")
    assert graphs(home) == []


def test_only_the_latest_graphs_stay(home, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_graphs, "MOST_GRAPHS", 2)
    checkpoint = saved(tmp_path / "run")
    for side in (8, 16, 24):
        kept_graphs._keep(kept_graphs._file(checkpoint, "fp32", (4, side, side)), b"graph")
    assert len(graphs(home)) == 2


def test_a_home_that_cannot_be_written_stops_nothing(home, tmp_path):
    home.mkdir()
    (home / "cache").write_text("a file where the folder should be")
    assert chances(saved(tmp_path / "run")).shape == (1, 1, 32, 32)


def test_softmax_is_that_of_float64():
    logits = np.random.default_rng(5).normal(0, 30, (2, 5, 8, 8)).astype(np.float32)
    powers = np.exp(logits.astype(float) - logits.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    of_all = softmax_of(lambda images: logits)(IMAGE, range(5))
    np.testing.assert_allclose(of_all, expected, atol=1e-6)
    np.testing.assert_array_equal(softmax_of(lambda images: logits)(IMAGE, (3,)), of_all[:, 3:4])
