"""The minimum mapping unit over tiles: the classes of one map of the zone, however and however often it is run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio

from isamap import inference
from isamap.gee_export.base import zones
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.outline import in_metres, inside
from isamap.gee_export.base.storage import provide
from isamap.inference.map_files.map_file import open_map
from isamap.inference.mapping.request import Pixels
from isamap.inference.postprocessing import sieve
from isamap.inference.runs.run import run_jobs
from isamap.inference.tiles import work, zone_sieve
from isamap.inference.tiles.store import open_store
from tests.inference.tiles.conftest import MAP, REGION, SETTINGS, STEP_PX, bytes_of, options
from tests.support.map_files import read_map
from tests.support.minimum_unit import by_definition

UNIT_PX = 12
SIEVE = "1200m2"  # the same at 10 m


@pytest.fixture(scope="module")
def network(make_checkpoint) -> Path:
    """The small U-Net with a threshold at which its map has components of all sizes."""
    composite = SETTINGS.to_json()
    return make_checkpoint(composite=composite, window=32, lattice=24, thresholds={"impervious": 0.4783})


@pytest.fixture(scope="module")
def raw(plot, network, tmp_path_factory) -> Path:
    """A run of four tiles without a sieve."""
    out = tmp_path_factory.mktemp("raw")
    run_jobs(**options(plot, network, out))
    return out


@pytest.fixture
def begun(asked, raw, tmp_path) -> dict:
    """The options of that run with the sieve; its tiles are there."""
    shutil.copytree(raw, tmp_path / "out")
    return asked | {"sieve": SIEVE}


@pytest.fixture
def sieved(asked, raw, tmp_path) -> dict[str, bytes]:
    """Every raster of that run, undisturbed."""
    shutil.copytree(raw, tmp_path / "undisturbed")
    run_jobs(**asked | {"sieve": SIEVE, "out": str(tmp_path / "undisturbed")})
    return bytes_of(tmp_path / "undisturbed")


@pytest.fixture
def torn(monkeypatch):
    """Breaks the writing of the n-th tile after the sieve; the names of those that were begun."""
    original, names = zone_sieve._write, []

    def tear(number: int, error: BaseException) -> list[str]:
        def write(tile, *how):
            names.append(tile.name)
            if len(names) == number:
                raise error
            return original(tile, *how)

        monkeypatch.setattr(zone_sieve, "_write", write)
        return names

    return tear


@pytest.mark.long
def test_the_tiles_together_are_the_sieved_map_of_the_whole_region(begun, raw, tmp_path):
    status = run_jobs(**begun)
    assert status.state == "done" and status.made == status.tiles == 4
    same = {name: begun[name] for name in ("month", "catalog", "progress", "sieve")}
    inference.map_region(begun["checkpoint"], region=REGION, out=tmp_path / "whole.tif", **same)
    values = read_map(tmp_path / "out" / f"{MAP}.tif")
    np.testing.assert_array_equal(values, read_map(tmp_path / "whole.tif"))
    before = read_map(raw / f"{MAP}.tif")
    np.testing.assert_array_equal(values[0], by_definition(before[0], UNIT_PX))
    x_m = (212750 + 10 * np.arange(before.shape[2])) % (10 * STEP_PX)
    seam, changed = (x_m < 10) | (x_m >= 10 * STEP_PX - 10), values[0] != before[0]
    assert changed[:, seam].any(), "no component at a seam tests nothing"


@pytest.mark.parametrize("side", [(-1, 0), (1, 0), (0, -1), (0, 1), (1, -1)])
def test_a_sieved_tile_follows_its_neighbours_on_every_side(side):
    """Other classes beside a tile give it another id, so that a stale one is not kept; farther ones do not."""

    def digest(changed):
        around = zone_sieve._Around(SimpleNamespace(filled=()), reach=1)
        around._rows = {
            row: [(col, "other" if (row, col) == changed else "same") for col in range(5)] for row in range(5)
        }
        return around.digest((2, 2))

    near, far = (2 + side[0], 2 + side[1]), (2 + 2 * side[0], 2 + 2 * side[1])
    assert digest(near) != digest(None) == digest(far)


@pytest.mark.long
@pytest.mark.parametrize("tile_px", [48, 128])
def test_another_cut_has_the_same_pixels(asked, raw, tmp_path, tile_px, monkeypatch):
    """Also where a tile is labelled in several strips."""
    monkeypatch.setattr(sieve, "STRIP_PX", 400)
    run_jobs(**asked | {"sieve": SIEVE, "tile_px": tile_px})
    before = read_map(raw / f"{MAP}.tif")
    np.testing.assert_array_equal(
        read_map(tmp_path / "out" / f"{MAP}.tif"), np.stack([by_definition(before[0], UNIT_PX), before[1]])
    )


def test_tiles_after_the_sieve_are_maps_that_say_it(begun, tmp_path):
    run_jobs(**begun)
    with rasterio.open(tmp_path / "out" / f"{MAP}.tif") as single:
        assert single.tags()["sieve"] == "12 px"
    items = list((tmp_path / "out" / "stac" / "items").rglob("*.json"))
    assert len(items) == 4
    for item in items:
        (path,) = (tmp_path / "out" / "tiles").rglob(f"{item.stem}.tif")
        made, receipt = open_map(path), json.loads(path.with_suffix(".json").read_text())
        assert made.tags["sieve"] == "12 px" and "sentinel1" in made.tags["scenes"]
        with rasterio.open(path) as file:
            assert receipt["counts"]["impervious"] == (file.read(1) == 1).sum()
        assert receipt["facts"]["sieve"][1] == UNIT_PX


@pytest.mark.long
def test_tiles_of_another_sieve_or_none_are_not_taken(begun, raw, tmp_path, monkeypatch):
    """All share the tiles before the sieve, of which none is made again."""
    monkeypatch.setattr(work, "map_requested", lambda *_, **__: pytest.fail("a tile was made again"))
    run_jobs(**begun)
    first = read_map(tmp_path / "out" / f"{MAP}.tif")
    run_jobs(**begun | {"sieve": "3"})
    assert not np.array_equal(read_map(tmp_path / "out" / f"{MAP}.tif"), first)
    run_jobs(**begun | {"sieve": "none"})
    cog, index = f"{MAP}.tif", f"{MAP}.vrt"
    assert all((tmp_path / "out" / name).read_bytes() == (raw / name).read_bytes() for name in (cog, index))


def test_a_finished_sieve_is_only_checked(begun, tmp_path, torn):
    run_jobs(**begun)
    names, before = torn(1, Fault("never")), bytes_of(tmp_path / "out")
    run_jobs(**begun)
    assert names == [] and bytes_of(tmp_path / "out") == before


@pytest.mark.long
@pytest.mark.parametrize("error", [Fault("the disk is full"), KeyboardInterrupt()], ids=["fault", "ctrl-c"])
def test_an_interrupted_sieve_goes_on_with_the_tiles_that_are_missing(
    begun, tmp_path, torn, sieved, monkeypatch, error
):
    names = torn(2, error)
    with pytest.raises(type(error)):
        run_jobs(**begun)
    state = json.loads((tmp_path / "out" / "status.json").read_text())["state"]
    assert state == ("failed" if isinstance(error, Fault) else "interrupted")
    run_jobs(**begun)
    first, *others = names
    assert len(names) == 5 and others.count(first) == 0, "the first tile was kept"
    assert bytes_of(tmp_path / "out") == sieved


@pytest.mark.long
def test_a_damaged_tile_is_written_again_and_only_that(begun, tmp_path, torn, sieved):
    run_jobs(**begun)
    damaged = sorted((tmp_path / "out" / "stac" / "items").rglob("*.json"))[2].stem
    next((tmp_path / "out" / "tiles").rglob(f"{damaged}_prob.tif")).write_bytes(b"II*\0")
    names = torn(0, Fault("never"))
    run_jobs(**begun)
    assert names == [damaged] and bytes_of(tmp_path / "out") == sieved


@pytest.mark.long
def test_the_part_that_ends_last_does_the_sieve(asked, tmp_path, sieved):
    states = [run_jobs(**asked | {"sieve": SIEVE}, part=f"{index}/2").state for index in (1, 2)]
    assert states == ["partial", "done"] and bytes_of(tmp_path / "out") == sieved


@pytest.mark.long
def test_a_store_in_a_bucket_has_the_same_files(asked, tmp_path, sieved, session):
    provide("sieve-bucket", session)
    address = f"gs://sieve-bucket/{tmp_path.name}"
    assert run_jobs(**asked | {"sieve": SIEVE, "out": address}).state == "done"
    storage = open_store(address, Pixels(catalog=asked["catalog"])).storage
    assert {name: storage.read(name) for name in sieved} == sieved


@pytest.mark.long
def test_components_end_at_the_meridian_between_two_zones(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(zones, "REACH_DEG", 0.0)
    west, south, east, north = REGION.bounds_wsen
    parts = zones.of_bbox((west + 0.002, south + 0.002, east - 0.002, north - 0.002), name="across")
    run_jobs(**asked | {"region": parts, "out": str(tmp_path / "before")})
    shutil.copytree(tmp_path / "before", tmp_path / "out")
    run_jobs(**asked | {"region": parts, "sieve": SIEVE})
    for product, zone in zip(parts, ("49n", "50n"), strict=True):
        before = read_map(tmp_path / "before" / f"across_201906_{zone}.tif")
        ground = inside(in_metres(product), grid_of(product))
        after = read_map(tmp_path / "out" / f"across_201906_{zone}.tif")
        np.testing.assert_array_equal(after[0], by_definition(before[0], UNIT_PX))
        assert (after[0][~ground] == 255).all() and (after[0] != before[0]).any()
