"""The threshold of CLAHE: patches put together on their ground, the best F1, a checkpoint that maps with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

import isamap
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets.dataset import Grid, Sample, write
from isamap.inference.map_files.legend import Legend
from isamap.inference.mapping import calibration
from isamap.inference.mapping.calibration import best_threshold, calibrate_step
from isamap.inference.mapping.mosaic import Mosaic, mosaics
from isamap.inference.postprocessing.postprocess import PixelOffset, clahe, equalised
from isamap.training.accuracy.evaluation import source_for
from isamap.training.accuracy.metrics import scores
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import build
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import BANDS, manifest, scene

SIZE, STRIDE, ROWS, COLS = 32, 24, 3, 2
TWO = Legend(("pervious", "impervious"))
NAMES = tuple(BANDS)


@pytest.fixture(scope="module", autouse=True)
def own_home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISAMAP_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def block(tmp_path_factory) -> Path:
    """Six overlapping validation patches of one place (and others to train and test), cut from one picture."""
    folder = tmp_path_factory.mktemp("block") / "data"
    side = 5 * SIZE
    image, label = scene(NAMES, side, np.random.default_rng(0))
    head = manifest(NAMES, SIZE, 5, stride=STRIDE, split={"kind": "random"})
    grid = Grid.of(GeoBox((side, side), Affine(10, 0, 212750, 0, -10, 3416360), "EPSG:32650"))
    head = type(head)(**{**vars(head), "grids": {"town": grid}})
    corners = [("val", STRIDE * r, STRIDE * c) for r in range(ROWS) for c in range(COLS)]
    corners += [("train", 100, 0), ("test", 100, 60), ("test", 100, 84)]

    def samples():
        for split, row, col in corners:
            cut = slice(row, row + SIZE), slice(col, col + SIZE)
            yield Sample("town", "201906", row, col, split, image[(slice(None), *cut)], label[cut])

    write(folder, head, samples())
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A small U-Net that nobody taught."""
    import torch

    torch.manual_seed(5)
    network = build("unet", NAMES, {"widths": (4, 8)}).eval()
    norms = [ck.BandNorm(name, BANDS[name][0], BANDS[name][2], BANDS[name][3]) for name in NAMES]
    facts = {"classes": TWO.names, "thresholds": {"impervious": 0.5}, "composite": {}, "backscatter": "sigma0"}
    folder = tmp_path_factory.mktemp("run") / "best"
    ck.save(ck.of_network(network, "unet", norms, simulated=True, **facts), network, folder)
    return folder


def test_patches_lie_where_they_were_cut(run, block):
    """Labels of overlapping patches fit together; what no patch covers is not known."""
    checkpoint = ck.load(run)
    (picture,) = mosaics(checkpoint, source_for(checkpoint, block), "val")
    _, label = scene(NAMES, 5 * SIZE, np.random.default_rng(0))
    height, width = STRIDE * (ROWS - 1) + SIZE, STRIDE * (COLS - 1) + SIZE
    np.testing.assert_array_equal(picture.label_HW, label[:height, :width])
    assert picture.known_HW.all() and picture.offset == PixelOffset(0, 0)
    np.testing.assert_allclose(picture.impervious_HW + picture.other_HW, 1, atol=1e-6)
    (test,) = mosaics(checkpoint, source_for(checkpoint, block), "test")
    assert test.offset == PixelOffset(100, 60) and test.known_HW.shape == (SIZE, 24 + SIZE)


def test_overlapping_patches_are_averaged(run, block):
    from isamap.training.accuracy.predictions import predicted

    checkpoint = ck.load(run)
    source = source_for(checkpoint, block)
    (picture,) = mosaics(checkpoint, source, "val")
    (batch,) = predicted(checkpoint, source, source.split("val"))
    first, right = batch.probabilities_BKHW[0, 1], batch.probabilities_BKHW[1, 1]
    middle = (first[:STRIDE, STRIDE:] + right[:STRIDE, : SIZE - STRIDE]) / 2
    np.testing.assert_allclose(picture.impervious_HW[:STRIDE, STRIDE:SIZE], middle, atol=1e-6)


