"""A service over a folder of its own, with a checkpoint, a plot of images and finished maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from isamap.gee_export.sentinel import composite as composites
from isamap.inference.serve.app import Service
from isamap.inference.serve.door import Door
from isamap.inference.serve.library import Library
from isamap.inference.serve.settings import ServiceSettings
from isamap.inference.serve.tokens import Tokens
from isamap.inference.tiles.jobs import Server
from tests.support import plot as plots

BASE = "http://127.0.0.1:8765"
DOOR = Door.of("127.0.0.1", 8765, Tokens(), None)
BBOX = [113.9976, 30.8353, 114.0058, 30.8443]  # on the plot
TOWN = "town-2020"


@pytest.fixture(scope="session")
def plot_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plots.write(tmp_path_factory.mktemp("plot")).folder


@pytest.fixture(scope="session")
def network(make_checkpoint) -> Path:
    """A small U-Net of composites; requests call it `run`."""
    settings = composites.Settings.of(speckle="none", clouds="none")
    return make_checkpoint(composite=settings.to_json(), window=32, lattice=24)


@pytest.fixture
def settings(tmp_path: Path, network: Path, plot_folder: Path) -> ServiceSettings:
    server = Server(catalog=str(plot_folder))
    made = ServiceSettings(tmp_path / "service", checkpoints=(str(network),), server=server, lease_s=2.0)
    made.jobs.prepare()
    return made


@pytest.fixture
def library(settings: ServiceSettings) -> Library:
    return Library(settings)


@pytest.fixture
def client(settings: ServiceSettings) -> TestClient:
    """A client of the service's application, without workers."""
    return TestClient(Service(settings, DOOR).application(), base_url=BASE, raise_server_exceptions=False)


@pytest.fixture
def town(settings: ServiceSettings, finished_map, random_map: np.ndarray) -> np.ndarray:
    """Values of a map of June 2020 that the service has under the name town-2020."""
    add_map(settings, finished_map(random_map), TOWN)
    return random_map


def add_map(settings: ServiceSettings, path: Path, id: str) -> None:
    Library(settings).maps.publish(path, id, {"name": "a town", "job": "", "checkpoint": "run"})


@pytest.fixture
def asked() -> Callable[..., dict]:
    """The body of a map's request; `changes` replace inputs, None leaves one out."""

    def make(**changes) -> dict:
        inputs = {"checkpoint": "run", "bbox": BBOX, "period": "2019-06"} | changes
        return {"inputs": {name: value for name, value in inputs.items() if value is not None}}

    return make
