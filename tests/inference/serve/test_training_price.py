"""What training takes, said before it starts: patches and epochs by a measured rate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from isamap.gee_export.datasets.dataset import write
from isamap.inference.serve import training_time
from isamap.inference.serve.app import Service
from isamap.inference.serve.settings import ServiceSettings
from isamap.training.recipes import RECIPES
from tests.inference.serve.conftest import BASE, BBOX, DOOR
from tests.support.towns import BANDS, manifest, samples, spread

PATCHES, SIDE_PX = 11, 32


@pytest.fixture
def client(settings: ServiceSettings, tmp_path: Path) -> TestClient:
    """Of a service with the dataset `hamlet`."""
    folder, splits = tmp_path / "hamlet", spread(8, 2, 1)
    write(folder, manifest(tuple(BANDS), SIDE_PX, len(splits)), samples(tuple(BANDS), SIDE_PX, splits))
    made = replace(settings, datasets=(str(folder),))
    return TestClient(Service(made, DOOR).application(), base_url=BASE, raise_server_exceptions=False)


def estimate(client: TestClient, process: str = "train", **inputs) -> dict:
    reply = client.post(f"/processes/{process}/estimate", json={"inputs": inputs})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_minutes_are_pixels_and_epochs_by_the_rate(client, monkeypatch):
    table = {"device": "a machine", "date": "2026-11-22", "px_per_s": {"unet-tiny": 512.0}}
    monkeypatch.setattr(training_time, "rates", lambda: table)
    price = estimate(client, data=["hamlet"], recipe="unet-tiny", epochs=3)
    epoch = PATCHES * SIDE_PX**2 / 512 / 60
    assert price["patches"] == PATCHES
    assert price["minutes"] == pytest.approx(training_time.START_MIN + 3 * epoch, abs=0.01)
    assert "a machine" in " ".join(price["notes"])


def test_without_epochs_the_recipes_own_count(client):
    few, own = (estimate(client, data=["hamlet"], recipe="unet-tiny", **more) for more in ({"epochs": 1}, {}))
    assert f"at most {RECIPES['unet-tiny']().epochs} epochs" in own["notes"][0] and own["minutes"] >= few["minutes"]


def test_a_recipe_that_was_not_measured_says_so(client):
    price = estimate(client, data=["hamlet"], recipe="ndvi")
    assert price["minutes"] == 0 and "no measured rate" in price["notes"][0]


@pytest.mark.parametrize("way", ["estimate", "execution"])
def test_a_training_of_more_than_a_week_is_refused(client, monkeypatch, way):
    monkeypatch.setattr(training_time, "rates", lambda: {"px_per_s": {"unet-tiny": 0.5}})
    inputs = {"data": ["hamlet"], "recipe": "unet-tiny", "epochs": 50}
    reply = client.post(f"/processes/train/{way}", json={"inputs": inputs})
    assert reply.status_code == 422 and "this service trains at most 168: choose fewer epochs" in reply.json()["detail"]


def test_an_export_says_what_an_epoch_on_its_patches_takes(client):
    """The page shows it before the patches are there."""
    price = estimate(client, "export", bbox=BBOX, period="2019-06", size=16, stride=16)
    assert price["patches"] == pytest.approx(price["area_km2"] / 0.16**2, rel=0.05)
    expected = training_time.epoch_minutes("crofusenet-tiny", price["patches"] * 16**2)
    assert price["epoch_minutes"] == pytest.approx(expected, abs=1e-3)


def test_the_table_names_recipes_that_are_there():
    table = training_time.rates()
    assert set(table["px_per_s"]) <= set(RECIPES) and len(table["px_per_s"]) > 10
    assert {"crofusenet-tiny", "unet-tiny"} <= set(table["px_per_s"]) and all(
        rate > 0 for rate in table["px_per_s"].values()
    )
