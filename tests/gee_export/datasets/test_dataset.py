"""The patch dataset format (docs/reference/formats.md, "Patch dataset"): round trip, determinism,
statistics, damage.
"""

from __future__ import annotations

import json
import subprocess
import sys

import geopandas
import numpy as np
import pytest
import rasterio
from shapely.geometry import box

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets import dataset
from isamap.gee_export.datasets.dataset import Dataset
from tests.support import samples


@pytest.fixture
def written(tmp_path):
    return dataset.write(tmp_path / "data", samples.head(), samples.samples())


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pixels_come_back_as_they_went_in(written, tmp_path):
    opened = Dataset.open(tmp_path / "data")
    for sample in samples.samples():
        np.testing.assert_array_equal(opened.read_image(sample.id), sample.image_BHW)
        np.testing.assert_array_equal(opened.read_label(sample.id), sample.label_HW)


def test_the_manifest_and_index_come_back_equal(written, tmp_path):
    opened = Dataset.open(tmp_path / "data")
    assert opened.manifest == written.manifest and opened.patches == written.patches
    assert opened.fingerprint == written.fingerprint


def test_the_same_samples_in_another_order_give_the_same_bytes(tmp_path):
    dataset.write(tmp_path / "a", samples.head(), samples.samples())
    dataset.write(tmp_path / "b", samples.head(), reversed(samples.samples()))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_gis_programs_see_scale_names_no_data_and_place(written, tmp_path):
    patch = written.patches[3]
    with rasterio.open(tmp_path / "data" / patch.image_name) as source:
        assert source.descriptions == ("B2", "B8", "VV")
        assert source.scales == (1e-4, 1e-4, 0.01)
        assert source.nodata == -32768 and source.dtypes == ("int16",) * 3
        # wuhan's upper left corner is 212750 3416360 (docs/reference/formats.md, "Patch dataset")
        assert source.bounds.left == 212750 + 10 * patch.col and source.bounds.top == 3416360 - 10 * patch.row
    with rasterio.open(tmp_path / "data" / patch.label_name) as source:
        assert source.nodata == 255 and source.dtypes == ("uint8",)


@pytest.mark.parametrize("simulated", [True, False])
def test_a_patch_alone_says_whether_it_is_simulated(tmp_path, simulated):
    """`isamap map --input` takes these tags over: every map made from the simulated world says so."""
    actual = dataset.write(tmp_path, samples.head(simulated=simulated), samples.samples(1))
    with rasterio.open(tmp_path / actual.patches[0].image_name) as source:
        assert source.tags()["simulated"] == str(simulated).lower() and source.tags()["backscatter"] == "sigma0"


def test_statistics_are_those_of_the_valid_train_pixels(written):
    train = [s.image_BHW for s in samples.samples() if s.split == "train"]
    for index, band in enumerate(samples.BANDS):
        stored = np.stack([image[index] for image in train])
        physical = stored[stored != -32768] * band.scale
        actual = written.manifest.statistics[band.name]
        assert actual.mean == pytest.approx(physical.mean(), rel=1e-12)
        assert actual.std == pytest.approx(physical.std(), rel=1e-9)
        assert (actual.min, actual.max) == pytest.approx((physical.min(), physical.max()))
        assert actual.valid_share == pytest.approx(physical.size / stored.size)


def test_the_index_is_geoparquet_in_id_order_with_footprints_on_the_ground(written, tmp_path):
    frame = geopandas.read_parquet(tmp_path / "data" / "patches.parquet")
    assert list(frame.id) == sorted(frame.id) and frame.crs.to_epsg() == 4326
    back = frame.geometry.to_crs(32650).iloc[0]
    left, top = 212750 + 10 * frame.col[0], 3416360 - 10 * frame.row[0]
    expected = box(left, top - 10 * samples.SIZE, left + 10 * samples.SIZE, top)
    assert back.symmetric_difference(expected).area < 1


def test_shares_count_known_labels_and_wholly_valid_pixels(written):
    for sample in samples.samples():
        patch = next(p for p in written.patches if p.id == sample.id)
        listed = sample.label_HW[sample.label_HW != 255]
        assert patch.impervious_share == pytest.approx((listed == 1).mean())
        assert patch.valid_share == pytest.approx((sample.image_BHW != -32768).all(axis=0).mean())


