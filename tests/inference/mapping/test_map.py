"""map_region on files: what it writes, what it refuses, how it goes on, how much memory it takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

import isamap
from isamap import inference
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import open_storage
from isamap.gee_export.command_line import console
from isamap.gee_export.earth_engine import session as sessions
from isamap.inference import cli
from isamap.inference.map_files.cog import RowsFile
from isamap.inference.mapping import job
from isamap.training.checkpoints import checkpoint
from tests.inference.conftest import NAMES, WUHAN, stored_scene, write_tif
from tests.support.killed_at import assert_killed_at
from tests.support.map_files import read_map

MAP = "import sys, isamap; isamap.map_region(sys.argv[1], input=sys.argv[2], out=sys.argv[3], progress=False)"
ROOT = Path(__file__).resolve().parents[3]


def made(run: Path, scene: Path, out: Path, **how) -> np.ndarray:
    inference.map_region(run, input=scene, out=out, progress=False, **how)
    return read_map(out)


def test_the_map_lies_on_the_inputs_grid_and_says_what_it_is(run, scene, tmp_path):
    report = inference.map_region(run, input=scene, out=tmp_path / "map.tif", month="2020-06", progress=False)
    with rasterio.open(tmp_path / "map.tif") as stored:
        assert stored.transform == WUHAN and stored.shape == (150, 137) and stored.crs.to_epsg() == 32650
        tags = stored.tags()
    mapped = read_map(tmp_path / "map.tif")
    with rasterio.open(scene) as source:
        missing = (source.read() == -32768).any(axis=0)
    np.testing.assert_array_equal((mapped == 255).all(axis=0), missing)
    assert tags["model"] == "unet" and tags["checkpoint"] == checkpoint.load(run).fingerprint
    assert tags["period_start"] == "2020-06-01" and tags["simulated"] == "false" and tags["input"] == "scene.tif"
    assert report.counts["impervious"] == (mapped[0] == 1).sum()
    assert report.known_share == pytest.approx(1 - missing.mean()) and "\nsimulated" not in str(report)
    names = "map.tif map.tif.aux.xml map.toml map_prob.tif scene.tif"
    assert sorted(path.name for path in tmp_path.iterdir()) == names.split()


@pytest.mark.long
@pytest.mark.parametrize("layout", [{"blockxsize": 16, "blockysize": 16}, {"tiled": False, "blockysize": 150}])
@pytest.mark.parametrize("workers", [1, 3])
def test_the_files_blocks_and_the_workers_never_change_a_pixel(run, scene, tmp_path, layout, workers):
    """docs/reference/performance.md, "P3"."""
    second = write_tif(tmp_path / "other.tif", stored_scene(150, 137), **layout)
    expected = made(run, scene, tmp_path / "a.tif")
    np.testing.assert_array_equal(made(run, second, tmp_path / "b.tif", workers=workers), expected)


@pytest.mark.long
def test_a_checkpoint_in_a_bucket_maps_as_one_in_a_folder(run, scene, tmp_path, session, monkeypatch):
    """Without --project the bucket is the local engine's, as for `isamap evaluate`."""
    session.storage_client().create_bucket("maps-by-network")
    checkpoint.upload(run, open_storage("gs://maps-by-network/run", session), "best")
    monkeypatch.setattr(sessions, "connect", lambda *_, **__: session.activate())
    monkeypatch.setattr(type(session), "close", lambda _: None)  # other tests need it still
    remote = made("gs://maps-by-network/run", scene, tmp_path / "remote.tif")
    np.testing.assert_array_equal(remote, made(run, scene, tmp_path / "local.tif"))


def test_the_same_command_again_does_nothing(run, scene, tmp_path):
    first = inference.map_region(run, input=scene, out=tmp_path / "map.tif", progress=False)
    before = (tmp_path / "map.tif").stat().st_mtime_ns
    again = inference.map_region(run, input=scene, out=tmp_path / "map.tif", progress=False)
    assert again.already_there and (tmp_path / "map.tif").stat().st_mtime_ns == before
    assert again.counts == first.counts and sum(first.counts.values()) > 0


