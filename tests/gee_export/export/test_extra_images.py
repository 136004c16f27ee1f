"""Exports of foreign images and of pairs of scales, end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.warp import reproject

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import FolderStorage
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.manifest import NODATA, StoredLayer
from isamap.gee_export.datasets.sample import LABEL
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.export.extra_images import LEAST, with_minimum_unit
from tests.gee_export.export.conftest import PLOT_JUNE
from tests.gee_export.export.test_export import contents
from tests.gee_export.images.test_imagery import scene, write
from tests.support import plot as plots
from tests.support.towns import manifest

SUPPORT = Path(__file__).parents[2] / "support"
PAIR = {"size": 16, "stride": 16, "max_patches": 12, "speckle": "none"}


def lattice(step_m, dx=0.0, dy=0.0):
    """Pixels of another step over the plot, moved a little off its corner."""
    shape = (int(10 * plots.HEIGHT / step_m), int(10 * plots.WIDTH / step_m))
    return GeoBox(shape, Affine(step_m, 0, plots.LEFT + dx, 0, -step_m, plots.TOP - dy), "EPSG:32650")


def worldcover_on(plot, geobox):
    """Labels of the plot's WorldCover on other pixels: rasterio's nearest."""
    codes = np.zeros(geobox.shape, np.uint8)
    location = {"src_transform": plots.GRID.affine, "src_crs": "EPSG:32650"}
    target = {"dst_transform": geobox.affine, "dst_crs": str(geobox.crs)}
    reproject(plot.codes["v100"], codes, **location, **target, resampling=Resampling.nearest, tolerance=1e-6)
    is_known = np.isin(codes, [10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100])
    return np.where(is_known, codes == 50, 255).astype(np.uint8)


# -- foreign images


@pytest.mark.long
@pytest.mark.parametrize(("step_m", "size"), [(3, 64), (16, 32)])
def test_chips_of_a_users_image_have_its_pixels_and_the_nearest_labels(export, plot, tmp_path, step_m, size):
    """LandCover3m: 3-m images taught by 10-m labels, nearest-resampled; RU-Net++: 16-m GF-1
    (docs/reference/networks.md, "Losses and measures" and "HRNet: training").

    One grid for image and label, whatever the image's: docs/reference/wishes.md, "Wish 11" and "Wish 12".
    """
    grid = lattice(step_m, dx=1.3, dy=0.7)
    values = scene(grid, 4, "uint16")
    path = write(tmp_path / "gf.tif", values, grid, names=("R", "G", "B", "N"))
    export(tmp_path / "data", image=path, unit="reflectance=0.0001", size=size, stride=size, split="random")
    dataset = Dataset.open(tmp_path / "data")
    assert dataset.manifest.image["product"] == {"image": "gf.tif"} and dataset.manifest.backscatter is None
    assert dataset.manifest.band_names == ("R", "G", "B", "N") and dataset.manifest.bands[0].unit == "reflectance"
    assert len(dataset) == (grid.shape[0] // size) * (grid.shape[1] // size) > 8 or step_m == 16
    for patch in dataset.patches:
        geobox = dataset.geobox(patch)
        rows, cols = slice(patch.row, patch.row + size), slice(patch.col, patch.col + size)
        assert geobox.affine.almost_equals(grid.affine * Affine.translation(patch.col, patch.row))
        np.testing.assert_array_equal(dataset.read_image(patch), values[:, rows, cols])
        np.testing.assert_array_equal(dataset.read_label(patch), worldcover_on(plot, geobox))


def test_labels_of_a_file_on_another_image_ask_nothing_of_the_server(export, plot, tmp_path):
    grid = lattice(4, dx=1.3, dy=0.7)
    path = write(tmp_path / "a.tif", scene(grid, 1, "uint8"), grid)
    label = write(tmp_path / "l.tif", (plot.codes["v100"] == 50).astype(np.uint8)[None], plots.GRID)
    report = export(tmp_path / "data", image=path, label=label, size=64, stride=64, split="random")
    assert report.requests == 0 and report.patches["patches"] > 0
    dataset = Dataset.open(tmp_path / "data")
    expected = worldcover_on(plot, dataset.geobox(dataset.patches[3])) == 1
    np.testing.assert_array_equal(dataset.read_label(dataset.patches[3]) == 1, expected)


@pytest.mark.long
def test_an_image_of_this_machine_says_by_itself_where(plot_session, tmp_path):
    grid = lattice(5)
    path = write(tmp_path / "aerial photo.tif", scene(grid, 3, "uint8"), grid)
    options = {"image": path, "month": "2019-06", "label": "none", "size": 64, "stride": 64, "progress": False}
    export_patches(**options, out=tmp_path / "data", session=plot_session)
    dataset = Dataset.open(tmp_path / "data")
    assert dataset.patches[0].region == "aerial-photo" and len(dataset) == 5 * 5
    assert str(tmp_path) not in (tmp_path / "data" / "manifest.json").read_text()


@pytest.mark.long
def test_patches_without_half_of_the_image_are_left_out_and_counted(export, tmp_path, monkeypatch):
    grid = lattice(5)
    values = scene(grid, 2, "int16")
    values[:, :, : grid.shape[1] // 2] = -999
    path = write(tmp_path / "a.tif", values, grid, nodata=-999)
    options = {"image": path, "size": 32, "stride": 32, "split": "random"}
    stored = FolderStorage.write

    def broken(storage, name, data):
        if name == "manifest.json":
            raise Fault("the disk is gone")
        return stored(storage, name, data)

    with monkeypatch.context() as patch, pytest.raises(Fault, match="the disk is gone"):
        patch.setattr(FolderStorage, "write", broken)
        export(tmp_path / "data", **options)
    report = export(tmp_path / "data", **options)
    assert report.fetched == 0  # what was left out is not looked at again
    dataset = Dataset.open(tmp_path / "data")
    left_out = dataset.manifest.counts["incomplete"]
    assert left_out > 0 and f"{left_out} patches are left out" in str(report)
    assert len(dataset) + left_out == report.positions
    for patch in dataset.patches:
        assert (dataset.read_image(patch)[0] != NODATA).mean() >= 0.5


@pytest.mark.long
def test_training_reads_a_foreign_image_by_band_name(export, tmp_path, monkeypatch):
    """No VV, no 10 m, no backscatter: train and evaluate go by the manifest's names and units."""
    from isamap.training import evaluate, train

    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    grid = lattice(3)
    path = write(tmp_path / "a.tif", scene(grid, 3, "uint16"), grid, names=("R", "G", "N"))
    export(tmp_path / "data", image=path, unit="reflectance=0.0001", size=64, stride=64, split="random")
    train([tmp_path / "data"], "unet-tiny", tmp_path / "run", settings={"epochs": "1", "batch": "4"})
    report = evaluate(tmp_path / "run", [tmp_path / "data"])
    assert report is not None
    checkpoint = json.loads((tmp_path / "run" / "best" / "checkpoint.json").read_text())
    assert [band["name"] for band in checkpoint["bands"]] == ["R", "G", "N"] and checkpoint["backscatter"] is None
    assert checkpoint["dataset"]["step_m"] == 3.0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"image": "nowhere.tif"}, "nowhere.tif was not found"),
        ({"image": "ESA/none"}, "neither a file on this machine nor an asset"),
        ({"image": "a.tif", "frames": ["scenes"]}, "--frames are dates of Sentinel's composite"),
        ({"image": "a.tif", "size": 4000}, "no patch of 4000 x 4000"),
        ({"image": "a.tif", "scale": 0.0}, "--scale 0: expected"),
        ({"fine": "a.tif", "fine_scale": 3.0}, "--fine-scale 3: patches have pixels of 10 m"),
        ({"fine": "a.tif", "fine_scale": 0.0}, "--fine-scale 0"),
        ({"fine": "a.tif", "fine_least": -1.0}, "--fine-least -1: expected square metres"),
        ({"fine_least": 50.0}, "--fine-least is of the labels"),
        ({"fine": "far.tif"}, "far.tif does not cover any part of region 'plot'"),
        ({"frames": ["weeks"]}, "expected scenes, months or days"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(export, tmp_path, monkeypatch, asked, words):
    write(tmp_path / "a.tif", scene(lattice(5), 1, "uint8"), lattice(5))
    far = GeoBox((50, 50), Affine(1, 0, 300_000, 0, -1, 3_000_000), "EPSG:32650")
    write(tmp_path / "far.tif", scene(far, 1, "uint8"), far)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=words):
        export(tmp_path / "data", **asked)
    assert not (tmp_path / "data" / "manifest.json").exists()


