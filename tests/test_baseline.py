"""benchmarks/baseline.py: what its plan says, and the whole way with two tiny cities of the simulated world."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks import baseline
from benchmarks.baseline import CITIES, Baseline, City
from isamap.gee_export.datasets.dataset import Dataset
from isamap.training.checkpoints import checkpoint as ck


def test_the_plan_is_of_the_ground_and_of_a_year(tmp_path):
    """20 boxes of 10 km; B2 B3 B4 B8 of 10 m and B11 B12 of 20 m, six scenes a month, two of radar, four."""
    plan = Baseline(tmp_path).plan()
    assert (plan["cities"], plan["km2"]) == (20, 2000)
    expected_gb = 20e6 * 12 * (6 * 1.6 * (4 + 2 / 4) + 4 * 3.1 * 2) / 1e9
    assert plan["gigabytes"] == pytest.approx(expected_gb, abs=0.1)


def test_every_continent_that_is_judged_is_learned_from_elsewhere():
    held_out = [city for city in CITIES if city.held_out]
    assert len(CITIES) == 20 and len(held_out) == 4 and len({city.name for city in CITIES}) == 20
    west, south, east, north = CITIES[0].bounds(10)
    assert (north - south) * 111.2 == pytest.approx(10) and west < CITIES[0].lon < east


@pytest.mark.long
def test_two_tiny_cities_become_a_published_network(tmp_path, monkeypatch):
    cities = (City("wuhan", 114.31, 30.58), City("leipzig", 12.37, 51.34, held_out=True))
    settings = ("epochs=2", "batch=2", "model.widths=4,8", "lr=5e-3")
    tried = Baseline(tmp_path, cities, "world", "2020-06", "month", recipe="unet-tiny", side_km=1.4, patch_px=16)
    tried = replace(tried, settings=settings)
    report = tried.make()
    published = ck.load(report["published"])
    assert published.simulated and (published.calibration or report["notes"])
    assert 0 < report["held_out"]["leipzig"]["oa"][0] <= 1
    assert {patch.split for patch in Dataset.open(tmp_path / "data" / "leipzig").patches} >= {"test"}
    assert json.loads((tmp_path / "baseline.json").read_text())["held_out"] == report["held_out"]

    monkeypatch.setattr(baseline.gee_export, "export_patches", lambda **_: pytest.fail("exported again"))
    monkeypatch.setattr("isamap.training.fitting.loop.fit", lambda _: pytest.fail("trained again"))
    again = tried.make()
    assert again["held_out"] == report["held_out"]
