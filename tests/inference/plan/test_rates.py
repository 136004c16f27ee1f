"""Rates: a table that is read as it was written, and what a checkpoint's network reaches here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from isamap.gee_export.base.regions import Region
from isamap.inference.inputs.ground import ground_of
from isamap.inference.plan import rates
from isamap.inference.plan.plan import plan_map
from isamap.inference.plan.rates import Rate
from isamap.inference.tiles.tiling import TileWindow
from isamap.training.checkpoints.checkpoint import BandNorm, load, of_network, save
from isamap.training.models import build

RATE = Rate("unet 32", 10.0, 10.0, 1234.5, 'a "new" device', 2, "torch", "fp32", "program.py", "2026-11-22")
BANDS = ("B2", "B3", "B4", "B8", "VV", "VH")


def test_a_table_is_read_as_it_was_written(tmp_path):
    rates.add(RATE, tmp_path / "rates.toml")
    assert rates.read(tmp_path / "rates.toml") == (RATE,)


def test_a_rate_of_the_same_way_takes_the_old_ones_place(tmp_path):
    path = tmp_path / "rates.toml"
    faster, second = replace(RATE, km2_per_hour=2000.0), replace(RATE, precision="bf16")
    for rate in (RATE, second, faster):
        rates.add(rate, path)
    assert rates.read(path) == (second, faster)


def test_every_shipped_rate_has_its_program_and_date():
    table = rates.read()
    assert {(rate.input_m, rate.output_m) for rate in table} >= {(10.0, 10.0), (10.0, 1.0), (3.0, 3.0)}
    assert all(rate.program == "benchmarks/plan_rates.py" and rate.date.startswith("20") for rate in table)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[rate", "docs/plan.md shows its form"),
        ("[[rate]]\nnetwork = 'a'\n", "other fields"),
        ("rate = 3\n", "docs/plan.md"),
        (rates.encode([RATE]).replace("1234.5", "-1"), "above 0"),
        (rates.encode([RATE]).replace("1234.5", "nan"), "above 0"),
        (rates.encode([RATE]).replace('"torch"', "3"), "words in quotes"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, text, words):
    (tmp_path / "rates.toml").write_text(text)
    with pytest.raises(ValueError, match=rf"rates\.toml.*{words}"):
        rates.read(tmp_path / "rates.toml")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """An untrained network of 1 m from 10 m, as small as it can be."""
    folder = tmp_path_factory.mktemp("run") / "best"
    torch.manual_seed(0)
    network = build("unet", BANDS, {"widths": [4, 8]}).eval()
    bands = [BandNorm(band, "dB" if band in ("VV", "VH") else "reflectance", 0.0, 1.0) for band in BANDS]
    described = of_network(
        network,
        "unet",
        bands,
        classes=("pervious", "impervious"),
        thresholds={"impervious": 0.5},
        composite={"level": "l2a"},
        backscatter="sigma0",
        simulated=True,
        dataset={"step_m": 10.0},
    )
    save(described, network, folder)
    return str(folder)


def test_a_checkpoint_is_measured_and_kept_in_the_table(checkpoint, tmp_path):
    path = tmp_path / "rates.toml"
    plan = plan_map(region="wuhan", month="2019-06", checkpoint=checkpoint, measure=0.01, rates=str(path))
    assert rates.read(path) == (plan.measured,) and plan.measured.network == "unet"
    assert list(plan.by_rate.values()) == [pytest.approx(60.48**2 / plan.measured.km2_per_hour)]


def test_a_checkpoint_says_bands_and_steps(checkpoint):
    plan = plan_map(region="wuhan", month="2019-06", checkpoint=checkpoint)
    assert plan.bands == BANDS and plan.step_m == 10 and plan.sensors == ("sentinel2", "sentinel1")


def test_the_margin_is_what_maps_of_tiles_see_on_the_mean(checkpoint):
    plan = plan_map(region="wuhan", month="2019-06", checkpoint=checkpoint, tile_px=200)
    windows = [TileWindow(32650, -1700, col, 200) for col in range(100, 140)]
    areas = [Region("tile", 32650, window.bounds_m, (0.0, 0.0)) for window in windows]
    seen_px = np.mean([ground_of(area, load(checkpoint)).seen.width for area in areas])
    assert 200 + 2 * plan.margin_px == pytest.approx(seen_px, abs=2)


def test_a_checkpoint_takes_the_rates_of_its_own_network(checkpoint):
    plan = plan_map(region="wuhan", month="2019-06", checkpoint=checkpoint)
    assert plan.by_rate and all(name.startswith("unet") for name in plan.by_rate)


def test_a_composite_needs_a_time(checkpoint):
    with pytest.raises(ValueError, match="nothing says when"):
        plan_map(region="wuhan", checkpoint=checkpoint)
