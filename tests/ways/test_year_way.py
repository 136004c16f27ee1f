"""A year's statistics the whole way: export, train, map, years, run, service, plan; a month is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from shapely.geometry import box, mapping
from starlette.testclient import TestClient

import isamap
from isamap import training
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.export.export import export_patches
from isamap.inference.plan.plan import plan_map
from isamap.inference.serve.app import Service
from isamap.inference.serve.door import Door
from isamap.inference.serve.library import Library
from isamap.inference.serve.map_request import MapJobRequest
from isamap.inference.serve.settings import ServiceSettings
from isamap.inference.serve.tokens import Tokens
from isamap.inference.serve.worker import Worker
from isamap.inference.tiles.jobs import Server
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.recipes import recipe
from tests.support import year_of_scenes
from tests.support.year_of_scenes import REGION

STATISTICS = {"statistics": "mean,p90,count", "indices": "NDVI"}
PLACE = ("--bbox", "115.0", "30.0", "115.01", "30.01")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, engine_home, reconnected) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("year")
    year_of_scenes.write(folder)
    with connect(catalog=folder, home=engine_home):
        yield folder


@pytest.fixture(scope="module")
def data(catalog: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("data") / "year"
    usual = {"size": 8, "stride": 8, "split": "random", "label": "worldcover", "clouds": "scl", "speckle": "none"}
    export_patches(
        region=REGION,
        period="2020",
        composite="year-statistics",
        bands=("B4", "B8"),
        settings=STATISTICS,
        catalog=str(catalog),
        out=out,
        progress=False,
        **usual,
    )
    return out


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    training.train([data], recipe("random_forest-year-tiny", {"batch": 4}), folder)
    return folder


@pytest.mark.long
def test_the_manifest_holds_the_recipe_and_patches_are_small(data):
    manifest = Dataset.open(data).manifest
    assert manifest.band_names == (
        "B4_mean", "B4_p90", "B8_mean", "B8_p90", "NDVI_mean", "NDVI_p90", "s2_observations",
        "VV_mean", "VV_p90", "VH_mean", "VH_p90", "s1_observations",
    )  # fmt: skip
    assert manifest.settings["composite"] == "year-statistics" and manifest.settings["least_dates"] == 3
    units = {band.name: (band.unit, band.scale) for band in manifest.bands}
    assert units["NDVI_p90"] == ("index", 1e-4) and units["VV_mean"] == ("dB", 0.01)
    with rasterio.open(next((data / "images").rglob("*.tif"))) as patch:
        assert patch.dtypes[0] == "int16" and patch.scales[0] == 1e-4


@pytest.mark.long
def test_the_checkpoint_maps_another_place_by_a_year(run, catalog, tmp_path):
    out = tmp_path / "map.tif"
    options = ("--geometry", str(_outline(tmp_path)), "--period", "2020", "--catalog", str(catalog))
    assert isamap.main(["map", "--checkpoint", str(run), *options, "--out", str(out)]) == 0
    with rasterio.open(out) as file:
        classes = file.read(1)
        assert file.tags()["period"] == "2020-01-01..2020-12-31"
    assert set(np.unique(classes)) <= {0, 1, 255} and (classes != 255).mean() > 0.3


def test_years_makes_a_series_of_maps_of_a_year(run, catalog, tmp_path):
    """July to June belongs to the year of its middle; the filtered maps are of the periods of the given ones."""
    where = ("--geometry", str(_outline(tmp_path)), "--catalog", str(catalog))
    periods = {"2019": "2019-07-01..2020-06-29", "2020": "2020-01-01..2020-12-31"}
    maps = {year: tmp_path / f"of-{year}.tif" for year in periods}
    for year, period in periods.items():
        words = ["map", "--checkpoint", str(run), *where, "--period", period]
        assert isamap.main([*words, "--out", str(maps[year])]) == 0
    assert isamap.main(["years", *map(str, maps.values()), "--out", str(tmp_path / "years")]) == 0
    for year, period in periods.items():
        with rasterio.open(tmp_path / "years" / f"{year}.tif") as filtered, rasterio.open(maps[year]) as unfiltered:
            assert filtered.tags()["period"] == period and filtered.tags()["years"] == "2019,2020"
            assert (filtered.read(1)[unfiltered.read(1) != 255] != 255).all()


def test_tiles_of_a_run_are_the_map_of_the_year(run, catalog, tmp_path):
    box = ("--bbox", *map(str, REGION.bounds_wsen), "--period", "2020", "--catalog", str(catalog))
    assert isamap.main(["map", "--checkpoint", str(run), *box, "--out", str(tmp_path / "map.tif")]) == 0
    tiles = ["--name", "year", "--tile-px", "64", "--out", str(tmp_path / "tiles")]
    assert isamap.main(["run", "--checkpoint", str(run), *box, *tiles]) == 0
    (joined,) = (file for file in (tmp_path / "tiles").glob("*.tif") if not file.stem.endswith("_prob"))
    with rasterio.open(joined) as joined_file, rasterio.open(tmp_path / "map.tif") as single:
        assert joined_file.tags()["period"] == single.tags()["period"] == "2020-01-01..2020-12-31"
        np.testing.assert_array_equal(joined_file.read(1, window=joined_file.window(*single.bounds)), single.read(1))


@pytest.mark.long
def test_the_service_maps_a_year(run, catalog, tmp_path):
    """A worker's own process makes the year's bands; the map's document says of which time it is."""
    settings = ServiceSettings(tmp_path / "service", checkpoints=(str(run),), server=Server(catalog=str(catalog)))
    settings.jobs.prepare()
    application = Service(settings, Door.of("127.0.0.1", 8765, Tokens(), None)).application()
    client = TestClient(application, base_url="http://127.0.0.1:8765")
    inputs = {"checkpoint": "run", "bbox": list(REGION.bounds_wsen), "period": "2020"}
    reply = client.post("/processes/map/execution", json={"inputs": inputs})
    assert reply.status_code == 201, reply.text
    assert Worker(settings, "w", lambda: False).work_once()
    job = client.get(f"/jobs/{reply.json()['jobID']}").json()
    assert job["status"] == "successful", job
    (made,) = client.get("/maps").json()["maps"]
    assert made["period"] == "2020-01-01..2020-12-31"