def test_one_missing_band_makes_a_pixel_unknown(run, tmp_path):
    stored = stored_scene(60, 70)
    stored[4, 10:20, 30:45] = -32768
    mapped = made(run, write_tif(tmp_path / "scene.tif", stored), tmp_path / "map.tif")
    np.testing.assert_array_equal(mapped == 255, np.broadcast_to((stored == -32768).any(axis=0), mapped.shape))
    assert (mapped[:, 10:20, 30:45] == 255).all()


def test_work_left_beside_a_finished_map_is_removed(run, scene, tmp_path):
    """A command that was killed between the last rename and its tidying up."""
    made(run, scene, tmp_path / "map.tif")
    job.folder_of(tmp_path / "map.tif").mkdir()
    (job.folder_of(tmp_path / "map.tif") / job.ROWS).write_bytes(b"rows")
    made(run, scene, tmp_path / "map.tif")
    assert not job.folder_of(tmp_path / "map.tif").exists()


@pytest.mark.long
def test_a_map_of_other_settings_is_replaced_only_when_told(run, make_checkpoint, scene, tmp_path):
    second = make_checkpoint("crofusenet")
    before = made(run, scene, tmp_path / "map.tif")
    with pytest.raises(ValueError, match=r"other settings .*model unet there, crofusenet asked.*--overwrite"):
        made(second, scene, tmp_path / "map.tif")
    assert not np.array_equal(made(second, scene, tmp_path / "map.tif", overwrite=True), before)


@pytest.mark.parametrize("name", ["map.tif", "map_prob.tif"])
def test_a_file_that_is_no_map_is_kept(run, scene, tmp_path, name):
    (tmp_path / name).write_text("a letter")
    with pytest.raises(ValueError, match=f"{name} exists and is no map of isamap"):
        made(run, scene, tmp_path / "map.tif")
    assert (tmp_path / name).read_text() == "a letter"


@pytest.mark.long
def test_an_interrupted_map_goes_on_and_is_the_same(run, scene, tmp_path, cut_short):
    """Half of the rows, one of them by half, are there from before."""
    full = made(run, scene, tmp_path / "a.tif")
    cut_short(made, run, scene, tmp_path / "b.tif")
    rows = tmp_path / "b.tif.run" / job.ROWS
    os.truncate(rows, 71 * 2 * 137 + 50)
    report = inference.map_region(run, input=scene, out=tmp_path / "b.tif", progress=False)
    assert report.resumed_rows == 71
    np.testing.assert_array_equal(read_map(tmp_path / "b.tif"), full)
    for end in (".tif", "_prob.tif", ".tif.aux.xml"):
        assert (tmp_path / f"a{end}").read_bytes() == (tmp_path / f"b{end}").read_bytes()


@pytest.mark.long
def test_unfinished_work_of_other_settings_is_not_used(run, make_checkpoint, scene, tmp_path, cut_short):
    cut_short(made, make_checkpoint("crofusenet"), scene, tmp_path / "map.tif")
    mapped = made(run, scene, tmp_path / "map.tif")
    np.testing.assert_array_equal(mapped, made(run, scene, tmp_path / "other.tif"))


def test_a_half_finished_map_of_an_older_isamap_is_not_gone_on_with(run, scene, tmp_path, monkeypatch, cut_short):
    """docs/reference/performance.md, "P3": version 1 did not fold batch normalisation, so half of a map would differ
    from the other in last bits.
    """
    with monkeypatch.context() as patch:
        patch.setattr("isamap.inference.mapping.map.VERSION", 1)
        cut_short(made, run, scene, tmp_path / "half.tif")
    assert not inference.map_region(run, input=scene, out=tmp_path / "half.tif", progress=False).resumed_rows


