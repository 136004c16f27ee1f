"""What a user gets wrong, and what breaks: one sentence that names the thing, the right exit code, no traceback."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine

import isamap
from isamap.gee_export.base.errors import FAULT, USER_MISTAKE
from isamap.training.checkpoints import checkpoint
from isamap.training.models import build

NAMES = ("B2", "B3", "B4", "B8", "VV", "VH")
PLACE = "--region wuhan --bbox 114.28 30.55 114.30 30.57"
CUT = "--size 32 --stride 32 --split random --max-patches 10"
ASSET = "projects/local/assets/bad/input"


@pytest.fixture(scope="module")
def shelf(session, tmp_path_factory):
    """A dataset, a checkpoint, a raster and a map that are whole, beside files and folders that are not."""
    root = tmp_path_factory.mktemp("shelf")
    assert isamap.main(f"export {PLACE} {CUT} --out {root}/data".split()) == 0
    _checkpoint(root / "run")
    _raster(root / "image.tif", NAMES, crs="EPSG:32650")
    _raster(root / "nowhere.tif", NAMES, crs=None)
    _raster(root / "few.tif", NAMES[:4], crs="EPSG:32650")
    _raster(root / "corrupt.tif", NAMES, crs="EPSG:32650", compress="deflate")
    full = (root / "corrupt.tif").read_bytes()
    (root / "corrupt.tif").write_bytes(full[:20_000] + bytes(4000) + full[24_000:])
    assert isamap.main(f"map --checkpoint {root}/run --input {root}/image.tif --out {root}/map.tif".split()) == 0
    (root / "cut.tif").write_bytes((root / "map.tif").read_bytes()[:700])
    (root / "file").write_text("no folder\n")
    (root / "open.geojson").write_text("{")
    (root / "empty").mkdir()
    return root


def _checkpoint(folder):
    norms = {"B": ("reflectance", 0.2, 0.1), "V": ("dB", -12.0, 4.0)}
    bands = [checkpoint.BandNorm(name, *norms[name[0]]) for name in NAMES]
    torch.manual_seed(0)
    network = build("unet", NAMES, {"widths": (4, 8, 8)}).eval()
    facts = {
        "classes": ("pervious", "impervious"),
        "window": 64,
        "lattice": 48,
        "thresholds": {"impervious": 0.5},
        "composite": {},
        "backscatter": "sigma0",
        "simulated": True,
    }
    checkpoint.save(checkpoint.of_network(network, "unet", bands, **facts), network, folder)


def _raster(path, names, **profile):
    values = np.random.default_rng(0).uniform(0.1, 0.3, (len(names), 64, 64)).astype(np.float32)
    values[[name[0] == "V" for name in names]] -= 12
    location = {"transform": Affine(10, 0, 212750, 0, -10, 3416360)} if profile["crs"] else {}
    shape = {"count": len(names), "height": 64, "width": 64, "dtype": "float32"}
    with rasterio.open(path, "w", driver="GTiff", **shape, **location, **profile) as target:
        target.write(values)
        target.descriptions = names


def said(capsys, shelf, line, code):
    """The one sentence that a command ends with."""
    capsys.readouterr()
    assert isamap.main([word.replace("_SPACE_", " ") for word in line.format(shelf=shelf).split()]) == code
    notices = capsys.readouterr().err
    assert "Traceback" not in notices and "unexpected" not in notices
    return notices.strip().splitlines()[-1]


MISTAKES = {
    # where and when
    "export --region wuhann": "did you mean wuhan",
    "export --region wuhan --month 2013-01": "before the missions",
    "export --region wuhan --month 2019-13": "expected YYYY-MM",
    "export --region wuhan --month 2999-01": "in the future",
    "export --region wuhan --period 2019-02-01 2019-01-01": "2019-02-01..2019-01-01 is empty",
    f"export {PLACE} {CUT} --month 2017-12 --set level=l2a --out {{shelf}}/gap": "choose 2019 or later",
    "export --bbox 179.9 10 -179.9 10.1 --epsg 32660": "crosses the antimeridian",
    "export --bbox 0 10 60 50": "one grid holds at most",
    "export --bbox 114.3 30.5 114.2 30.6": "W < E",
    "export --bbox nan 30 114.3 31": "finite",
    "export --region wuhan --bbox 116 30 116.02 30.02": "outside region 'wuhan'",
    "export --region wuhan --bbox 10 50 10.1 50.1": "leave --region out",
    "export --geometry {shelf}/absent.geojson": "was not found",
    "export --geometry {shelf}/open.geojson": "holds no vectors that can be read",
    "export": "nothing says where",
    # how
    f"export {PLACE} --size 0": "--size 0: expected",
    f"export {PLACE} --size 100000": "--size 100000: expected",
    f"export {PLACE} --stride 0": "--stride 0: expected",
    f"export {PLACE} --max-patches 0": "--max-patches 0: expected",
    f"export {PLACE} --workers 41": "--workers 41: expected",
    f"export {PLACE} --max-frames 3": "--max-frames 3 is of --frames",
    f"export {PLACE} --label foo": "label product 'foo'",
    f"export {PLACE} --speckle foo": "--speckle foo: expected one of none, boxcar",
    f"export {PLACE} --clouds foo": "--clouds foo: expected one of cloud_score_plus",
    f"export {PLACE} --reducer foo": "--reducer foo: expected one of mean",
    f"export {PLACE} --bands B2 B99": "no band B99",
    f"export {PLACE} --bands --size 32": "--bands needs at least one value",
    f"export {PLACE} --split foo": "--split foo: expected one of blocks, balanced, random",
    # what is there
    f"export {PLACE} --size 64 --out {{shelf}}/data": "other settings",
    f"export {PLACE} --out {{shelf}}/fresh --catalog {{shelf}}/absent": "catalog",
    f"export {PLACE} --out {{shelf}}/fresh --catalog {{shelf}}/empty": "holds no GeoTIFF",
    f"export {PLACE} --out gs://": "names no bucket",
    f"export {PLACE} --out gs://Bad_Bucket!/x": "address 'gs://Bad_Bucket!/x': expected a bucket of",
    f"export {PLACE} --min-impervious 0.3": "--min-impervious is of --sample impervious, not grid",
    f"export {PLACE} --sample points --strata 0 .5 1": "--strata is of --sample strata, not points",
    f"export {PLACE} --fine-scale 2": "--fine-scale 2 is of a --fine image",
    f"export {PLACE} --fine-bands R": "are of a --fine image",
    f"export {PLACE} --out=": "--out is empty: give a folder",
    f"export {PLACE} --seed -1": "--seed -1: expected",
    f"export {PLACE} --hold-out nanjing": "expected some of",
    "labels nothing": "`isamap labels` lists them",
    # training
    "train --data {shelf}/data --recipe foo --out {shelf}/r": "foo",
    "train --data {shelf}/data --out {shelf}/r --set garbage": "KEY=VALUE",
    "train --data {shelf}/data --out {shelf}/r --set epoch=3": "did you mean epochs",
    "train --data {shelf}/data --out {shelf}/r --set epochs=many": "a whole number",
    "train --data {shelf}/absent --out {shelf}/r": "no finished dataset",
    "evaluate --checkpoint {shelf}/run --data {shelf}/data --split foo": "split 'foo'",
    "evaluate --checkpoint {shelf}/absent --data {shelf}/data": "no checkpoint there",
    "evaluate --checkpoint {shelf}/run --data {shelf}/data --device tpu": "device 'tpu'",
    # maps
    "map --checkpoint {shelf}/data --region wuhan --month 2020-06 --out {shelf}/m.tif": "no checkpoint there",
    "map --checkpoint {shelf}/run --input {shelf}/few.tif --out {shelf}/m.tif": "lacks bands VV, VH",
    "map --checkpoint {shelf}/run --input {shelf}/nowhere.tif --out {shelf}/m.tif": "coordinate reference system",
    "map --checkpoint {shelf}/run --input {shelf}/file --out {shelf}/m.tif": "give a GeoTIFF",
    "map --checkpoint {shelf}/run --input {shelf}/absent.tif --out {shelf}/m.tif": "no such file",
    "map --checkpoint {shelf}/run --input {shelf}/image.tif --out {shelf}/m.png": "ends in .tif",
    "map --checkpoint {shelf}/run --region wuhan --month 2999-01 --out {shelf}/m.tif": "in the future",
    "map --checkpoint {shelf}/run --out {shelf}/m.tif": "nothing to map",
    # years
    "years {shelf}/map.tif --out {shelf}/years": "1 maps: give 2 to 100",
    "years {shelf}/map.tif {shelf}/image.tif --out {shelf}/years": "no map of isamap",
    "years {shelf}/map.tif {shelf}/absent.tif --out {shelf}/years": "no such file",
    "engine serve --port 99999": "--port 99999: expected",
    # assets
    f"publish {{shelf}}/absent.tif --asset {ASSET}": "no such file",
    f"publish {{shelf}}/image.tif --asset {ASSET}": "no map of isamap",
    f"publish {{shelf}}/file --asset {ASSET}": "not a GeoTIFF",
    "publish {shelf}/map.tif --asset bad/input": "expected projects/PROJECT/assets/NAME",
    "publish {shelf}/map.tif --asset projects/local/assets/2020.06": "periods are refused",
    "publish {shelf}/map.tif --asset projects/local/assets/a_SPACE_b": "try projects/local/assets/a_b",
    "publish {shelf}/map.tif --asset projects/some-project/assets/a --project some-project": "give --bucket",
    f"publish {{shelf}}/map.tif --asset {ASSET} --project some-project": "is the local engine's",
    "publish {shelf}/map.tif --asset projects/some-project/assets/a": "add --project some-project --bucket NAME",
    "view {shelf}/image.tif --out {shelf}/v.png": "no map of isamap",
    "view {shelf}/cut.tif --out {shelf}/v.png": "cut.tif",
    "view {shelf}/map.tif --out {shelf}/v.jpg": "ends in .png",
}

FAULTS = {
    f"export {PLACE} --out {{shelf}}/file": "a file stands where a folder belongs",
    f"export {PLACE} --out {{shelf}}/file/in": "a file stands where a folder belongs",
    "map --checkpoint {shelf}/run --input {shelf}/corrupt.tif --out {shelf}/m.tif": "corrupt.tif is damaged",
    "map --checkpoint {shelf}/run --input {shelf}/image.tif --out {shelf}/file/m.tif": "a file stands where",
    "view {shelf}/map.tif --out {shelf}/file/v.png": "a file stands where a folder belongs",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_sentence(capsys, shelf, line):
    assert MISTAKES[line] in said(capsys, shelf, line, USER_MISTAKE)


@pytest.mark.parametrize("line", FAULTS)
def test_a_fault_is_one_sentence(capsys, shelf, line):
    assert FAULTS[line] in said(capsys, shelf, line, FAULT)


def test_nothing_of_a_refused_command_stays(shelf):
    assert not [name for name in ("r", "m.tif", "v.png", "v.jpg", "m.png") if (shelf / name).exists()]
    assert not [path for name in ("fresh", "gap") for path in (shelf / name).glob("[!.]*")]


def _drop_image(folder):
    min((folder / "images").iterdir()).unlink()


def _cut_image(folder):
    path = min((folder / "images").iterdir())
    path.write_bytes(path.read_bytes()[:500])


def _cut_manifest(folder):
    (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes()[:300])


def _drop_index(folder):
    (folder / "patches.parquet").unlink()


def _cut_index(folder):
    (folder / "patches.parquet").write_bytes((folder / "patches.parquet").read_bytes()[:300])


@pytest.mark.parametrize("harm", [_drop_image, _cut_image, _cut_manifest, _drop_index, _cut_index])
def test_a_half_written_dataset_is_not_read_and_the_same_export_mends_it(capsys, shelf, tmp_path, monkeypatch, harm):
    shutil.copytree(shelf / "data", tmp_path / "data")
    harm(tmp_path / "data")
    with monkeypatch.context() as patch:
        patch.setenv("ISAMAP_HOME", str(tmp_path / "home"))  # without the training cache of the whole dataset
        line = f"evaluate --checkpoint {{shelf}}/run --data {tmp_path}/data"
        assert str(tmp_path / "data") in said(capsys, shelf, line, FAULT)
    assert isamap.main(f"export {PLACE} {CUT} --out {tmp_path}/data".split()) == 0
    assert _bytes(tmp_path / "data") == _bytes(shelf / "data")


def _bytes(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and ".run" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _no_weights(folder):
    (folder / "weights.safetensors").unlink()


def _cut_weights(folder):
    (folder / "weights.safetensors").write_bytes((folder / "weights.safetensors").read_bytes()[:1000])


def _cut_description(folder):
    (folder / "checkpoint.json").write_bytes((folder / "checkpoint.json").read_bytes()[:200])


@pytest.mark.parametrize("harm", [_no_weights, _cut_weights, _cut_description])
def test_a_damaged_checkpoint_maps_nothing(capsys, shelf, tmp_path, harm):
    shutil.copytree(shelf / "run", tmp_path / "run")
    harm(tmp_path / "run")
    line = f"map --checkpoint {tmp_path}/run --input {{shelf}}/image.tif --out {tmp_path}/m.tif"
    assert str(tmp_path / "run") in said(capsys, shelf, line, FAULT)
    assert not (tmp_path / "m.tif").exists()


def test_a_checkpoint_of_another_version_is_refused(capsys, shelf, tmp_path):
    shutil.copytree(shelf / "run", tmp_path / "run")
    note = tmp_path / "run" / "checkpoint.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"version": 99}))
    line = f"map --checkpoint {tmp_path}/run --input {{shelf}}/image.tif --out {tmp_path}/m.tif"
    assert "version 99" in said(capsys, shelf, line, USER_MISTAKE)


def test_an_asset_is_not_replaced_by_other_content_unasked(capsys, shelf, tmp_path):
    assert isamap.main(f"publish {shelf}/map.tif --asset {ASSET}".split()) == 0
    assert isamap.main(f"publish {shelf}/map.tif --asset {ASSET}".split()) == 0
    _raster(tmp_path / "other.tif", NAMES, crs="EPSG:32651")
    assert isamap.main(f"map --checkpoint {shelf}/run --input {tmp_path}/other.tif --out {tmp_path}/m.tif".split()) == 0
    assert "--overwrite" in said(capsys, shelf, f"publish {tmp_path}/m.tif --asset {ASSET}", USER_MISTAKE)
