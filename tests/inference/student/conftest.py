"""A student with random numbers over the plot's composite, and a dataset with a teacher to learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from isamap.gee_export.datasets import dataset as datasets
from isamap.gee_export.datasets.dataset import Sample
from isamap.gee_export.datasets.manifest import Grid
from isamap.gee_export.earth_engine import session as sessions
from isamap.gee_export.sentinel import composite as composites
from isamap.inference.student.parameters import student_bands
from isamap.training.checkpoints import checkpoint
from isamap.training.models import build
from tests.inference.conftest import BANDS, LEGEND, NAMES
from tests.support import plot as plots
from tests.support.samples import head

SETTINGS = composites.Settings.of(speckle="none", clouds="cloud_score_plus")
STORED = SETTINGS.stored_bands
SIDE = 32


def random_student(classes: int = 2) -> torch.nn.Module:
    """A student whose features are about standardised and whose probabilities spread."""
    torch.manual_seed(3)
    network = build("student", NAMES, {"classes": classes})
    rng = np.random.default_rng(3)
    network.centre.copy_(torch.tensor((2000.0,) * 4 + (-950.0, -1700.0)).repeat(5))
    network.spread.copy_(torch.from_numpy(rng.uniform(200, 700, len(network.spread))))
    return network.eval()


@pytest.fixture(scope="session")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's checkpoint with random numbers."""
    return save_student(random_student(), LEGEND.names, tmp_path_factory.mktemp("student") / "run")


def save_student(network: torch.nn.Module, classes: tuple[str, ...], folder: Path) -> Path:
    fields = {"composite": SETTINGS.to_json(), "backscatter": "sigma0", "simulated": True}
    described = checkpoint.of_network(
        network, "student", student_bands(STORED, BANDS), classes=classes, thresholds={"impervious": 0.5}, **fields
    )
    checkpoint.save(described, network, folder)
    return folder


@pytest.fixture(scope="session")
def plot(tmp_path_factory: pytest.TempPathFactory) -> plots.Plot:
    return plots.write(tmp_path_factory.mktemp("plot"))


@pytest.fixture
def connected(plot: plots.Plot, home: Path) -> Iterator[sessions.Session]:
    """`ee` speaks to an engine over the plot."""
    session = sessions.connect(None, catalog=str(plot.folder))
    yield session
    session.close()


@pytest.fixture(scope="session")
def teacher(make_checkpoint: Callable[..., Path]) -> Path:
    """A small U-Net's checkpoint of composites."""
    return make_checkpoint(composite=SETTINGS.to_json(), thresholds={"impervious": 0.5})


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten patches of random pixels with random labels in the plot's place."""
    rng = np.random.default_rng(0)
    samples = []
    for index in range(10):
        image = np.concatenate([rng.normal(1000, 400, (4, SIDE, SIDE)), rng.normal(-1200, 350, (2, SIDE, SIDE))])
        image[:, 3:6, 4:9] = -32768
        label = rng.choice([0, 1, 255], (SIDE, SIDE), p=[0.5, 0.4, 0.1]).astype(np.uint8)
        split = ("train", "train", "train", "val", "test")[index % 5]
        samples.append(Sample("plot", "201906", SIDE * index, 0, split, np.rint(image).astype(np.int16), label))
    folder = tmp_path_factory.mktemp("taught") / "data"
    manifest = head(
        bands=STORED, settings=SETTINGS.to_json(), grids={"plot": Grid.of(plots.GRID)}, size=SIDE, stride=SIDE
    )
    datasets.write(folder, manifest, samples)
    return folder