def picture_of(seed: int, legend: Legend = TWO) -> Mosaic:
    """Labels that a noisy probability half betrays, dim on the left: what CLAHE was made for."""
    rng = np.random.default_rng(seed)
    label_HW = (rng.random((120, 130)) < 0.3).astype(np.uint8) * legend.impervious
    truth_HW = label_HW == legend.impervious
    p_HW = np.clip((0.35 + 0.2 * truth_HW + 0.1 * rng.standard_normal(label_HW.shape)), 0, 1).astype(np.float32)
    label_HW[rng.random(label_HW.shape) < 0.05] = 255
    known_HW = np.ones(label_HW.shape, bool)
    known_HW[:10] = False
    others = np.zeros_like(label_HW) if legend.binary else np.full_like(label_HW, 2)
    return Mosaic(p_HW, 1 - p_HW, others, label_HW, known_HW, PixelOffset(7, 9))


def f1_at(pictures, threshold: float) -> float:
    """By trying it."""
    counts = np.zeros((2, 2), np.int64)
    for picture in pictures:
        judged = picture.known_HW & (picture.label_HW != 255)
        pairs = 2 * picture.label_HW[judged].astype(int) + picture.classes(clahe, threshold, TWO)[judged]
        counts += np.bincount(pairs, minlength=4).reshape(2, 2)
    return scores(counts).classes[1].f1


def test_no_other_threshold_is_better():
    """Against trying many of them."""
    pictures = [picture_of(0), picture_of(1)]
    actual = best_threshold(pictures, TWO)
    tried = [f1_at(pictures, (level + 0.5) / 255) for level in range(0, 256, 5)]
    assert f1_at(pictures, actual) >= max(tried) > min(tried)
    assert 0 < actual < 1 and max(tried) > f1_at(pictures, 2.0)


def test_a_threshold_lies_between_two_levels():
    """So that no rounding decides a pixel."""
    level = best_threshold([picture_of(0)], TWO) * 255 - 0.5
    assert level == pytest.approx(round(level), abs=1e-9)


def test_the_mask_counts_where_it_can_decide():
    """docs/reference/networks.md, "CLAHE": impervious wins on the mask above half the best other one, off it above
    twice that.
    """
    picture = picture_of(2)
    wins = picture.classes(clahe, 0.5, TWO) == 1
    mask = equalised(picture.impervious_HW, picture.known_HW, picture.offset) > 0.5 * 255
    factor = np.where(mask, 2, 0.5)
    expected = picture.impervious_HW * factor > picture.other_HW
    np.testing.assert_array_equal(wins[picture.known_HW], expected[picture.known_HW])


def test_labels_without_impervious_ground_are_refused():
    picture = picture_of(0)
    picture.label_HW[:] = 0
    with pytest.raises(ValueError, match="no impervious pixel"):
        best_threshold([picture], TWO)


def test_a_calibrated_copy_maps_with_its_threshold(run, block, tmp_path):
    report = calibrate_step(run, block, tmp_path / "copy")
    before, after = ck.load(run), ck.load(tmp_path / "copy")
    assert after.thresholds == {"impervious": 0.5, "clahe": report.threshold}
    assert (after.weights_sha256, after.config) == (before.weights_sha256, before.config)
    assert after.fingerprint != before.fingerprint and after.origin["clahe"]["split"] == "val"
    val, test = report.compared
    assert (val.split, test.split) == ("val", "test")
    assert val.plain.sum() == val.processed.sum() == (STRIDE * (ROWS - 1) + SIZE) * (STRIDE + SIZE)
    assert "with     impervious F1" in str(report)


def test_the_command_calibrates_either_threshold(run, block, tmp_path, capsys):
    words = f"calibrate --checkpoint {run} --data {block} --out"
    assert isamap.main([*words.split(), str(tmp_path / "a"), "--post", "clahe", "--batch", "3"]) == 0
    assert "clahe with threshold" in capsys.readouterr().out
    assert isamap.main([*words.split(), str(tmp_path / "b")]) == 0
    assert "impervious from" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"post": "none"}, "expected one of clahe"),
        ({"split": "test"}, "so that test stays unseen"),
    ],
)
def test_wrong_calibrations_are_refused(run, block, tmp_path, how, words):
    with pytest.raises(ValueError, match=words):
        calibrate_step(run, block, tmp_path / "copy", **how)
    assert not (tmp_path / "copy").exists()


def test_a_folder_that_holds_something_is_left_alone(run, block, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        calibrate_step(run, block, tmp_path)


def test_a_copy_that_cannot_be_written_is_told_before_anything_is_counted(run, block, tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "mosaics", lambda *_, **__: pytest.fail("computed"))
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match="a file stands where a folder belongs"):
        calibrate_step(run, block, tmp_path / "file" / "copy")