def test_a_half_finished_map_of_another_device_is_not_gone_on_with(run, scene, tmp_path, cut_short):
    """A GPU's last bits are others; here only its name is, as the machine may have none."""
    cut_short(made, run, scene, tmp_path / "half.tif", device="cpu")
    settings = tmp_path / "half.tif.run" / job.SETTINGS
    assert '"device": "cpu"' in settings.read_text()
    settings.write_text(settings.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    how = {"device": "cpu", "progress": False}
    assert not inference.map_region(run, input=scene, out=tmp_path / "half.tif", **how).resumed_rows


@pytest.mark.long
def test_a_map_killed_while_rows_are_written_goes_on(make_checkpoint, tmp_path):
    """kill -9 with rows that no note counts yet, then the same command."""
    scene = write_tif(tmp_path / "scene.tif", stored_scene(2000, 150))
    run = make_checkpoint("crofusenet")
    words = [str(run), str(scene), str(tmp_path / "killed.tif")]
    rows = RowsFile(tmp_path / "killed.tif.run" / job.ROWS, 150)
    assert_killed_at("isamap.inference.map_files.cog:RowsFile.settle", 4, f"import sys; sys.argv[1:] = {words}; {MAP}")
    assert 0 < rows.settled < rows.rows and not (tmp_path / "killed.tif").exists()
    settled = rows.settled
    report = inference.map_region(run, input=scene, out=tmp_path / "killed.tif", progress=False)
    assert report.resumed_rows == settled
    made(run, scene, tmp_path / "whole.tif")
    assert (tmp_path / "killed.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_two_processes_do_not_make_one_map(run, scene, tmp_path):
    with job.started(tmp_path / "map.tif", {"a": 1}), pytest.raises(Fault, match="another process is making"):
        made(run, scene, tmp_path / "map.tif")


# VmHWM is of this program alone: ru_maxrss would begin with what pytest, which starts it, takes
PEAK_KB = f"{MAP}; print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells what a program takes")
def test_memory_does_not_grow_with_the_height(run, tmp_path):
    """docs/reference/wishes.md, "Wish 20": a raster 6 times as high, 58 MB more as float32, takes no more memory."""
    scene, started = stored_scene(1600, 300), {}
    for name, times in (("short", 1), ("tall", 6)):
        tall = write_tif(tmp_path / f"{name}.tif", np.tile(scene, (1, times, 1)))
        words = [sys.executable, "-c", PEAK_KB, str(run), str(tall), str(tmp_path / f"{name}.map.tif")]
        started[name] = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    peak_kb = {name: int(process.communicate()[0]) for name, process in started.items()}
    assert peak_kb["tall"] - peak_kb["short"] < 20_000


@pytest.mark.long
def test_mapping_a_file_needs_none_of_the_training_libraries(run, scene, tmp_path):
    """docs/reference/performance.md, "P1": 600 MB leave no room for them; `ee` only where it is used."""
    words = [sys.executable, "-c", f"{MAP}; print(*sys.modules)", str(run), str(scene), str(tmp_path / "map.tif")]
    loaded = set(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"pytorch_lightning", "torchmetrics", "sklearn", "geopandas", "pandas", "matplotlib", "ee"}


def said(capsys, *words: str, command=cli.map) -> tuple[int, str]:
    """Exit code and error sentence of a command."""
    code = console.run_command(lambda: command, words, prog="isamap map")
    return code, capsys.readouterr().err


def test_the_command_prints_its_report(run, scene, tmp_path, capsys):
    words = ("--checkpoint", str(run), "--input", str(scene), "--out", str(tmp_path / "map.tif"))
    assert console.run_command(lambda: cli.map, words, prog="isamap map") == 0
    assert "150 x 137 px of 10 m" in capsys.readouterr().out


@pytest.mark.long
@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 301), (203, 5), (130, 129)])
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_one_command_maps_a_raster_of_any_shape_type_and_band_count(run, tmp_path, height, width, dtype):
    """docs/reference/wishes.md, "Wish 21": same grid out, as a COG; here eight bands in another order."""
    stored = stored_scene(height + 20, width + 40)[:, -height:, -width:]
    scales = np.array([1e-4] * 4 + [0.01] * 2)[:, None, None]
    values = stored if dtype == "int16" else (stored * scales).astype(dtype)
    wide = np.concatenate([values[:1], values[::-1], values[:1]])
    names = ("other", *reversed(NAMES), "more")
    options = {"scales": (1e-4, 0.01, 0.01, *[1e-4] * 5)} if dtype == "int16" else {"scales": None, "nodata": None}
    write_tif(tmp_path / "in.tif", wide, names=names, **options)
    words = ["--checkpoint", str(run), "--input", str(tmp_path / "in.tif"), "--out", str(tmp_path / "out.tif")]
    assert isamap.main(["map", *words]) == 0
    with rasterio.open(tmp_path / "out.tif") as kept:
        assert kept.transform == WUHAN and kept.shape == (height, width) and kept.crs.to_epsg() == 32650
        assert kept.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (kept.read(1) != 255).any()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "nothing to map: give --region"),
        (("--region", "wuhn", "--month", "2020-06"), "did you mean wuhan"),
        (("--region", "wuhan"), "give either --month YYYY-MM or --period"),
        (("--region", "wuhan", "--month", "2020-13"), "expected YYYY-MM"),
        (("--region", "wuhan", "--period", "2019", "2020"), "give either --month YYYY-MM or --period"),
        (("--region", "wuhan", "--period", "2019-monsoon"), "season"),
        (("--bbox", "170", "0", "-170", "1", "--month", "2020-06"), "crosses the antimeridian"),
        (("--bbox", "1", "2", "3", "4", "--geometry", "a.geojson"), "give one of them"),
        (("--input", "none.tif"), "no such file"),
        (("--input", "none.tif", "--region", "wuhan"), "leave --region"),
    ],
)
def test_mistakes_are_one_sentence(run, tmp_path, capsys, words, sentence):
    code, error = said(capsys, "--checkpoint", str(run), "--out", str(tmp_path / "map.tif"), *words)
    assert code == console.USER_MISTAKE
    assert sentence in error and error.count("\n") == 1 and "Traceback" not in error


