"""Small checkpoints, rasters and maps that the tests of inference share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from odc.geo.geobox import GeoBox
from torch import nn

from isamap.gee_export.base.errors import Fault
from isamap.inference.map_files import cog
from isamap.inference.map_files.legend import Legend
from isamap.inference.map_files.share_layer import settle_shares
from isamap.training.checkpoints import checkpoint
from isamap.training.models import MODELS, build
from isamap.training.models.output import Output
from tests.support.chromium import Chromium, Page, started

NAMES = ("B2", "B3", "B4", "B8", "VV", "VH")
BANDS = tuple(
    checkpoint.BandNorm(name, "dB", -12.0, 4.0)
    if name.startswith("V")
    else checkpoint.BandNorm(name, "reflectance", 0.1, 0.05, 0.0, 1.0)
    for name in NAMES
)
LEGEND = Legend(("pervious", "impervious"))
WUHAN = Affine(10, 0, 212750, 0, -10, 3416360)


class Constant(nn.Module):
    """A network that says the same chance of impervious everywhere."""

    def __init__(self, chance: float, scale: int = 1) -> None:
        super().__init__()
        self.logit, self.scale = float(np.log(chance / (1 - chance))), scale

    def forward(self, x_BCHW: torch.Tensor) -> Output:
        batch, _, height, width = x_BCHW.shape
        logits = torch.zeros(batch, 2, height * self.scale, width * self.scale)
        logits[:, 1] = self.logit
        return Output(logits)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser of the run; each file has a tab of its own in it."""
    with started(tmp_path_factory.mktemp("chromium")) as chromium:
        yield chromium


@pytest.fixture(scope="module")
def tab(chromium: Chromium) -> Iterator[Page]:
    with chromium.tab() as page:
        yield page


@pytest.fixture(scope="session")
def geemap() -> Any:
    """geemap, imported by the tests that draw with it only: it takes seconds."""
    return pytest.importorskip("geemap")


def small_network(name: str) -> nn.Module:
    """A model of the registry with random weights and running statistics, or fitted to noise, in evaluation mode."""
    torch.manual_seed(7)
    network = build(name, NAMES, {**MODELS[name].small, "classes": 2})
    if hasattr(network, "fit"):
        rng = np.random.default_rng(7)
        network.fit(rng.normal(size=(60, len(NAMES))), np.arange(60) % 2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    return network.eval()


def stored_scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Stored int16 (bands, rows, columns): reflectance x 10,000 and dB x 100, with a missing rectangle."""
    rng = np.random.default_rng(seed)
    optical = rng.normal(1000, 400, (4, height, width)).clip(0, 9000)
    radar = rng.normal(-1200, 350, (2, height, width))
    stored = np.rint(np.concatenate([optical, radar])).astype(np.int16)
    stored[:, height // 3 : height // 3 + 5, width // 2 : width // 2 + 9] = -32768
    return stored


def write_tif(path: Path, stored_BHW: np.ndarray, **changes) -> Path:
    """A GeoTIFF as `isamap` likes it; `changes` replace names, scales, tags or items of its profile."""
    options = {"names": NAMES, "scales": (1e-4,) * 4 + (0.01,) * 2, "tags": {}} | changes
    names, scales, tags = (options.pop(key) for key in ("names", "scales", "tags"))
    count, height, width = stored_BHW.shape
    profile = {"driver": "GTiff", "crs": "EPSG:32650", "transform": WUHAN, "nodata": -32768, "tiled": True}
    profile |= {"blockxsize": 64, "blockysize": 64, "compress": "deflate", "dtype": stored_BHW.dtype.name} | options
    with rasterio.open(path, "w", count=count, height=height, width=width, **profile) as target:
        target.write(stored_BHW)
        if names:
            target.descriptions = names
        if scales:
            target.scales = scales
        target.update_tags(**tags)
    return path


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Saves a small checkpoint of a model; `changes` replace its fields."""

    def make(name: str = "unet", **changes) -> Path:
        network = small_network(name)
        fields = {
            "classes": LEGEND.names,
            "thresholds": {"impervious": 0.5},
            "composite": {},
            "backscatter": "sigma0",
            "simulated": False,
        }
        described = checkpoint.of_network(network, name, BANDS, **(fields | changes))
        folder = tmp_path_factory.mktemp("checkpoint") / "run"
        checkpoint.save(described, network, folder)
        return folder

    return make


@pytest.fixture(scope="session")
def run(make_checkpoint: Callable[..., Path]) -> Path:
    """A small U-Net's checkpoint."""
    return make_checkpoint()


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A GeoTIFF of 150 x 137 pixels."""
    return write_tif(tmp_path / "scene.tif", stored_scene(150, 137))


@pytest.fixture
def cut_short(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Calls what makes a map on a disk that is full when its rows are there and its file would be written."""

    def full(*_: object, **__: object) -> None:
        raise Fault("the disk is full")

    def call(make: Callable[..., object], *words: object, **how: object) -> None:
        with monkeypatch.context() as patch, pytest.raises(Fault, match="disk is full"):
            patch.setattr("isamap.inference.map_files.cog.write", full)
            make(*words, **how)

    return call


@pytest.fixture
def finished_map(tmp_path: Path) -> Callable[..., Path]:
    """Writes a map of given values as `isamap map` would."""
    return finished_maps_in(tmp_path)


def finished_maps_in(home: Path) -> Callable[..., Path]:
    """What writes finished maps into a folder."""

    def make(values_2HW: np.ndarray, name: str = "map.tif", *, transform: Affine = WUHAN, **tags: str) -> Path:
        folder = home / f"{name}.work"
        folder.mkdir(exist_ok=True)
        rows = cog.RowsFile(folder / "rows.u8", values_2HW.shape[2])
        rows.path.unlink(missing_ok=True)
        rows.append(values_2HW)
        words = {"model": "unet", "classes": ",".join(LEGEND.names), "settings": "0" * 32, "simulated": "true"}
        times = {"period": "2020-06", "period_start": "2020-06-01", "period_end": "2020-07-01"}
        info = cog.MapInfo(GeoBox(values_2HW.shape[1:], transform, "EPSG:32650"), LEGEND, words | times | tags)
        cog.write(rows, info, home / name, lambda: settle_shares(rows, info, home / name))
        return home / name

    return make


@pytest.fixture
def random_map() -> np.ndarray:
    """Values of a map of 90 x 70 pixels with a corner that is not known."""
    return random_values()


def random_values() -> np.ndarray:
    rng = np.random.default_rng(1)
    share_HW = rng.integers(0, 255, (90, 70))
    values_2HW = np.stack([share_HW >= 127, share_HW]).astype(np.uint8)
    values_2HW[:, :7, :9] = 255
    return values_2HW


@pytest.fixture
def home(engine_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The run's engine is the one that commands of this test connect to."""
    monkeypatch.setenv("ISAMAP_HOME", str(engine_home))
    yield engine_home
