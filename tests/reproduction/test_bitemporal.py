"""Real tiles of two dates: the layout is read, date A is brought to its place, and nothing false passes."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets.dataset import Dataset
from isamap.reproduction import bitemporal, real_pairs
from isamap.reproduction.bitemporal import AFTER, BEFORE, RATIO, SIDE, TileFolder
from isamap.reproduction.reproduce import reproduce
from tests.support.one_thread import one_thread  # noqa: F401 (a fixture)
from tests.support.shared_data import SHARED, needs_shared
from tests.support.tile_folder import write_tiles

SPLITS = ("train", "train", "train", "val", "test", "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("tiles"), SPLITS, down_px=1)


def test_the_shift_of_date_a_is_found(folder):
    """South by a pixel: what belongs at y is found 10 m below."""
    shift = bitemporal.shift_of(TileFolder(folder))
    dx, dy = shift.at(np.array([504_800.0]), np.array([3_398_000.0]))
    assert dx[0] == pytest.approx(0, abs=1) and dy[0] == pytest.approx(-10, abs=1)


def test_date_a_lies_on_date_b_after_it(folder, tmp_path):
    """Away from edges and changed squares the two dates of made-up tiles are one picture."""
    likeness = {}
    for make in (bitemporal.moved, bitemporal.as_it_came):
        make(folder, tmp_path / make.__name__)
        data = Dataset.open(str(tmp_path / make.__name__))
        names = list(data.manifest.band_names)
        patch = data.patches[0]
        image, changed = data.read_image(patch), data.read_fine_label(patch).reshape(SIDE, RATIO, SIDE, RATIO)
        same = ~changed.any(axis=(1, 3))
        same[[0, 1, -2, -1]] = False
        pair = image[names.index("B4")][same], image[names.index("B4_before")][same]
        likeness[make.__name__] = np.corrcoef(*pair)[0, 1]
    assert likeness["moved"] > 0.995 > likeness["as_it_came"]


def test_a_patch_has_both_dates_the_finer_image_and_both_labels(folder, tmp_path):
    bitemporal.as_it_came(folder, tmp_path / "data")
    data = Dataset.open(str(tmp_path / "data"))
    assert data.manifest.band_names == (*AFTER, *BEFORE) and not data.manifest.simulated
    assert [data.manifest.counts[split] for split in ("train", "val", "test")] == [3, 1, 2]
    patch = data.in_split("test")[0]
    changed = np.unpackbits(np.load(folder / bitemporal.LABELS)["4_7"]).reshape(256, 256)
    np.testing.assert_array_equal(data.read_fine_label(patch), changed)
    assert data.read_label(patch)[10, 20] == (changed[40:44, 80:84].sum() > 8)
    b11 = data.read_image(patch)[AFTER.index("B11")]
    assert (b11[::2] == b11[1::2]).all()


def test_the_finer_image_gets_mean_and_deviation_of_the_coarser():
    rng = np.random.default_rng(0)
    coarse = rng.uniform(10, 90, (2, 8, 8))
    fine = 5 + 3 * coarse.repeat(4, axis=1).repeat(4, axis=2)
    np.testing.assert_allclose(bitemporal.matched(fine, coarse)[:, ::4, ::4], coarse)


@pytest.mark.parametrize(
    ("data", "words"), [([], "give one folder with tiles.csv"), (["nowhere"], "nowhere lacks tiles.csv")]
)
def test_without_the_files_the_study_says_what_it_needs(data, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        reproduce("jointseg-real", data, tmp_path, say=lambda _: None)


def test_a_damaged_picture_is_named(folder, tmp_path):
    copy = write_tiles(tmp_path / "copy", ("train",))
    (copy / "0_7_gf1_B.webp").write_bytes(b"RIFF")
    with pytest.raises(Fault, match=r"0_7_gf1_B\.webp cannot be read"):
        bitemporal.as_it_came(copy, tmp_path / "data")


@pytest.mark.long
def test_both_studies_judge_every_row(folder, tmp_path, monkeypatch):
    for name in ("jointseg-real", "jointseg-real-sharp"):
        small = {
            label: real_pairs.Training(run.recipe, {**run.settings, "epochs": "1", "batch": "2"}, run.data)
            for label, run in real_pairs.RUNS.items()
        }
        monkeypatch.setattr(real_pairs, "RUNS", small)
        report = reproduce(name, [folder], tmp_path / "out", seeds=1, say=lambda _: None)
        assert not any(used.simulated for used in report.data)
        assert all(line.mean(report.order_by) is not None for line in report.lines)


@needs_shared
@pytest.mark.long
def test_date_a_of_the_real_tiles_lies_a_pixel_off():
    """The sample's README measured 10 m by correlation, the review 9.3 by tiles of their own."""
    shift = bitemporal.shift_of(TileFolder(SHARED / "ms_hs_bcd"))
    assert (
        shift.order == 0 and shift.dx[0] == pytest.approx(0.3, abs=0.5) and shift.dy[0] == pytest.approx(-9.4, abs=0.6)
    )
