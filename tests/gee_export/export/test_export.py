"""The export of the plot: right pixels, resumable at any moment, the same bytes always, clear refusals."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely

from isamap.gee_export.base import regions
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.progress_log import ProgressLog
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.plan import ExportPlan
from isamap.gee_export.requests import pixels, transport
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import Settings
from tests.support import killed
from tests.support import plot as plots

pytestmark = pytest.mark.usefixtures("small_requests")

SUPPORT = Path(__file__).parents[2] / "support"
BANDS = [*plots.BANDS, "VV", "VH"]


@pytest.fixture
def export(plot_session):
    def call(out, **changes):
        return export_patches(**(killed.ASKED | changes), out=out, session=plot_session)

    return call


@pytest.fixture(scope="module")
def whole(plot_session, tmp_path_factory):
    """An export that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "data"
    export_patches(**killed.ASKED, out=out, session=plot_session)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(".run/")}


def interrupted(export, out, monkeypatch, after: int) -> None:
    """An export whose server dies after so many requests."""
    sent = []

    async def dying(line, body):
        sent.append(1)
        if len(sent) > after:
            raise Fault("the line is dead")
        return await alive(line, body)

    alive = transport.HttpLine.send
    with monkeypatch.context() as patch:
        patch.setattr(transport.HttpLine, "send", dying)
        with pytest.raises(Fault, match="line is dead"):
            export(out, workers=1)


@pytest.mark.long
def test_patches_hold_the_composite_rounded_half_to_even(whole, plot, plot_session, monkeypatch):
    monkeypatch.setattr(pixels, "REQUEST_LIMIT_BYTES", 48 << 20)
    dataset = Dataset.open(whole)
    image = composite.build(plots.REGION, regions.Month(2019, 6).period, Settings.of(speckle="none"))
    raster = pixels.fetch(image.packed, plots.GRID, [*BANDS])
    codes = plot.codes["v100"]
    label = np.where(codes == 50, 1, np.where(np.isin(codes, (0, 44)), 255, 0))
    stored = np.where(raster.valid_BHW, np.rint(raster.values_BHW), -32768).astype(np.int16)
    for patch in dataset.patches:
        rows, cols = slice(patch.row, patch.row + 32), slice(patch.col, patch.col + 32)
        np.testing.assert_array_equal(dataset.read_image(patch), stored[:, rows, cols])
        np.testing.assert_array_equal(dataset.read_label(patch), label[rows, cols])


def test_the_dataset_is_whole_and_says_where_it_is_from(whole):
    dataset = Dataset.open(whole)
    dataset.verify()
    head = dataset.manifest
    assert head.source == {"server": "local-engine", "catalog": dataset.manifest.source["catalog"]}
    assert head.simulated is False and head.backscatter == "sigma0"
    assert head.scenes["plot"]["201906"]["sentinel1"]["scenes"] == 3
    assert head.label["asset"] == "ESA/WorldCover/v100"


def test_observations_per_pixel_are_those_of_the_whole_area(whole, plot):
    """Over the pixels that the patches need, each counted once."""
    facts = Dataset.open(whole).manifest.scenes["plot"]["201906"]["sentinel2"]["observations_per_pixel"]
    clear = np.sum([score >= np.float32(0.6) for score in plot.clear_score.values()], axis=0)
    job = ExportJob((RegionGrid.of(plots.REGION),), (regions.Month(2019, 6).period,), size=32, stride=20)
    count = np.concatenate([clear[request.window.slices].ravel() for request in ExportPlan.of(job).requests])
    assert facts == {"min": count.min(), "mean": pytest.approx(count.mean(), abs=1e-4), "max": count.max()}


@pytest.mark.long
@pytest.mark.parametrize("moment", ["in a block", "in a patch", "before the manifest"])
def test_after_kill_minus_nine_the_same_command_gives_the_same_bytes(moment, whole, export, plot, tmp_path):
    out = tmp_path / "data"
    environment = {**os.environ, "ISAMAP_HOME": str(tmp_path / "home"), "PYTHONPATH": f"{SUPPORT}:{SUPPORT.parents[1]}"}
    command = [sys.executable, str(SUPPORT / "killed.py"), str(plot.folder), str(out), moment]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == -9, result.stderr
    assert not (out / "manifest.json").exists()
    fetched = sum("block" in row for row in ProgressLog(out / ".run").rows())
    report = export(out)
    assert report.requests <= 9 - fetched
    assert contents(out) == contents(whole)


@pytest.mark.long
def test_finished_blocks_are_not_fetched_again(export, tmp_path, monkeypatch, whole):
    out = tmp_path / "data"
    interrupted(export, out, monkeypatch, after=5)
    report = export(out)
    assert report.requests == report.fetched == 4
    assert contents(out) == contents(whole)


