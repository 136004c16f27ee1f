"""A run over tiles: its map is that of `isamap map`, pixel for pixel, however and however often it is run."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from isamap import inference
from isamap.gee_export.base import zones
from isamap.gee_export.base.atomic import disk_fault
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.outline import in_metres, inside
from isamap.gee_export.base.storage import FolderStorage
from isamap.inference.plan.plan import plan_map
from isamap.inference.runs.run import check_complete, run_jobs
from isamap.inference.tiles import work
from tests.inference.tiles.conftest import MAP, REGION, SETTINGS, bytes_of
from tests.support import plot as plots
from tests.support.map_files import read_map


def mapped(asked, out: Path, region=REGION, **how) -> np.ndarray:
    """What `isamap map` makes of a region."""
    options = {name: asked[name] for name in ("month", "catalog", "progress")}
    inference.map_region(asked["checkpoint"], region=region, out=out, **options, **how)
    return read_map(out)


@pytest.fixture
def finished(undisturbed_folder, asked, tmp_path) -> Path:
    """A copy of the finished run that a test may damage."""
    return Path(shutil.copytree(undisturbed_folder, tmp_path / "out"))


@pytest.fixture
def broken(monkeypatch):
    """Breaks the mapping of the tiles whose number in the order of their making is given; counts all attempts."""
    original, attempts = work.map_requested, []

    def break_(*numbers: int, error: Exception):
        def broken_map(request, **how):
            attempts.append(Path(request.out).name)
            if len(attempts) - 1 in numbers:
                raise error
            return original(request, **how)

        monkeypatch.setattr(work, "map_requested", broken_map)
        return attempts

    return break_


@pytest.mark.long
def test_the_tiles_together_are_the_map_of_the_whole_region(asked, tmp_path):
    """Also at the seams of tiles, with all ground around them seen."""
    status = run_jobs(**asked)
    assert status.state == "done" and status.made == status.tiles == 4
    np.testing.assert_array_equal(read_map(tmp_path / "out" / f"{MAP}.tif"), mapped(asked, tmp_path / "whole.tif"))


@pytest.mark.long
def test_receipts_say_what_each_tile_took_and_plan_foretold_it(asked, finished):
    measured = []
    for path in (finished / "tiles").rglob("*.json"):
        receipt = json.loads(path.read_text())
        assert all(receipt["measured"][name] > 0 for name in ("seconds", "cpu_s", "peak_mb", "eecu_s", "process"))
        assert receipt["facts"]["period"] == ["2019-06-01", "2019-07-01"]
        measured.append(receipt["measured"])
    where = {name: asked[name] for name in ("checkpoint", "region", "month", "tile_px")}
    plan = plan_map(**where)
    assert len(measured) == plan.tiles
    for name, planned in (("requests", plan.requests), ("bytes", plan.request_bytes)):
        assert 1 / 1.5 <= planned / sum(each[name] for each in measured) <= 1.5, name


@pytest.mark.long
def test_the_index_shows_what_the_cog_holds(finished):
    for name in (MAP, f"{MAP}_prob"):
        with (
            rasterio.open(finished / f"{name}.vrt") as index,
            rasterio.open(finished / f"{name}.tif") as cog,
        ):
            np.testing.assert_array_equal(index.read(), cog.read())
            assert index.transform == cog.transform and index.crs == cog.crs and index.nodata == cog.nodata == 255
            assert index.descriptions == cog.descriptions
            assert index.tags()["simulated"] == cog.tags()["simulated"] and index.tags()["period"] == "2019-06"
    with sqlite3.connect(finished / f"{MAP}.gti.gpkg") as tables:
        metadata = " ".join(text for (text,) in tables.execute("select metadata from gpkg_metadata"))
    assert 'key="simulated"' in metadata and "2019-06" in metadata


@pytest.mark.long
def test_tiles_of_a_network_of_shares_and_all_of_them_together_have_percents(asked, tmp_path, make_checkpoint):
    """Also after the sieve, which changes classes alone."""
    shares = make_checkpoint(composite=SETTINGS.to_json(), window=32, lattice=24, target="share")
    run_jobs(**asked | {"checkpoint": str(shares), "sieve": "0.12ha"})
    out = tmp_path / "out"
    steps_HW = read_map(out / f"{MAP}.tif")[1]
    expected = np.where(steps_HW == 255, 255, np.rint(steps_HW * 100.0 / 254))
    for name in (f"{MAP}_share.tif", f"{MAP}_share.vrt"):
        with rasterio.open(out / name) as file:
            np.testing.assert_array_equal(file.read(1), expected)
            assert file.units == ("%",) and file.colormap(1)[100][:3] == (0xE3, 0x1A, 0x1C)
            assert file.tags()["target"] == "share" and file.tags()["period_start"] == "2019-06-01"
    assert len(list((out / "tiles").rglob("*_share.tif"))) == 8 and not list((out / ".run").rglob("*.tif"))
    collection = json.loads((out / "stac" / "collection.json").read_text())
    assert f"{MAP}_share_cog" in collection["assets"] and collection["assets"][f"{MAP}_share"]["title"].endswith(
        "percent of impervious ground (GDAL virtual file)"
    )


@pytest.mark.long
def test_a_finished_run_makes_nothing_again(asked, finished, broken):
    before = bytes_of(finished)
    attempts = broken(error=Fault("never"))
    status = run_jobs(**asked)
    assert attempts == [] and status.state == "done" and bytes_of(finished) == before


@pytest.mark.long
def test_an_outline_is_cut_by_pixels_and_its_edges_are_those_of_the_unbroken_map(asked, tmp_path):
    """A triangle over several tiles: inside it the pixels of the whole rectangle's map, outside none."""
    west, south, east, north = REGION.bounds_wsen
    shape = REGION.outlined(shapely.Polygon([(west + 0.001, south + 0.001), (east - 0.001, south + 0.001),
                                             (west + 0.001, north - 0.001)]))  # fmt: skip
    run_jobs(**asked | {"region": shape})
    values = read_map(tmp_path / "out" / f"{MAP}.tif")
    grid, single = grid_of(shape), mapped(asked, tmp_path / "whole.tif")
    row, col = round((3416300 - grid.affine.f) / 10), round((grid.affine.c - 212750) / 10)
    cut = single[:, row : row + grid.shape[0], col : col + grid.shape[1]]
    expected = np.where(inside(in_metres(shape), grid), cut, 255)
    assert 0.3 < (expected[0] != 255).mean() < 0.7
    np.testing.assert_array_equal(values, expected)


