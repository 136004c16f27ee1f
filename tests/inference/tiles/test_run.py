"""A run over tiles: its map is that of `isamap map`, pixel for pixel, however and however often it is run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

import inference
from gee_export.base import feature_table, zones
from gee_export.base.atomic import disk_fault
from gee_export.base.errors import Fault
from gee_export.base.grid import grid_of
from gee_export.base.outline import in_metres, inside
from gee_export.base.storage import FolderStorage
from inference.tiles import work
from inference.tiles.run import check_complete, run_jobs
from tests.inference.tiles.conftest import MAP, REGION, bytes_of
from tests.support import plot as plots
from tests.support.map_files import read_map


def mapped(asked, out: Path, region=REGION, **how) -> np.ndarray:
    """What `isamap map` makes of a region."""
    options = {name: asked[name] for name in ("month", "catalog", "progress")}
    inference.map_region(asked["checkpoint"], region=region, out=out, **options, **how)
    return read_map(out)


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


def test_the_tiles_together_are_the_map_of_the_whole_region(asked, tmp_path):
    """Also at the seams of tiles, with all ground around them seen."""
    status = run_jobs(**asked)
    assert status.state == "done" and status.made == status.tiles == 4
    np.testing.assert_array_equal(read_map(tmp_path / "out" / f"{MAP}.tif"), mapped(asked, tmp_path / "whole.tif"))


def test_receipts_say_what_each_tile_took(asked, tmp_path):
    run_jobs(**asked)
    for path in (tmp_path / "out" / "tiles").glob("*.json"):
        receipt = json.loads(path.read_text())
        assert all(receipt["measured"][name] > 0 for name in ("seconds", "cpu_s", "peak_mb", "eecu_s", "process"))
        assert receipt["facts"]["period"] == ["2019-06-01", "2019-07-01"]


def test_the_index_shows_what_the_cog_holds(asked, tmp_path, undisturbed):
    run_jobs(**asked)
    for name in (MAP, f"{MAP}_prob"):
        with (
            rasterio.open(tmp_path / "out" / f"{name}.vrt") as index,
            rasterio.open(tmp_path / "out" / f"{name}.tif") as cog,
        ):
            np.testing.assert_array_equal(index.read(), cog.read())
            assert index.transform == cog.transform and index.crs == cog.crs and index.nodata == cog.nodata == 255
            assert index.descriptions == cog.descriptions


def test_the_cog_is_a_map_for_every_other_command(asked, tmp_path):
    run_jobs(**asked)
    report = inference.view(tmp_path / "out" / f"{MAP}.tif", out=tmp_path / "view.png")
    assert (tmp_path / "view.png").stat().st_size > 10_000 and report is not None


def test_a_finished_run_makes_nothing_again(asked, tmp_path, broken):
    run_jobs(**asked)
    before = bytes_of(tmp_path / "out")
    attempts = broken(error=Fault("never"))
    status = run_jobs(**asked)
    assert attempts == [] and status.state == "done" and bytes_of(tmp_path / "out") == before


def test_an_outline_is_cut_by_pixels_and_its_edges_are_those_of_the_unbroken_map(asked, tmp_path):
    """A triangle over several tiles: inside it the pixels of the whole rectangle's map, outside none."""
    west, south, east, north = REGION.bounds_wsen
    shape = REGION.outlined(shapely.Polygon([(west + 0.001, south + 0.001), (east - 0.001, south + 0.001),
                                             (west + 0.001, north - 0.001)]))  # fmt: skip
    run_jobs(**asked | {"region": shape})
    values = read_map(tmp_path / "out" / f"{MAP}.tif")
    grid, whole = grid_of(shape), mapped(asked, tmp_path / "whole.tif")
    row, col = round((3416300 - grid.affine.f) / 10), round((grid.affine.c - 212750) / 10)
    cut = whole[:, row : row + grid.shape[0], col : col + grid.shape[1]]
    expected = np.where(inside(in_metres(shape), grid), cut, 255)
    assert 0.3 < (expected[0] != 255).mean() < 0.7
    np.testing.assert_array_equal(values, expected)


def test_at_the_meridian_of_two_zones_each_side_is_its_zones_unbroken_map(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(zones, "REACH_DEG", 0.0)
    west, south, east, north = REGION.bounds_wsen
    parts = zones.of_bbox((west + 0.002, south + 0.002, east - 0.002, north - 0.002), name="across")
    assert [part.epsg for part in parts] == [32649, 32650]
    status = run_jobs(**asked | {"region": parts})
    assert status.state == "done" and "across_201906" in status.maps
    for part, zone in zip(parts, ("49n", "50n"), strict=True):
        values = read_map(tmp_path / "out" / f"across_201906_{zone}.tif")
        unbroken = type(part)(part.name, part.epsg, part.bounds_m, part.origin_m)
        expected = np.where(
            inside(in_metres(part), grid_of(part)), mapped(asked, tmp_path / f"{zone}.tif", unbroken), 255
        )
        assert (expected[0] != 255).any()
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: os.truncate(path, path.stat().st_size // 2),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
    ],
    ids=["gone", "torn", "zeros"],
)
def test_a_damaged_tile_is_made_again_and_only_that(asked, tmp_path, broken, undisturbed, damage):
    run_jobs(**asked)
    damage(sorted((tmp_path / "out" / "tiles").glob("*_prob.tif"))[1])
    attempts = broken(error=Fault("never"))
    run_jobs(**asked)
    assert len(attempts) == 1 and bytes_of(tmp_path / "out") == undisturbed


