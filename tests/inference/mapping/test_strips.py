"""`isamap map --post clahe`: the whole map's own result, whatever it was cut into."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import torch

from isamap.gee_export.base.scheme import SEVEN, UNKNOWN
from isamap.inference.map_files import cog
from isamap.inference.map_files.legend import Legend
from isamap.inference.mapping.map import map_region
from isamap.inference.mapping.predict import quantise
from isamap.inference.mapping.strips import PostprocessPass, contested
from isamap.inference.postprocessing.postprocess import CONTEST, POSTPROCESSING, PixelOffset, clahe
from isamap.training.checkpoints import checkpoint
from isamap.training.models import MODELS, build
from tests.inference.conftest import BANDS, NAMES, stored_scene, write_tif
from tests.support.map_files import read_map
from tests.support.one_thread import one_thread  # noqa: F401

THREE = Legend(("cropland", "impervious", "water"))
THRESHOLDS = {"impervious": 0.5, "clahe": 0.4}


def three_classes(height: int, width: int) -> np.ndarray:
    """Impervious more likely the further down, so that blocks have different histograms."""
    logits = 2 * np.random.default_rng(0).standard_normal((3, height, width))
    logits[1] += np.linspace(-4, 2, height)[:, None]
    powers = np.exp(logits)
    return (powers / powers.sum(axis=0)).astype(np.float32)


def read(path) -> tuple[np.ndarray, dict[str, str]]:
    with rasterio.open(path) as stored:
        return read_map(path), stored.tags()


def test_what_is_kept_of_several_classes():
    probabilities_3HW = three_classes(20, 30)
    kept = contested(probabilities_3HW, THREE)
    np.testing.assert_array_equal(kept[:2], quantise(probabilities_3HW, THREE))
    others = probabilities_3HW[[0, 2]]
    np.testing.assert_array_equal(kept[2], np.array([0, 2])[others.argmax(axis=0)])
    np.testing.assert_array_equal(kept[3], np.rint(254 * others.max(axis=0)))


@pytest.mark.parametrize("legend", [Legend(("pervious", "impervious")), THREE])
@pytest.mark.parametrize("row", [0, 300])
def test_strips_give_what_the_whole_gives(legend, row, tmp_path):
    """By an independent way: the step on the whole map at once."""
    probabilities_KHW = three_classes(1300, 90)
    second = PostprocessPass(POSTPROCESSING["clahe"], 0.4, legend, PixelOffset(row, 17))
    blended = probabilities_KHW[1:2] if legend.binary else probabilities_KHW
    kept = second.values(blended, legend)
    assert len(kept) == second.bands
    kept[:, 50:90, 10:40] = UNKNOWN
    first = cog.RowsFile(tmp_path / "first.u8", 90, second.bands)
    first.append(kept)
    out = second.apply(first, cog.RowsFile(tmp_path / "out.u8", 90))
    (actual,) = out.read()
    is_known = kept[0] != UNKNOWN
    impervious = kept[1] / np.float32(254)
    another = 1 - impervious if legend.binary else kept[3] / np.float32(254)
    weighted = clahe(np.stack([another, impervious]), is_known, CONTEST, 0.4, PixelOffset(row, 17))
    remainder = np.zeros_like(kept[0]) if legend.binary else kept[2]
    expected = np.where(weighted[1] > weighted[0], 1, remainder)
    np.testing.assert_array_equal(actual[0], np.where(is_known, expected, UNKNOWN))
    np.testing.assert_array_equal(actual[1], kept[1])
    changed = is_known & (actual[0] != kept[0])
    assert changed.any() and ((actual[0] == 1) | (kept[0] == 1))[changed].all()


@pytest.mark.parametrize("col", [0, 300])
def test_pieces_of_a_wide_map_give_what_the_whole_gives(col, tmp_path, monkeypatch):
    """Memory is bounded by pieces of whole blocks (docs/reference/performance.md, "P3"): they change no pixel."""
    legend, width = Legend(("pervious", "impervious")), 1700
    second = PostprocessPass(POSTPROCESSING["clahe"], 0.4, legend, PixelOffset(0, col))
    first = cog.RowsFile(tmp_path / "first.u8", width)
    first.append(second.values(three_classes(width, 60).transpose(0, 2, 1)[1:2], legend))
    full = second.apply(first, cog.RowsFile(tmp_path / "whole.u8", width)).path.read_bytes()
    monkeypatch.setattr("isamap.inference.mapping.strips.PIECE_PX", 512)
    assert second.apply(first, cog.RowsFile(tmp_path / "pieces.u8", width)).path.read_bytes() == full


def test_no_step_leaves_the_rows_as_they_are(tmp_path):
    second = PostprocessPass(POSTPROCESSING["none"], 0.0, THREE, PixelOffset())
    first = cog.RowsFile(tmp_path / "first.u8", 9)
    assert second.bands == 2 and second.values is quantise
    assert second.apply(first, cog.RowsFile(tmp_path / "out.u8", 9)) is first


@pytest.fixture(scope="module")
def calibrated(make_checkpoint):
    return make_checkpoint("unet", thresholds=THRESHOLDS)


def test_the_map_says_how_it_was_made_and_keeps_the_probability(calibrated, tmp_path):
    scene = write_tif(tmp_path / "scene.tif", stored_scene(150, 137))
    map_region(calibrated, input=scene, out=tmp_path / "plain.tif", progress=False)
    report = map_region(calibrated, input=scene, out=tmp_path / "clahe.tif", post="clahe", progress=False)
    (plain, _), (actual, tags) = read(tmp_path / "plain.tif"), read(report.path)
    np.testing.assert_array_equal(actual[1], plain[1])
    np.testing.assert_array_equal(actual[0] == UNKNOWN, plain[0] == UNKNOWN)
    assert (actual[0] != plain[0]).any()
    assert (tags["post"], tags["post_threshold"]) == ("clahe", "0.4") and "threshold" not in tags
    assert report.counts["impervious"] == int((actual[0] == 1).sum())


def test_an_interrupted_map_ends_as_one_that_was_not(calibrated, tmp_path, monkeypatch):
    """Killed between the two passes and in the second: whole at the end, bit for bit; nothing half-written stays."""
    scene = write_tif(tmp_path / "scene.tif", stored_scene(600, 60))
    report = map_region(calibrated, input=scene, out=tmp_path / "whole.tif", post="clahe", progress=False)
    seen = []

    class Killed(PostprocessPass):
        def _classes(self, held_NHW, top):
            seen.append(top)
            if len(seen) > 1:
                raise KeyboardInterrupt
            return super()._classes(held_NHW, top)

    with monkeypatch.context() as patch:
        patch.setattr("isamap.inference.mapping.map.PostprocessPass", Killed)
        with pytest.raises(KeyboardInterrupt):
            map_region(calibrated, input=scene, out=tmp_path / "cut.tif", post="clahe", progress=False)
    assert not (tmp_path / "cut.tif").exists()
    again = map_region(calibrated, input=scene, out=tmp_path / "cut.tif", post="clahe", progress=False)
    assert again.resumed_rows == 600
    np.testing.assert_array_equal(read(again.path)[0], read(report.path)[0])


def test_workers_do_not_change_a_processed_map(calibrated, tmp_path):
    """docs/reference/performance.md, "P3"."""
    scene = write_tif(tmp_path / "scene.tif", stored_scene(300, 280))
    single, two = (
        map_region(calibrated, input=scene, out=tmp_path / f"{n}.tif", post="clahe", workers=n, progress=False)
        for n in (1, 3)
    )
    assert single.path.read_bytes() == two.path.read_bytes()


def test_a_map_of_seven_classes_is_processed(tmp_path):
    """The runner-up decides, which a map's own two bands do not tell."""
    torch.manual_seed(7)
    network = build("unet", NAMES, {**MODELS["unet"].small, "classes": 7}).eval()
    facts = {"classes": SEVEN, "thresholds": {"clahe": 0.1}, "composite": {}, "backscatter": "sigma0"}
    run = tmp_path / "run"
    checkpoint.save(checkpoint.of_network(network, "unet", BANDS, simulated=False, **facts), network, run)
    scene = write_tif(tmp_path / "scene.tif", stored_scene(140, 130))
    map_region(run, input=scene, out=tmp_path / "plain.tif", progress=False)
    map_region(run, input=scene, out=tmp_path / "clahe.tif", post="clahe", progress=False)
    plain, actual = (read(tmp_path / name)[0][0] for name in ("plain.tif", "clahe.tif"))
    changed = plain != actual
    assert changed.any() and ((plain == 4) | (actual == 4))[changed].all()


def test_a_plain_map_is_not_taken_for_a_processed_one(calibrated, tmp_path):
    scene = write_tif(tmp_path / "scene.tif", stored_scene(64, 64))
    map_region(calibrated, input=scene, out=tmp_path / "map.tif", progress=False)
    with pytest.raises(ValueError, match="other settings"):
        map_region(calibrated, input=scene, out=tmp_path / "map.tif", post="clahe", progress=False)


def test_a_step_without_its_threshold_is_told_before_anything_is_written(run, scene, tmp_path, capsys):
    import isamap

    words = f"map --checkpoint {run} --input {scene} --out {tmp_path / 'map.tif'} --post clahe"
    assert isamap.main(words.split()) == 2
    assert "isamap calibrate --post clahe" in capsys.readouterr().err
    assert not list(tmp_path.glob("map.tif*"))