@pytest.mark.long
def test_at_the_meridian_of_two_zones_each_side_is_its_zones_unbroken_map(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(zones, "REACH_DEG", 0.0)
    west, south, east, north = REGION.bounds_wsen
    parts = zones.of_bbox((west + 0.002, south + 0.002, east - 0.002, north - 0.002), name="across")
    assert [product.epsg for product in parts] == [32649, 32650]
    status = run_jobs(**asked | {"region": parts})
    assert status.state == "done" and "across_201906" in status.maps
    for product, zone in zip(parts, ("49n", "50n"), strict=True):
        values = read_map(tmp_path / "out" / f"across_201906_{zone}.tif")
        unbroken = type(product)(product.name, product.epsg, product.bounds_m, product.origin_m)
        expected = np.where(
            inside(in_metres(product), grid_of(product)), mapped(asked, tmp_path / f"{zone}.tif", unbroken), 255
        )
        assert (expected[0] != 255).any()
        np.testing.assert_array_equal(values, expected)


@pytest.mark.long
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: os.truncate(path, path.stat().st_size // 2),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
    ],
    ids=["gone", "torn", "zeros"],
)
def test_a_damaged_tile_is_made_again_and_only_that(asked, finished, broken, undisturbed, damage):
    damage(sorted((finished / "tiles").rglob("*_prob.tif"))[1])
    attempts = broken(error=Fault("never"))
    run_jobs(**asked)
    assert len(attempts) == 1 and bytes_of(finished) == undisturbed


@pytest.mark.long
def test_a_damaged_cog_is_made_again_from_the_tiles(asked, finished, broken, undisturbed):
    (finished / f"{MAP}.tif").write_bytes(b"II*\0")
    attempts = broken(error=Fault("never"))
    run_jobs(**asked)
    assert attempts == [] and bytes_of(finished) == undisturbed


@pytest.mark.long
def test_a_failing_tile_is_listed_and_the_others_are_kept(asked, tmp_path, broken):
    broken(1, error=Fault("the server will not compute it"))
    status = run_jobs(**asked)
    (failed,) = status.failures
    assert status.state == "failed" and status.made == 3 and failed.reason == "the server will not compute it"
    document = json.loads((tmp_path / "out" / "status.json").read_text())
    assert document["failures"][0]["name"] == failed.name and document["state"] == "failed"
    with pytest.raises(Fault, match=rf"^1 of 4 tiles failed, the first, {failed.name}: the server will not compute it"):
        check_complete(status)
    assert not list((tmp_path / "out").glob("*.vrt")), "no map where a tile is missing"


@pytest.mark.long
def test_a_run_with_a_failed_tile_goes_on_to_the_same_bytes(asked, tmp_path, broken, undisturbed):
    attempts = broken(1, error=Fault("the server will not compute it"))
    run_jobs(**asked)
    status = run_jobs(**asked)
    assert len(attempts) == 5 and status.state == "done" and status.failures == ()
    assert bytes_of(tmp_path / "out") == undisturbed


@pytest.mark.long
def test_a_full_disk_is_one_sentence_and_the_same_call_continues(asked, tmp_path, monkeypatch, undisturbed):
    """The second tile finds the disk full, and the third and fourth as well."""
    original, files = FolderStorage.write_loose, []

    def full(self, name, data):
        files.append(name)
        if len(files) > 4:
            raise disk_fault(self.path(name), OSError(28, "No space left on device"))
        original(self, name, data)

    monkeypatch.setattr(FolderStorage, "write_loose", full)
    status = run_jobs(**asked)
    assert status.made == 1 and all("is full: free some space" in failed.reason for failed in status.failures)
    monkeypatch.undo()
    assert run_jobs(**asked).state == "done" and bytes_of(tmp_path / "out") == undisturbed