# -- pairs of scales


@pytest.fixture(scope="module")
def fine_files(tmp_path_factory):
    """A 1-m aerial image over the plot's west, with buildings beside it."""
    folder = tmp_path_factory.mktemp("fine")
    grid = GeoBox((1600, 900), Affine(1, 0, plots.LEFT, 0, -1, plots.TOP), "EPSG:32650")
    values = scene(grid, 3, "uint8", high=256)
    values[1, ::7] = 0
    houses = np.zeros((1, *grid.shape), np.uint8)
    houses[0, 40:70, 30:75] = 1
    image = write(folder / "aerial.tif", values, grid, names=("R", "G", "B"), compress="deflate", tiled=True)
    return image, write(folder / "houses.tif", houses, grid), values, houses[0]


def pair_of(fine_files):
    image, houses, *_ = fine_files
    return PAIR | {"fine": image, "fine_label": houses, "split": "random"}


@pytest.fixture(scope="module")
def pairs(plot_session, fine_files, tmp_path_factory):
    out = tmp_path_factory.mktemp("pairs") / "data"
    report = export_patches(**(PLOT_JUNE | pair_of(fine_files)), out=out, session=plot_session)
    return out, report


@pytest.mark.long
def test_a_pair_is_the_same_ground_ten_times_finer(pairs, fine_files):
    out, _ = pairs
    *_, values, houses = fine_files
    dataset = Dataset.open(out)
    dataset.verify()
    assert dataset.manifest.layers["fine"].ratio == 10 and dataset.manifest.layers["fine"].dtype == "uint8"
    for patch in dataset.patches:
        fine = dataset.geobox(patch, "fine")
        assert tuple(fine.boundingbox) == tuple(dataset.geobox(patch).boundingbox) and fine.shape == (160, 160)
        rows, cols = slice(10 * patch.row, 10 * patch.row + 160), slice(10 * patch.col, 10 * patch.col + 160)
        expected = np.maximum(values[:, rows, cols], 1)  # 0 is for missing pixels
        width = expected.shape[2]
        np.testing.assert_array_equal(dataset.read_fine(patch)[:, :, :width], expected)
        np.testing.assert_array_equal(dataset.read_fine_label(patch)[:, :width], houses[rows, cols])
        assert (dataset.read_fine(patch)[:, :, width:] == 0).all()


