"""What a dataset holds beside image and label (docs/reference/formats.md, "Patch dataset"): shares, dated frames, finer
images and labels.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets import dataset, index
from isamap.gee_export.datasets.dataset import Band, Dataset, StoredLayer
from isamap.gee_export.datasets.sample import LABEL, Entry, Sample, encode
from isamap.gee_export.datasets.sums import Sums, statistics
from tests.gee_export.datasets.test_dataset import contents
from tests.support import samples

SIZE, RATIO = samples.SIZE, 10
SHARE = Band("share", "percent", 1.0, nodata=255)
RGB = tuple(Band(name, "dn", 1.0, nodata=0) for name in "RGB")
DAYS = ("20190603", "20190608", "20190628")
LAYERS = {
    "shares": StoredLayer((SHARE,), "uint8"),
    "frames": StoredLayer(samples.BANDS, "int16", dates={"wuhan": {"201906": {day: {} for day in DAYS}}}),
    "fine": StoredLayer(RGB, "uint8", RATIO, product={"source": "projects/p/assets/aerial"}),
    "fine_labels": StoredLayer((LABEL,), "uint8", RATIO),
}


def layered(count: int = 6, seed: int = 0) -> list[Sample]:
    """The usual samples with every layer; the second has no frame of the second day, the third none at all."""
    rng = np.random.default_rng(seed)
    layered_samples = []
    for sample_index, plain in enumerate(samples.samples(count)):
        days = {1: (DAYS[0], DAYS[2]), 2: ()}.get(sample_index, DAYS)
        layers = {f"frames/{day}": rng.integers(-2500, 9000, plain.image_BHW.shape).astype(np.int16) for day in days}
        layers["shares"] = rng.integers(0, 101, (1, SIZE, SIZE)).astype(np.uint8)
        layers["fine"] = rng.integers(0, 256, (3, SIZE * RATIO, SIZE * RATIO)).astype(np.uint8)
        layers["fine_labels"] = rng.integers(0, 2, (1, SIZE * RATIO, SIZE * RATIO)).astype(np.uint8)
        position = (plain.region, plain.period, plain.row, plain.col, plain.split)
        layered_samples.append(Sample(*position, plain.image_BHW, plain.label_HW, layers))
    return layered_samples


@pytest.fixture
def written(tmp_path):
    return dataset.write(tmp_path / "data", samples.head(layers=LAYERS), layered())


def test_every_layer_comes_back_as_it_went_in(written, tmp_path):
    opened = Dataset.open(tmp_path / "data")
    assert opened.manifest == written.manifest and opened.patches == written.patches
    for sample in layered():
        np.testing.assert_array_equal(opened.read_share(sample.id), sample.layers["shares"][0])
        np.testing.assert_array_equal(opened.read_fine(sample.id), sample.layers["fine"])
        np.testing.assert_array_equal(opened.read_fine_label(sample.id), sample.layers["fine_labels"][0])
        days, frames = opened.read_frames(sample.id)
        assert frames.dtype == np.int16 and frames.shape == (len(days), 3, SIZE, SIZE)
        for day, frame in zip(days, frames, strict=True):
            np.testing.assert_array_equal(frame, sample.layers[f"frames/{day:%Y%m%d}"])


def test_a_date_that_is_missing_is_no_file_and_no_frame_of_zeros(written, tmp_path):
    days = [written.read_frames(patch)[0] for patch in written.patches[:3]]
    assert days[0] == (date(2019, 6, 3), date(2019, 6, 8), date(2019, 6, 28))
    assert days[1] == (date(2019, 6, 3), date(2019, 6, 28)) and days[2] == ()
    frames = tmp_path / "data" / "frames"
    assert not (frames / written.patches[1].id / "20190608.tif").exists()
    assert set(written.manifest.layers["frames"].dates["wuhan"]["201906"]) == set(DAYS)


def test_fine_pixels_nest_exactly_in_the_patches(written, tmp_path):
    for patch in written.patches:
        coarse, fine = written.geobox(patch), written.geobox(patch, "fine")
        with rasterio.open(tmp_path / "data" / "images" / f"{patch.id}.tif") as source:
            bounds = source.bounds
        with rasterio.open(tmp_path / "data" / "fine" / f"{patch.id}.tif") as source:
            assert source.bounds == bounds and source.res == (1.0, 1.0)
            assert source.transform == fine.affine
        assert tuple(fine.boundingbox) == tuple(coarse.boundingbox)
        assert coarse.affine * (3, 5) == fine.affine * (30, 50)


def test_gis_programs_see_names_scales_and_no_data_of_each_layer(written, tmp_path):
    patch = written.patches[0].id
    with rasterio.open(tmp_path / "data" / "fine" / f"{patch}.tif") as source:
        assert source.descriptions == ("R", "G", "B") and source.nodata == 0 and source.dtypes == ("uint8",) * 3
    with rasterio.open(tmp_path / "data" / "frames" / patch / "20190603.tif") as source:
        assert source.descriptions == ("B2", "B8", "VV") and source.nodata == -32768
        assert source.scales == (1e-4, 1e-4, 0.01)
    for folder in ("shares", "fine_labels"):
        with rasterio.open(tmp_path / "data" / folder / f"{patch}.tif") as source:
            assert source.nodata == 255


def test_statistics_are_of_the_train_splits_valid_pixels(written):
    train = [sample for sample in layered() if sample.split == "train"]
    red = np.concatenate([sample.layers["fine"][0].ravel() for sample in train]).astype(float)
    actual = written.manifest.layers["fine"].statistics["R"]
    assert (actual.mean, actual.std) == pytest.approx((red[red != 0].mean(), red[red != 0].std()))
    assert actual.valid_share == pytest.approx((red != 0).mean())
    blue = np.concatenate([s.layers[k][0].ravel() for s in train for k in s.layers if k.startswith("frames/")])
    assert written.manifest.layers["frames"].statistics["B2"].mean == pytest.approx(blue.mean() * 1e-4)
    assert not written.manifest.layers["shares"].statistics


def test_damage_in_any_layer_is_found(written, tmp_path):
    patch = written.patches[0].id
    names = [f"{layer}/{patch}.tif" for layer in ("fine", "fine_labels", "shares")] + [f"frames/{patch}/20190608.tif"]
    for name in names:
        path = tmp_path / "data" / name
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert sorted(written.damaged()) == sorted(names)
    with pytest.raises(Fault, match="4 files are missing or corrupt"):
        written.verify()
    for read in (written.read_fine, written.read_fine_label, written.read_share, written.read_frames):
        with pytest.raises(Fault, match="is damaged or of another export"):
            read(patch)


def test_other_fine_pixels_change_the_fingerprint(written, tmp_path):
    second = dataset.write(tmp_path / "other", samples.head(layers=LAYERS), layered(seed=1))
    assert second.fingerprint != written.fingerprint


def test_the_same_samples_in_another_order_give_the_same_bytes(written, tmp_path):
    dataset.write(tmp_path / "other", samples.head(layers=LAYERS), reversed(layered()))
    assert contents(tmp_path / "other") == contents(tmp_path / "data")


def test_a_dataset_without_layers_says_how_to_get_them(tmp_path):
    plain = dataset.write(tmp_path, samples.head(), samples.samples(2))
    first = plain.patches[0]
    for read, words in (
        (plain.read_share, "--share"), (plain.read_fine, "--fine"), (plain.read_fine_label, "--fine"),
        (plain.read_frames, "--frames"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            read(first)


def test_the_fingerprint_is_of_manifest_and_index(tmp_path):
    """The rule of commit c2588ec: checkpoints name datasets by it."""
    actual = dataset.write(tmp_path, samples.head(), samples.samples())
    manifest = (tmp_path / "manifest.json").read_bytes()
    assert not {"layers", "skipped"} & json.loads(manifest).keys()
    names = list(index._COLUMNS)
    rows = [{name: getattr(patch, name) for name in names} for patch in actual.patches]
    body = json.dumps({k: v for k, v in json.loads(manifest).items() if k != "digests"}, indent=1) + "\n"
    assert actual.fingerprint == hashlib.sha256(body.encode() + json.dumps(rows).encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ({"fine": np.zeros((3, SIZE, SIZE), np.uint8)}, "expected uint8 .3, 160, 160."),
        ({"fine": np.zeros((3, 160, 160), np.int16)}, "int16 .3, 160, 160., expected uint8"),
        ({"frames/20190603": np.zeros((2, SIZE, SIZE), np.int16)}, "expected int16 .3, 16, 16."),
        ({"thermal": np.zeros((1, SIZE, SIZE), np.uint8)}, "thermal, which the manifest does not name"),
    ],
)
def test_layers_that_are_not_as_the_manifest_says_are_refused(layers, words):
    plain = samples.samples(1)[0]
    sample = Sample("wuhan", "201906", 0, 0, "train", plain.image_BHW, plain.label_HW, layers)
    with pytest.raises(ValueError, match=words):
        encode(sample, samples.head(layers=LAYERS))


def test_unknown_layers_of_a_manifest_are_refused():
    with pytest.raises(ValueError, match="layers thermal, expected some of shares, frames, fine, fine_labels"):
        samples.head(layers={"thermal": LAYERS["fine"]})


def test_a_ledger_line_brings_the_whole_entry_back():
    for sample in layered(3):
        entry, _ = encode(sample, samples.head(layers=LAYERS))
        assert Entry.from_json(json.loads(json.dumps(entry.to_json()))) == entry


arrays = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).choice([-32768, -3, 0, 7, 32767], (2, 5, 4)).astype(np.int16)
)


@pytest.mark.long
@given(arrays, arrays)
def test_sums_of_parts_are_the_sums_of_the_whole(left, right):
    joined = Sums.of(np.concatenate((left, right), axis=1), -32768)
    assert Sums.of(left, -32768) + Sums.of(right, -32768) == joined
    bands = (Band("a", "dn", 2.0, 5.0), Band("b", "dn", 1.0))
    actual = statistics([joined], bands)
    for band_index, band in enumerate(bands):
        stored = np.concatenate((left, right), axis=1)[band_index]
        valid = stored[stored != -32768].astype(float) * band.scale + band.offset
        assert (band.name in actual) == bool(valid.size)
        if valid.size:
            numbers = (actual[band.name].mean, actual[band.name].std, actual[band.name].min, actual[band.name].max)
            assert numbers == pytest.approx((valid.mean(), valid.std(), valid.min(), valid.max()), abs=1e-6)