@pytest.mark.long
def test_a_run_that_was_cut_otherwise_is_gone_on_with(export, tmp_path, monkeypatch, whole):
    """Another version may ask for blocks of another size."""
    out = tmp_path / "data"
    interrupted(export, out, monkeypatch, after=5)
    monkeypatch.setattr(pixels, "REQUEST_LIMIT_BYTES", 36 * 90 * 90)
    assert export(out).blocks == 4
    images = {name: data for name, data in contents(out).items() if name.endswith(".tif")}
    assert images == {name: data for name, data in contents(whole).items() if name.endswith(".tif")}


@pytest.mark.long
def test_a_corrupt_block_is_fetched_again(export, tmp_path, monkeypatch, whole):
    out = tmp_path / "data"
    interrupted(export, out, monkeypatch, after=5)
    block = sorted((out / ".run" / "blocks").glob("*.block"))[-1]
    data = bytearray(block.read_bytes())
    data[-100] ^= 255
    block.write_bytes(data)
    assert export(out).requests == 5
    assert contents(out) == contents(whole)


def test_a_finished_export_is_left_alone(whole, export):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*.tif")}
    report = export(whole)
    assert report.requests == 0 and "already complete" in str(report)
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*.tif")} == before


def test_blocks_are_removed_and_the_ledger_stays(whole):
    assert sorted(path.name for path in (whole / ".run").iterdir()) == [
        "head.json",
        "ledger.jsonl",
        "lock",
        "log.txt",
        "revision",
    ]


@pytest.mark.long
def test_damaged_files_of_a_finished_export_are_mended(whole, export, tmp_path):
    out = tmp_path / "data"
    export(out)
    victims = Dataset.open(out).patches[5], Dataset.open(out).patches[40]
    (out / victims[0].image_name).write_bytes(b"II*")
    (out / victims[1].label_name).unlink()
    report = export(out)
    assert 0 < report.requests < 9
    assert contents(out) == contents(whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stride": 30}, "stride is 20 there, 30 asked"),
        ({"speckle": "lee"}, 'settings.speckle is "none" there, "lee" asked'),
        ({"label": "none"}, "label"),
        ({"month": "2019-07"}, "2019-06"),
    ],
)
def test_other_settings_are_refused_by_name(whole, export, change, words):
    with pytest.raises(ValueError, match=words):
        export(whole, **change)


def test_other_settings_are_refused_in_a_half_written_dataset_too(export, tmp_path, monkeypatch):
    interrupted(export, tmp_path / "data", monkeypatch, after=2)
    with pytest.raises(ValueError, match="size is 32 there, 40 asked"):
        export(tmp_path / "data", size=40)


def test_another_label_file_of_the_same_name_is_refused(export, tmp_path):
    """Also where the dataset is complete: it holds the labels of a file that is gone."""
    file = tmp_path / "own.geojson"
    options = {"out": tmp_path / "data", "label": f"{file}#extent=all", "size": 128, "stride": 128}
    file.write_text(shapely.to_geojson(shapely.box(114.03, 30.83, 114.04, 30.84)))
    export(**options)
    file.write_text(shapely.to_geojson(shapely.box(114.03, 30.83, 114.05, 30.84)))
    with pytest.raises(ValueError, match=r"asked.label.sha256 is"):
        export(**options)


def test_a_folder_of_other_files_is_refused(export, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="no export of this machine has begun"):
        export(tmp_path)


def test_an_unwritable_place_is_a_sentence(export, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="cannot be written"):
        export(tmp_path / "file" / "data")


@pytest.mark.long
def test_a_full_disk_is_a_sentence_and_nothing_is_lost(export, tmp_path, monkeypatch, whole):
    def full(path, data):
        if path.name.endswith(".part") and "_r00100_" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(path, data)

    original = Path.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(Fault, match="is full: free some space"):
            export(tmp_path / "data")
    export(tmp_path / "data")
    assert contents(tmp_path / "data") == contents(whole)


def test_two_exports_do_not_share_a_folder(export, tmp_path):
    with ProgressLog(tmp_path / "data" / ".run").locked(), pytest.raises(Fault, match="another export"):
        export(tmp_path / "data")


@pytest.mark.long
def test_outside_an_outline_everything_is_missing(export, tmp_path):
    left, bottom, right, top = plots.REGION.bounds_m
    corner = shapely.Polygon([(left + 90, top - 90), (right - 90, top - 90), (left + 90, bottom + 90)])
    (tmp_path / "corner.geojson").write_text(json.dumps(in_degrees(corner)))
    export(tmp_path / "data", geometry=tmp_path / "corner.geojson")
    dataset = Dataset.open(tmp_path / "data")
    for patch in dataset.patches:
        x, y = pixel_centres(dataset.geobox(patch))
        distance = shapely.distance(shapely.points(x, y), corner.exterior)
        inside, margin = shapely.contains_xy(corner, x, y), distance < 1  # straight in degrees or in metres: 1 m
        image, label = dataset.read_image(patch), dataset.read_label(patch)
        assert (image[:, ~inside & ~margin] == -32768).all() and (label[~inside & ~margin] == 255).all()
        assert (inside | margin).any()
        assert (image[:, inside & ~margin] != -32768).any() or not (inside & ~margin).any()
    positions = export(tmp_path / "other", dry_run=True).positions
    assert dataset.manifest.split["positions"] < positions