def test_a_dataset_without_labels_says_how_to_get_them(tmp_path):
    actual = dataset.write(tmp_path, samples.head(label=None), samples.samples(labelled=False))
    assert actual.patches[0].impervious_share is None
    with pytest.raises(ValueError, match="--label worldcover"):
        actual.read_label(actual.patches[0])


def test_no_file_names_the_machine_or_the_hour(written, tmp_path):
    text = (tmp_path / "data" / "manifest.json").read_text()
    assert str(tmp_path) not in text and not {"created", "host", "time"} & json.loads(text).keys()


def test_damaged_and_missing_files_are_named(written, tmp_path):
    written.verify()
    first, second = written.patches[0], written.patches[1]
    path = tmp_path / "data" / first.image_name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (tmp_path / "data" / second.label_name).unlink()
    assert written.damaged() == [first.image_name, second.label_name]
    with pytest.raises(Fault, match=f"2 files are missing or corrupt: {first.image_name}"):
        written.verify()


def test_a_cut_off_geotiff_is_a_fault_not_pixels(written, tmp_path):
    path = tmp_path / "data" / written.patches[0].image_name
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(Fault, match="is damaged"):
        written.read_image(written.patches[0])


@pytest.mark.parametrize("folder", ["images", "labels"])
def test_a_whole_file_of_another_export_is_not_read_as_this_ones(written, tmp_path, folder):
    """Same name, size and bands, other pixels: only the checksum in patches.parquet tells."""
    dataset.write(tmp_path / "other", samples.head(), samples.samples(seed=1))
    name = f"{folder}/{written.patches[0].id}.tif"
    (tmp_path / "data" / name).write_bytes((tmp_path / "other" / name).read_bytes())
    read = written.read_image if folder == "images" else written.read_label
    with pytest.raises(Fault, match=f"{name} is damaged or of another export"):
        read(written.patches[0])


def test_a_half_written_dataset_is_no_dataset(written, tmp_path):
    (tmp_path / "data" / "manifest.json").unlink()
    with pytest.raises(ValueError, match="run the same export again"):
        Dataset.open(tmp_path / "data")


@pytest.mark.parametrize(
    ("change", "words"),
    [({"version": 2}, "version 2; this program reads version 1"), ({"size": None}, "damaged"), ("{", "not JSON")],
)
def test_foreign_manifests_are_refused(written, tmp_path, change, words):
    path = tmp_path / "data" / "manifest.json"
    path.write_text(change if isinstance(change, str) else json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(Fault, match=words):
        Dataset.open(tmp_path / "data")


def test_samples_of_a_wrong_shape_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected \(3, 16, 16\)"):
        dataset.write(tmp_path, samples.head(bands=samples.BANDS), [narrow(samples.samples(1)[0])])


def narrow(sample):
    return dataset.Sample("wuhan", "201906", 0, 0, "train", sample.image_BHW[:, :, :8], sample.label_HW[:, :8])


def test_rasterio_is_loaded_by_one_thread_at_a_time():
    """Threads that begin with different parts of rasterio deadlock in Python's import locks."""
    script = (
        "import sys\n"
        "from isamap.gee_export.datasets import geotiff\n"
        "seen = []\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'rasterio': seen.append(geotiff._LOADING.locked())\n"
        "sys.meta_path.insert(0, Watch())\n"
        "try: geotiff.decode(b'', 'nothing.tif')\n"
        "except geotiff.Fault: pass\n"
        "sys.exit(0 if seen and all(seen) else 1)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_reading_an_index_leaves_no_thread_behind(written, tmp_path):
    """One that lets go of the bytes while Python ends aborts the process: exit code 134 instead of 2."""
    script = (
        "import os, sys, pyarrow.parquet\n"
        "from isamap.gee_export.datasets import index\n"
        "data, before = open(sys.argv[1], 'rb').read(), len(os.listdir('/proc/self/task'))\n"
        "index.decode(data, 'patches.parquet')\n"
        "sys.exit(len(os.listdir('/proc/self/task')) - before)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "data" / "patches.parquet")], check=True)