def _outline(folder: Path) -> Path:
    path = folder / "place.geojson"
    path.write_text(json.dumps(mapping(box(*REGION.bounds_wsen))))
    return path


REFUSAL = "composites of year-statistics are of a year or up to three, not of 2020-06"


@pytest.mark.parametrize("command", ["map", "run", "plan"])
def test_a_month_is_refused_before_a_server_is_asked(command, run, tmp_path, capsys):
    out = () if command == "plan" else ("--out", str(tmp_path / "out.tif"))
    assert isamap.main([command, "--checkpoint", str(run), *PLACE, "--month", "2020-06", *out]) == 2
    assert REFUSAL in capsys.readouterr().err


def test_the_service_refuses_a_month(run, monkeypatch):
    monkeypatch.setattr(Library, "checkpoint", lambda self, name: ck.load(run))
    inputs = {"checkpoint": "year", "bbox": [115.0, 30.0, 115.01, 30.01], "period": "2020-06"}
    with pytest.raises(ValueError, match=REFUSAL):
        MapJobRequest.of(inputs, Library.__new__(Library))


def test_a_plan_counts_what_a_year_costs():
    where = {"bbox": (114.3, 30.5, 114.5, 30.7), "period": "2020"}
    mean, year = plan_map(**where), plan_map(**where, composite="year-statistics")
    px, mean_px = (sum(zone.fetched_px for zone in plan.zones) for plan in (year, mean))
    assert year.computing.effort / px == pytest.approx(6 * mean.computing.effort / mean_px)
    assert year.request_bytes / px == pytest.approx(45 / 6 * mean.request_bytes / mean_px)
    assert len(year.bands) == 45 and year.bands[-1] == "VH_p90" and year.requests > 2 * mean.requests
