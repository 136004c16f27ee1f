"""The recorded archive (../shared/data/open): pixels as rasterio and NumPy have them; export, train, map, serve."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from local_ee.testing import archive as archives
from pyproj import Transformer
from shapely.geometry import box, mapping
from shapely.ops import transform
from starlette.testclient import TestClient

import isamap
from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.export.export import export_patches
from isamap.inference.serve import painter
from isamap.inference.serve.app import Service
from isamap.inference.serve.door import Door
from isamap.inference.serve.imagery import ImageryTiles
from isamap.inference.serve.settings import ServiceSettings
from isamap.inference.serve.tokens import Tokens
from isamap.inference.tiles.jobs import Server

pytestmark = archives.needs_shared
# The grid of the files: 64 x 66 pixels in zone 31, near Mol in Belgium.
REGION = Region("mol", 32631, (643260.0, 5675820.0, 643900.0, 5676480.0), (643260.0, 5676480.0))
ASSETS = {"B2": "B02", "B3": "B03", "B4": "B04", "B8": "B08"}
HIDDEN = (1, 3, 8, 9, 10)


WSEN = (5.0525, 51.2163, 5.0595, 51.2207)  # within it
WINTER = ("2022-11-01", "2023-02-28")


@pytest.fixture(scope="module")
def root(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a home of its own, while the recorded archive stands in."""
    root = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch, archives.recorded() as server, server.standing_in():
        patch.setenv("ISAMAP_HOME", str(root / "home"))
        yield root


@pytest.fixture(scope="module")
def data(root: Path) -> dict[str, Path]:
    """Two datasets: the winter's Sentinel-2, and the Sentinel-1 of April."""
    asked = {"sentinel2": WINTER, "sentinel1": ("2023-04-01", "2023-04-30")}
    common = {"region": REGION, "catalog": "open", "label": "none", "size": 16, "stride": 16, "progress": False}
    for sensor, period in asked.items():
        speckle = {"speckle": "none"} if sensor == "sentinel1" else {}
        export_patches(**common, **speckle, period=period, sensors=sensor, out=root / sensor)
    return {sensor: root / sensor for sensor in asked}


def stacked(pattern: str) -> np.ndarray:
    """All dates of a band, [date, row, column], by rasterio alone."""
    paths = sorted((archives.SHARED / "archive").rglob(pattern))
    return np.stack([rasterio.open(path).read(1) for path in paths])


def patches(folder: Path) -> Iterator[tuple[dict[str, np.ndarray], tuple[slice, slice]]]:
    dataset = Dataset.open(folder)
    names = [band.name for band in dataset.manifest.bands]
    assert dataset.patches
    for patch in dataset.patches:
        here = slice(patch.row, patch.row + 16), slice(patch.col, patch.col + 16)
        yield dict(zip(names, dataset.read_image(patch), strict=True)), here


@pytest.mark.parametrize("band", ASSETS)
def test_a_real_winter_is_numpys_mean_of_its_clear_days(band, data):
    numbers = stacked(f"{ASSETS[band]}.tif").astype(int)
    classes = np.stack([np.kron(each, np.ones((2, 2), np.uint8)) for each in stacked("SCL.tif")])
    classes = classes[:, : numbers.shape[1], : numbers.shape[2]]
    hidden = (numbers == 0) | (classes == 0) | np.isin(classes, HIDDEN)
    mean = np.ma.MaskedArray(np.maximum(numbers - 1000, 0), hidden).mean(axis=0)
    assert len(numbers) == 20 and not hidden.all()
    wanted = np.where(np.ma.getmaskarray(mean), -32768, np.rint(mean.filled(0)))
    for bands, here in patches(data["sentinel2"]):
        np.testing.assert_array_equal(bands[band], wanted[here])


@pytest.mark.parametrize("band", ["VV", "VH"])
def test_a_real_april_of_gamma0_is_numpys_mean_power(band, data):
    power = stacked(f"*{band.lower()}.rtc.tiff").astype(float)
    decibels = 1000 * np.ma.log10(np.ma.masked_equal(power, -32768).mean(axis=0))
    for bands, here in patches(data["sentinel1"]):
        # float32 power on the server, whose rounding to 0.01 dB may fall the other way
        assert np.abs(bands[band] - decibels[here].filled(-32768)).max() <= 0.51


