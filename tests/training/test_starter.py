"""The networks that come with isamap: found by name, whole, small, told what they are, and good on real ground."""

from __future__ import annotations

import shutil
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import torch

import isamap
from benchmarks import real_ground
from isamap import inference, training
from isamap.gee_export.base.errors import Fault
from isamap.inference.map_files.map_file import open_map
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints import places
from tests.inference.conftest import WUHAN, stored_scene, write_tif
from tests.support.map_files import read_map
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.shared_data import SHARED, needs_shared

ROOT = Path(__file__).resolve().parents[2]
LARGEST_BYTES = 5_000_000  # of all together
BANDS = ("B2", "B3", "B4", "B8", "B11")


@pytest.mark.parametrize(("name", "bands"), [("starter", BANDS), ("starter-s2s1", (*BANDS, "VV", "VH"))])
def test_the_name_is_the_packaged_folder(name, bands):
    trained = ck.load(name)
    assert Path(trained.location) == ROOT / "training" / name
    assert trained.fingerprint == places.PACKAGED[name]
    assert trained.band_names == bands and trained.level == "L2A" and trained.learned_levels == ("L2A", "L1C")
    is_radar = "VV" in bands  # else its maps would ask for Sentinel-1, and refuse archives that hold gamma0
    assert trained.backscatter == ("sigma0" if is_radar else None)
    assert trained.composite.get("sensors") == (None if is_radar else ["sentinel2"])


def test_they_are_small_and_safetensors_alone():
    files = [file for name in places.PACKAGED for file in (ROOT / "training" / name).iterdir()]
    assert {file.name for file in files} == {ck.WEIGHTS, ck.DESCRIPTION, ck.CARD}
    assert sum(file.stat().st_size for file in files) <= LARGEST_BYTES


@pytest.mark.parametrize("name", places.PACKAGED)
def test_the_wheel_holds_it(name):
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    assert f"{name}/*" in parser["options.package_data"]["isamap.training"].split()


@pytest.mark.parametrize("name", places.PACKAGED)
def test_its_card_says_licence_and_simulation(name):
    card = (ROOT / "training" / name / ck.CARD).read_text("utf-8")
    assert 'license: "apache-2.0"' in card and '"simulated"' in card and "Processing levels: l2a, l1c." in card


@pytest.fixture
def copied(tmp_path, monkeypatch) -> Path:
    """A copy of the packaged folder in the place of the package."""
    shutil.copytree(ROOT / "training" / "starter", tmp_path / "starter")
    monkeypatch.setattr(places, "_PACKAGE", tmp_path)
    return tmp_path / "starter"


def test_changed_weights_are_refused(copied):
    weights = bytearray((copied / ck.WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (copied / ck.WEIGHTS).write_bytes(bytes(weights))
    with pytest.raises(Fault, match="damaged"):
        ck.load("starter").build()


def test_another_checkpoint_in_its_place_is_refused(copied):
    trained = ck.load(copied)
    ck.rewrite(replace(trained, thresholds={"impervious": 0.9}), copied)
    with pytest.raises(Fault, match="install isamap again"):
        ck.load("starter")


def test_a_folder_of_that_name_is_not_taken_in_silence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "starter").mkdir()
    with pytest.raises(ValueError, match=r"write \./starter for the folder"):
        ck.load("starter")


def test_a_folder_of_that_name_is_reached_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "training" / "starter", tmp_path / "starter")
    assert ck.load("./starter").location == "starter"


@pytest.mark.parametrize("level", ["Level-1C", "Level-2A"])
def test_the_command_maps_with_it(tmp_path, capsys, level):
    """Bands of any order, and more than it needs, of either level of Sentinel-2 that the file's tags name."""
    names = ("B11", "B8", "B4", "B3", "B2", "B12")
    stored = stored_scene(70, 80)[[0, 3, 2, 1, 0, 0]]
    scene = write_tif(tmp_path / "s.tif", stored, names=names, scales=(1e-4,) * 6, transform=WUHAN)
    with rasterio.open(scene, "r+") as file:
        file.update_tags(PROCESSING_LEVEL=level)
    out = tmp_path / "map.tif"
    assert isamap.main(["map", "--checkpoint", "starter", "--input", str(scene), "--out", str(out)]) == 0
    assert set(np.unique(read_map(out)[0])) <= {0, 1, 255}
    assert "simulated training" in capsys.readouterr().out