def test_a_damaged_cog_is_made_again_from_the_tiles(asked, tmp_path, broken, undisturbed):
    run_jobs(**asked)
    (tmp_path / "out" / f"{MAP}.tif").write_bytes(b"II*\0")
    attempts = broken(error=Fault("never"))
    run_jobs(**asked)
    assert attempts == [] and bytes_of(tmp_path / "out") == undisturbed


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


def test_a_run_with_a_failed_tile_goes_on_to_the_same_bytes(asked, tmp_path, broken, undisturbed):
    attempts = broken(1, error=Fault("the server will not compute it"))
    run_jobs(**asked)
    status = run_jobs(**asked)
    assert len(attempts) == 5 and status.state == "done" and status.failures == ()
    assert bytes_of(tmp_path / "out") == undisturbed


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


def test_tiles_of_another_checkpoint_are_not_taken(asked, tmp_path, make_checkpoint):
    """The same folder holds another network by now: all tiles are made again beside the former ones."""
    from tests.inference.tiles.conftest import SETTINGS

    other = make_checkpoint("hrnet", composite=SETTINGS.to_json(), window=32, lattice=24)
    run_jobs(**asked)
    first = read_map(tmp_path / "out" / f"{MAP}.tif")
    run_jobs(**asked | {"checkpoint": str(other)})
    assert len(list((tmp_path / "out" / "tiles").glob("*.json"))) == 8
    assert not np.array_equal(read_map(tmp_path / "out" / f"{MAP}.tif"), first)


def test_a_checkpoint_that_changes_during_a_run_is_one_sentence(asked, tmp_path, make_checkpoint, monkeypatch):
    from tests.inference.tiles.conftest import SETTINGS

    other = make_checkpoint(composite=SETTINGS.to_json(), window=32, lattice=16)
    original = work.checkpoint_at
    loads: list[str] = []

    def changed(path, pixels):
        loads.append(path)
        return original(path if len(loads) < 3 else str(other), pixels)

    monkeypatch.setattr(work, "checkpoint_at", changed)
    status = run_jobs(**asked)
    assert status.made == 2 and "holds another checkpoint than when this run began" in status.failures[0].reason


def test_parts_of_a_run_make_the_whole_between_them(asked, tmp_path, undisturbed):
    states = [run_jobs(**asked, part=f"{number}/3").state for number in (1, 2, 3)]
    assert states == ["partial", "partial", "done"] and bytes_of(tmp_path / "out") == undisturbed


def test_two_maps_share_a_store_and_each_its_name(asked, tmp_path):
    status = run_jobs(**asked | {"month": None, "period": ["2019-06", "2019-05-20", "2019-06-10"]})
    assert set(status.maps) == {"field_201906", "field_201905p02"} and status.tiles == 8
    assert (tmp_path / "out" / "field_201905p02_50n.tif").exists()


def test_ground_without_scenes_is_a_receipt_with_the_reason_not_a_hole(asked, tmp_path):
    """A region of twice the plot's width: its east has no scene, which is known and said."""
    right = plots.REGION.bounds_m[2]
    wide = type(REGION)("wide", 32650, (right - 640, 3415100, right + 25_600, 3415680), (right - 640, 3415680))
    status = run_jobs(**asked | {"region": wide, "tile_px": 512})
    assert status.state == "done" and 0 < status.maps["wide_201906"].without_data < status.tiles
    receipts = [json.loads(path.read_text()) for path in (tmp_path / "out" / "tiles").glob("*.json")]
    empty = [receipt["empty"] for receipt in receipts if not receipt["files"]]
    assert empty and all("cannot be composed" in reason or "has a value in every band" in reason for reason in empty)


def test_a_map_without_any_data_is_a_fault(asked):
    status = run_jobs(**asked | {"month": "2019-09"})
    with pytest.raises(Fault, match="field_201909: none of its 4 tiles has data"):
        check_complete(status)


def test_a_status_of_no_run_is_one_sentence(asked):
    with pytest.raises(ValueError, match=r"holds no status.json: no run has begun there"):
        run_jobs(**asked, status=True)


def test_the_status_counts_the_tiles_that_are_there(asked, tmp_path, broken):
    broken(2, error=Fault("no"))
    run_jobs(**asked)
    status = run_jobs(**asked, status=True)
    assert status.state == "failed" and status.made == 3 and len(status.failures) == 1
    assert "3 of 4 tiles are made" in str(status)


@pytest.mark.parametrize("band", ["", "_prob"])
def test_the_tile_index_shows_the_same_pixels_as_the_map(asked, tmp_path, band):
    """GDAL's GTI driver (3.9) reads the GeoPackage; it is of rasterio's own GDAL."""
    run_jobs(**asked)
    with (
        rasterio.open(tmp_path / "out" / f"{MAP}{band}.gti.gpkg", driver="GTI") as index,
        rasterio.open(tmp_path / "out" / f"{MAP}{band}.tif") as one_file,
    ):
        assert (index.shape, index.crs, index.nodata) == (one_file.shape, one_file.crs, one_file.nodata)
        assert index.transform.almost_equals(one_file.transform)
        np.testing.assert_array_equal(index.read(1), one_file.read(1))


def test_the_tile_index_holds_the_outlines_of_the_tiles(asked, tmp_path):
    run_jobs(**asked)
    table = feature_table.read_table(tmp_path / "out" / f"{MAP}.gti.gpkg")
    for outline, location in zip(table.shapes, table.columns["location"], strict=True):
        with rasterio.open(tmp_path / "out" / location) as tile:
            assert outline.bounds == pytest.approx(tuple(tile.bounds))
    assert len(table.shapes) == 4 and table.crs.to_epsg() == 32650