def test_a_checkpoint_that_is_not_there_is_one_sentence(scene, tmp_path, capsys):
    words = ("--checkpoint", str(tmp_path / "none"), "--input", str(scene), "--out", str(tmp_path / "map.tif"))
    code, error = said(capsys, *words)
    assert code == console.USER_MISTAKE and "no checkpoint there" in error


def test_a_network_of_foreign_images_maps_only_files(run, tmp_path, capsys):
    words = ("--checkpoint", str(run), "--region", "wuhan", "--month", "2020-06", "--out", str(tmp_path / "map.tif"))
    code, error = said(capsys, *words)
    assert code == console.USER_MISTAKE and "--input FILE.tif" in error


@pytest.mark.parametrize(("name", "sentence"), [("map.png", "ends in .tif"), (".", "a map is a GeoTIFF")])
def test_an_output_that_is_no_tif_is_refused(run, scene, tmp_path, name, sentence):
    with pytest.raises(ValueError, match=sentence):
        made(run, scene, tmp_path / name)


def test_an_output_folder_that_cannot_be_written_is_a_fault(run, scene, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Fault, match="cannot be written"):
        made(run, scene, tmp_path / "file" / "map.tif")


def test_missing_bands_are_refused_before_anything_is_written(run, tmp_path):
    scene = write_tif(tmp_path / "scene.tif", stored_scene(30, 30)[:4], names=NAMES[:4], scales=(1e-4,) * 4)
    with pytest.raises(ValueError, match="lacks bands VV, VH"):
        made(run, scene, tmp_path / "map.tif")
    assert [p.name for p in tmp_path.iterdir()] == ["scene.tif"]


def test_pixels_of_another_size_are_warned_of(run, tmp_path):
    scene = write_tif(tmp_path / "scene.tif", stored_scene(60, 60), transform=WUHAN * WUHAN.scale(2))
    with pytest.warns(UserWarning, match="pixels of 20 x 20 m"):
        inference.map_region(run, input=scene, out=tmp_path / "map.tif", progress=False)