def test_the_manifest_names_every_scene_of_the_recording(data):
    manifest = json.loads((data["sentinel2"] / "manifest.json").read_text())
    (periods,) = manifest["scenes"].values()
    (facts,) = periods.values()
    assert len(facts["sentinel2"]["archives"]) == 20
    assert "clouds" in manifest["settings"] and manifest["settings"]["clouds"] == "scl"


def test_the_whole_way_on_the_recording(root, monkeypatch):
    """Labels are the northern half of the place, drawn by hand: the recording has none of its own."""
    west, south, east, north = 643260.0, 5676160.0, 643900.0, 5676480.0
    half = mapping(
        transform(Transformer.from_crs(32631, 4326, always_xy=True).transform, box(west, south, east, north))
    )
    (root / "half.geojson").write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": half}))
    common = {"catalog": "open", "period": WINTER, "progress": False}
    label = f"{root / 'half.geojson'}#extent=5.0,51.2,5.1,51.3"
    patches = {"sensors": "sentinel2", "label": label, "size": 16, "stride": 16}
    export_patches(**common, **patches, region=REGION, out=root / "labelled")
    isamap.train(data=root / "labelled", recipe="unet-tiny", settings={"epochs": 1, "batch": 4}, out=root / "run")
    out = root / "service" / "maps" / "mol.tif"
    out.parent.mkdir(parents=True)
    isamap.map_region(checkpoint=root / "run", bbox=WSEN, out=out, **common)
    with rasterio.open(out) as file:
        assert file.tags()["simulated"] == "false" and "Copernicus" in file.tags()["licence"]
        assert set(np.unique(file.read(1))) <= {0, 1, 255}
    # the painter's process would not know the recorded archive
    monkeypatch.setattr(
        ImageryTiles, "_answered", lambda self, asked: painter._answer(painter.Painter(self.server), asked)
    )
    settings = ServiceSettings(root / "service", checkpoints=(str(root / "run"),), server=Server(catalog="open"))
    settings.jobs.prepare()
    service = Service(settings, Door.of("127.0.0.1", 8765, Tokens(), None))
    client = TestClient(service.application(), base_url="http://127.0.0.1:8765")
    assert client.get("/health").json()["simulated"] is False
    (made,) = client.get("/maps").json()["maps"]
    lon, lat = (WSEN[0] + WSEN[2]) / 2, np.radians((WSEN[1] + WSEN[3]) / 2)
    x, y = int((lon + 180) / 360 * 2**14), int((1 - np.arcsinh(np.tan(lat)) / np.pi) / 2 * 2**14)
    picture = client.get(f"/maps/{made['id']}/tiles/imagery/14/{x}/{y}.png")
    assert picture.status_code == 200, picture.text
    with rasterio.MemoryFile(picture.content) as memory, memory.open() as file:
        assert file.read(1).any()


@pytest.mark.long
def test_a_year_on_the_archives_is_numpys_statistics_of_its_clear_days(reconnected, tmp_path):
    """The recording has one winter's dates: a harmonic of them would be noise, so its bands hold nothing."""
    with pytest.MonkeyPatch.context() as patch, archives.recorded() as server, server.standing_in():
        patch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
        export_patches(
            region=REGION,
            catalog="open",
            label="none",
            size=16,
            stride=16,
            progress=False,
            period=("2022-11-01", "2023-10-31"),
            sensors="sentinel2",
            bands=("B4",),
            composite="year-statistics",
            settings={"statistics": "std,p25,amplitude", "indices": "", "least_dates": 4},
            out=tmp_path / "data",
        )
    numbers = stacked("B04.tif").astype(int)
    classes = np.stack([np.kron(each, np.ones((2, 2), np.uint8)) for each in stacked("SCL.tif")])
    classes = classes[:, : numbers.shape[1], : numbers.shape[2]]
    hidden = (numbers == 0) | (classes == 0) | np.isin(classes, HIDDEN)
    clear = np.ma.MaskedArray(np.maximum(numbers - 1000, 0), hidden)
    enough = clear.count(axis=0) >= 4
    assert enough.any()
    expected = {
        "B4_std": clear.std(axis=0).filled(0),
        "B4_p25": np.nanpercentile(clear.astype(float).filled(np.nan), 25, axis=0),
    }
    for bands, here in patches(tmp_path / "data"):
        for name, values in expected.items():
            np.testing.assert_array_equal(bands[name] != -32768, enough[here])
            assert np.abs(bands[name] - values[here])[enough[here]].max(initial=0) <= 0.51
        assert (bands["B4_amplitude"] == -32768).all()