def test_pairs_whose_fine_image_is_missing_are_left_out_and_counted(pairs):
    out, report = pairs
    dataset = Dataset.open(out)
    assert max(patch.col for patch in dataset.patches) <= 88 - 8
    assert dataset.manifest.counts["incomplete"] + len(dataset) == 12
    assert "left out: the images asked show less than half" in str(report)


def test_the_report_of_a_dry_run_counts_the_finer_pixels(export, fine_files, tmp_path, pairs):
    planned = export(tmp_path / "none", dry_run=True, **pair_of(fine_files))
    assert planned.patches["patches"] == 12
    assert planned.pixel_bytes == 12 * (16 * 16 * 13 + 160 * 160 * 4)
    assert planned.request_bytes == pairs[1].request_bytes


@pytest.mark.parametrize("number", [pytest.param(n, marks=pytest.mark.long) for n in (1, 9, 25, 40)])
def test_after_kill_minus_nine_a_pair_export_gives_the_same_bytes(number, pairs, fine_files, export, plot, tmp_path):
    options = pair_of(fine_files) | {"month": "2019-06", "catalog": str(plot.folder)}
    environment = {**os.environ, "ISAMAP_HOME": str(tmp_path / "home"), "PYTHONPATH": str(SUPPORT.parents[1])}
    command = [
        sys.executable,
        str(SUPPORT / "killed_views.py"),
        json.dumps(options),
        str(tmp_path / "data"),
        str(number),
    ]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == -9, result.stderr
    export(tmp_path / "data", **pair_of(fine_files))
    assert contents(tmp_path / "data") == contents(pairs[0])


def test_a_fine_image_of_the_same_name_and_other_pixels_is_refused(pairs, fine_files, export, tmp_path):
    second = tmp_path / Path(fine_files[0]).name
    second.write_bytes(Path(fine_files[0]).read_bytes())
    with rasterio.open(second, "r+") as target:
        target.write(np.full((1, 1), 7, np.uint8), 1, window=((5, 6), (5, 6)))
    with pytest.raises(ValueError, match=r"asked.fine.sha256 is"):
        export(pairs[0], **(pair_of(fine_files) | {"fine": str(second)}))