def test_an_image_of_four_bands_is_mapped_as_if_the_fifth_said_nothing(tmp_path):
    """Bit for bit the map of an image whose B11 is training's mean everywhere; its tag says what was missing."""
    trained = ck.load("starter")
    values = stored_scene(70, 80)[[0, 1, 2, 3]].astype(np.float32) * np.float32(1e-4)
    mean = np.full((1, 70, 80), trained.bands[4].mean, np.float32)
    maps = {}
    for name, pixels in (("four", values), ("five", np.concatenate([values, mean]))):
        names = trained.band_names[: len(pixels)]
        scene = write_tif(tmp_path / f"{name}.tif", pixels, names=names, scales=(1,) * len(names), transform=WUHAN)
        maps[name] = tmp_path / f"{name}-map.tif"
        inference.map_region("starter", input=str(scene), out=maps[name], progress=False)
    np.testing.assert_array_equal(read_map(maps["four"]), read_map(maps["five"]))
    assert [open_map(path).tags.get("lacks") for path in maps.values()] == ["B11", None]


@pytest.mark.parametrize("lacking", [("VV", "VH"), BANDS])
def test_an_image_of_one_sensor_is_mapped_by_the_network_of_both(tmp_path, capsys, lacking):
    """Its tag says what was missing."""
    trained = ck.load("starter-s2s1")
    names = [name for name in trained.band_names if name not in lacking]
    means = np.array([band.mean for band in trained.bands if band.name in names], np.float32)
    values = means[:, None, None] * np.random.default_rng(0).uniform(0.5, 1.5, (len(names), 70, 80)).astype(np.float32)
    scene = write_tif(tmp_path / "s.tif", values, names=names, scales=(1,) * len(names), transform=WUHAN)
    out = tmp_path / "map.tif"
    assert isamap.main(["map", "--checkpoint", "starter-s2s1", "--input", str(scene), "--out", str(out)]) == 0
    assert open_map(out).tags["lacks"] == ",".join(lacking) and "lacks bands" in capsys.readouterr().err
    assert set(np.unique(read_map(out)[0])) <= {0, 1}


@needs_shared
@pytest.mark.parametrize("name", places.PACKAGED)
def test_it_finds_leipzig(tmp_path, name):
    """The floors that they were made for, without radar; docs/starter.md prints what they reach."""
    ground = real_ground.leipzig(SHARED, tmp_path)
    judged = real_ground.judged(Path(name), [ground], tmp_path)[ground.name]
    assert judged["auc"] >= 0.97 and judged["f1"] >= 0.85


@pytest.mark.long
def test_fine_tuning_begins_where_it_ended(hamlet, tmp_path):
    """Steps too small to change anything: filters of bands that both know are the starter's; B11 goes, VV comes."""
    settings = {"epochs": 1, "batch": 4, "crop": 32, "lr": 1e-12, "weight_decay": 0, "ema": 0, "device": "cpu"}
    training.train(hamlet, None, tmp_path / "run", start="starter", settings=settings)
    tuned, starter = ck.load(tmp_path / "run"), ck.load("starter")
    old, new = (dict(trained.build().named_parameters()) for trained in (starter, tuned))
    band = "B4"
    at = [trained.band_names.index(band) for trained in (starter, tuned)]
    stem = "encoder.blocks.0.0.0.weight"
    torch.testing.assert_close(new[stem][:, at[1]], old[stem][:, at[0]], atol=1e-6, rtol=0)
    assert "fine-tuned" in (tmp_path / "run" / "best" / "card.md").read_text().lower()


@pytest.mark.long
def test_field_points_of_any_classes_fine_tune_it(tmp_path):
    """docs/starter.md's two commands: towns are impervious, fields and woods are not."""
    values = stored_scene(192, 192)[[0, 1, 2, 3, 0]].astype(np.float32) * np.float32(1e-4)
    scene = write_tif(tmp_path / "s.tif", values, names=BANDS, scales=(1,) * 5, transform=WUHAN)
    cols, rows = (axis.ravel() for axis in np.meshgrid(np.arange(6, 192, 12), np.arange(6, 192, 12)))
    cover = np.array(["town", "field", "wood"])[np.arange(len(cols)) % 3]
    there = shapely.points(*(WUHAN * (cols + 0.5, rows + 0.5)))
    geopandas.GeoDataFrame({"land_cover": cover}, geometry=there, crs="EPSG:32650").to_file(tmp_path / "p.gpkg")
    label, data, run = f"{tmp_path / 'p.gpkg'}#column=land_cover#impervious=town", tmp_path / "d", tmp_path / "run"
    size = ["--size", "48", "--stride", "48", "--split", "random"]
    unit = ["--unit", "reflectance=0.0001", "--month", "2019-06"]
    assert isamap.main(["export", "--image", str(scene), *unit, "--label", label, *size, "--out", str(data)]) == 0
    settings = ["--set", "crop=48", "batch=2", "epochs=1"]
    assert isamap.main(["train", "--from", "starter", "--data", str(data), "--out", str(run), *settings]) == 0
    known = np.concatenate([rasterio.open(file).read().ravel() for file in (data / "labels").iterdir()])
    assert np.bincount(known, minlength=2)[:2].tolist() == [170, 86]
    assert ck.load(run).origin["start"] == places.PACKAGED["starter"]