@pytest.mark.long
def test_a_box_holds_the_same_patches_as_the_whole(whole, export, tmp_path):
    left, bottom, right, top = plots.REGION.bounds_m
    piece = in_degrees(shapely.box(left + 250, bottom + 250, right - 250, top - 250))
    export(tmp_path / "data", bbox=shapely.geometry.shape(piece).bounds, split="random")
    mine, theirs = Dataset.open(tmp_path / "data"), Dataset.open(whole)
    listed = {patch.id for patch in theirs.patches}
    shared = [patch for patch in mine.patches if patch.id in listed]
    assert shared
    for patch in shared:
        np.testing.assert_array_equal(mine.read_image(patch), theirs.read_image(patch.id))
        assert mine.geobox(patch) == theirs.geobox(patch.id)


@pytest.mark.long
def test_a_random_split_says_that_it_leaks(export, tmp_path):
    report = export(tmp_path / "data", split="random", label="none")
    assert "leaks" in str(report)
    assert "leaks" in Dataset.open(tmp_path / "data").manifest.split["regions"]["plot"]["note"]


@pytest.mark.long
def test_a_limited_export_fetches_only_what_its_patches_need(export, tmp_path, whole):
    report = export(tmp_path / "data", max_patches=12)
    dataset = Dataset.open(tmp_path / "data")
    assert {patch.split for patch in dataset.patches} == {"train", "val", "test"}
    assert len(dataset.patches) <= 12
    assert report.request_bytes <= 36 * 12 * 32 * 32
    theirs = Dataset.open(whole)
    shared = {patch.id for patch in dataset.patches} & {patch.id for patch in theirs.patches}
    assert shared
    for id_ in shared:
        np.testing.assert_array_equal(dataset.read_image(id_), theirs.read_image(id_))


def test_a_month_without_scenes_leaves_no_dataset(export, tmp_path):
    with pytest.raises(ValueError, match="2019-07"):
        export(tmp_path / "data", month="2019-07")
    assert contents(tmp_path / "data") == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"region": None}, "--region NAME"),
        ({"region": "wuhn"}, "did you mean wuhan"),
        ({"month": "2019-13"}, "1 to 12"),
        ({"size": 400}, "no patch of 400 x 400"),
        ({"stride": 0}, "--stride 0"),
        ({"label": "gaia"}, "no edition for 2019"),
        ({"split": "blcks"}, "blocks, balanced, random"),
        ({"workers": 100}, "1 to 40"),
        ({"max_patches": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(export, tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        export(tmp_path / "data", **change)
    assert not (tmp_path / "data").exists()


def in_degrees(geometry) -> dict:
    from pyproj import Transformer

    to_degrees = Transformer.from_crs(32650, 4326, always_xy=True)
    turned = shapely.transform(geometry, lambda points: np.column_stack(to_degrees.transform(*points.T)))
    return shapely.geometry.mapping(turned)


def pixel_centres(geobox):
    rows, cols = np.mgrid[: geobox.shape[0], : geobox.shape[1]]
    return geobox.affine * (cols + 0.5, rows + 0.5)


def test_halves_become_even_numbers(whole, plot):
    """Means of two scenes end in .5 where the sum is odd: docs/reference/formats.md, "Patch dataset" asks for half to
    even.
    """
    dataset = Dataset.open(whole)
    scenes = [plot.dn[index]["B2"].astype(int) for index in plot.clear_score]
    clear = np.all([score >= np.float32(0.6) for score in plot.clear_score.values()], axis=0)
    halves = clear & (sum(scenes) % 2 == 1)
    patch = next(p for p in dataset.patches if halves[p.row : p.row + 32, p.col : p.col + 32].any())
    window = slice(patch.row, patch.row + 32), slice(patch.col, patch.col + 32)
    assert (dataset.read_image(patch)[0][halves[window]] % 2 == 0).all()


@pytest.mark.long
def test_a_bucket_holds_the_same_bytes_as_a_folder(whole, export, plot_session, tmp_path, monkeypatch):
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    bucket = plot_session.storage_client().create_bucket("patches")
    export("gs://patches/plot")
    stored = {blob.name.removeprefix("plot/"): blob.download_as_bytes() for blob in bucket.list_blobs()}
    assert stored == contents(whole)
    assert "already complete" in str(export("gs://patches/plot"))
    assert Dataset.open("gs://patches/plot", plot_session).fingerprint == Dataset.open(whole).fingerprint