@pytest.mark.long
def test_tiles_of_another_checkpoint_are_not_taken(asked, tmp_path, make_checkpoint):
    """The same folder holds another network by now: all tiles are made again beside the former ones."""
    checkpoint = make_checkpoint(composite=SETTINGS.to_json(), window=32, lattice=16)
    run_jobs(**asked)
    first = read_map(tmp_path / "out" / f"{MAP}.tif")
    with pytest.warns(UserWarning, match=f"^{MAP}.tif of other options or another checkpoint is replaced"):
        run_jobs(**asked | {"checkpoint": str(checkpoint)})
    assert len(list((tmp_path / "out" / "tiles").rglob("*.json"))) == 8
    assert not np.array_equal(read_map(tmp_path / "out" / f"{MAP}.tif"), first)


def test_a_checkpoint_that_changes_during_a_run_is_one_sentence(asked, tmp_path, make_checkpoint, monkeypatch):
    other = make_checkpoint(composite=SETTINGS.to_json(), window=32, lattice=16)
    original = work.checkpoint_at
    loads: list[str] = []

    def changed(path, pixels):
        loads.append(path)
        return original(path if len(loads) < 3 else str(other), pixels)

    monkeypatch.setattr(work, "checkpoint_at", changed)
    status = run_jobs(**asked)
    assert status.made == 2 and "holds another checkpoint than when this run began" in status.failures[0].reason


@pytest.mark.long
def test_parts_of_a_run_make_the_whole_between_them(asked, tmp_path, undisturbed):
    states = [run_jobs(**asked, part=f"{index}/3").state for index in (1, 2, 3)]
    assert states == ["partial", "partial", "done"] and bytes_of(tmp_path / "out") == undisturbed


@pytest.mark.long
def test_two_maps_share_a_store_and_each_its_name(asked, tmp_path):
    status = run_jobs(**asked | {"month": None, "period": ["2019-06", "2019-05-20", "2019-06-10"]})
    assert set(status.maps) == {"field_201906", "field_201905p02"} and status.tiles == 8
    assert (tmp_path / "out" / "field_201905p02_50n.tif").exists()


@pytest.mark.long
def test_a_changed_jobs_file_is_told_and_loses_nothing(asked, finished, tmp_path, undisturbed):
    with pytest.warns(UserWarning, match=r"holds maps of other jobs \(field_201906\): they stay, but status.json"):
        run_jobs(**asked | {"month": None, "period": ["2019-05-20", "2019-06-10"]})
    assert undisturbed.items() <= bytes_of(tmp_path / "out").items()


@pytest.mark.long
def test_ground_without_scenes_is_a_receipt_with_the_reason_not_a_hole(asked, tmp_path):
    """A region of twice the plot's width: its east has no scene, which is known and said."""
    right = plots.REGION.bounds_m[2]
    wide = type(REGION)("wide", 32650, (right - 640, 3415100, right + 25_600, 3415680), (right - 640, 3415680))
    status = run_jobs(**asked | {"region": wide, "tile_px": 512})
    assert status.state == "done" and 0 < status.maps["wide_201906"].without_data < status.tiles
    receipts = [json.loads(path.read_text()) for path in (tmp_path / "out" / "tiles").rglob("*.json")]
    empty = [receipt["empty"] for receipt in receipts if not receipt["files"]]
    assert empty and all("cannot be composed" in reason or "has a value in every band" in reason for reason in empty)


def test_a_map_without_any_data_is_a_fault(asked):
    status = run_jobs(**asked | {"month": "2019-09"})
    reason = "region .* cannot be composed for 2019-09: found Sentinel-2 0 scenes .*choose another month"
    with pytest.raises(Fault, match=rf"field_201909: none of its tiles has data \(4 tried\): {reason}"):
        check_complete(status)


def test_a_status_of_no_run_is_one_sentence(asked):
    with pytest.raises(ValueError, match=r"holds no status.json: no run has begun there"):
        run_jobs(**asked, status=True)


@pytest.mark.long
def test_the_status_counts_the_tiles_that_are_there(asked, tmp_path, broken):
    broken(2, error=Fault("no"))
    run_jobs(**asked)
    status = run_jobs(**asked, status=True)
    assert status.state == "failed" and status.made == 3 and len(status.failures) == 1
    assert "3 of 4 tiles are made" in str(status)


@pytest.mark.long
@pytest.mark.parametrize("band", ["", "_prob"])
def test_the_tile_index_shows_the_same_pixels_as_the_map(finished, band):
    """GDAL's GTI driver (3.9) reads the GeoPackage; it is of rasterio's own GDAL."""
    with (
        rasterio.open(finished / f"{MAP}{band}.gti.gpkg", driver="GTI") as index,
        rasterio.open(finished / f"{MAP}{band}.tif") as one_file,
    ):
        assert (index.shape, index.crs, index.nodata) == (one_file.shape, one_file.crs, one_file.nodata)
        assert index.transform.almost_equals(one_file.transform)
        np.testing.assert_array_equal(index.read(1), one_file.read(1))