def test_finer_labels_are_generalised_to_the_unit_in_square_metres():
    """50 m2 on finer pixels of 5 m beside patches of 10 m are two pixels: one alone is taken in, two stay."""
    stored = {"fine_labels": StoredLayer((LABEL,), "uint8", 2, {LEAST: 50.0})}
    head = manifest(("B2",), 32, 1, layers=stored)
    label = np.zeros((1, 64, 64), np.uint8)
    label[0, 10, 10] = label[0, 20, 20:22] = 1
    arrays = with_minimum_unit({"fine_labels": label}, head, next(iter(head.grids.values())).geobox)
    assert not arrays["fine_labels"][0, 10, 10] and arrays["fine_labels"][0, 20, 20:22].all()
    assert with_minimum_unit({"image": label}, head, head.grids["town"].geobox).keys() == {"image"}


@pytest.mark.long
def test_a_scene_of_the_server_is_an_image_too_by_requests_and_by_tasks(export, plot, tmp_path, by_tasks):
    """One asset as the patches' image and, on half its step, as the finer one: --mode batch gives the same bytes."""
    index = next(iter(plot.dn))
    source = f"COPERNICUS/S2_SR_HARMONIZED/{index}"
    options = {"image": source, "bands": ["B4", "B2"], "unit": "reflectance=0.0001", "size": 32, "stride": 32}
    options |= {"fine": source, "fine_bands": ["B8"], "fine_unit": "reflectance", "fine_scale": 5.0, "split": "random"}
    export(tmp_path / "data", **options)
    dataset = Dataset.open(tmp_path / "data")
    assert dataset.manifest.scenes["plot"]["201906"]["fine"]["resampling"] == "bilinear"
    for patch in dataset.patches[::5]:
        window = slice(patch.row, patch.row + 32), slice(patch.col, patch.col + 32)
        np.testing.assert_array_equal(dataset.read_image(patch), [plot.dn[index][b][window] for b in ("B4", "B2")])
        np.testing.assert_array_equal(dataset.read_label(patch), worldcover_on(plot, dataset.geobox(patch)))
        coarse = plot.dn[index]["B8"][window].astype(float)
        fine = dataset.read_fine(patch)[0]
        inner = fine[1:-1, 1:-1].reshape(31, 2, 31, 2).mean(axis=(1, 3))
        expected = (coarse[:-1, :-1] + coarse[1:, :-1] + coarse[:-1, 1:] + coarse[1:, 1:]) / 4
        np.testing.assert_allclose(inner, expected, atol=0.5)
    export(tmp_path / "tasks", **options, **by_tasks)
    assert contents(tmp_path / "tasks") == contents(tmp_path / "data")


@pytest.fixture
def world(session, plot_session):
    yield session.activate()
    plot_session.activate()


@pytest.mark.long
def test_labels_of_the_simulated_world_make_a_real_image_simulated(world, tmp_path):
    grid = lattice(10)
    path = write(tmp_path / "real.tif", scene(grid, 1, "uint8"), grid)
    options = {"image": path, "size": 32, "stride": 32, "month": "2019-06", "session": world, "progress": False}
    report = export_patches(**options, out=tmp_path / "world", label="worldcover")
    assert report.simulated and Dataset.open(tmp_path / "world").manifest.simulated
    assert not export_patches(**options, out=tmp_path / "own", label="none").simulated


@pytest.mark.long
def test_a_fine_image_beside_a_foreign_one_nests_in_its_pixels(export, tmp_path):
    """3-m patches with 1-m pixels: a ratio of three."""
    coarse, fine = lattice(3), lattice(1)
    path = write(tmp_path / "a.tif", scene(coarse, 1, "int16"), coarse)
    values = scene(fine, 1, "int16")
    finer = write(tmp_path / "b.tif", values, fine)
    options = {"image": path, "fine": finer, "label": "none", "size": 48, "stride": 48, "split": "random"}
    export(tmp_path / "data", **options)
    dataset = Dataset.open(tmp_path / "data")
    assert dataset.manifest.layers["fine"].ratio == 3 and "fine_labels" not in dataset.manifest.layers
    patch = dataset.patches[5]
    rows, cols = slice(3 * patch.row, 3 * patch.row + 144), slice(3 * patch.col, 3 * patch.col + 144)
    np.testing.assert_array_equal(dataset.read_fine(patch), values[:, rows, cols])
    with rasterio.open(tmp_path / "data" / "fine" / f"{patch.id}.tif") as source:
        assert source.res == (1.0, 1.0)
