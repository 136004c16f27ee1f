"""How maps are judged on real ground: measures from counts against scikit-learn's, cells, grids of the samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from benchmarks import real_ground, real_rivals
from isamap.inference.map_files.legend import PROB_STEPS
from tests.support.shared_data import SHARED, needs_shared

STARTER = Path(__file__).resolve().parents[1] / "training" / "starter"


def pixels(seed: int = 0, count: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stored probabilities with many ties, classes that follow them loosely, cells."""
    rng = np.random.default_rng(seed)
    step = rng.integers(0, 12, count) * 20
    return step / PROB_STEPS, rng.random(count) < step / PROB_STEPS, np.arange(count) // 50


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_measures_of_counts_are_those_of_the_pixels(threshold):
    probability, impervious, cell = pixels()
    counts = real_ground.by_cell(probability, impervious, cell).sum(axis=0)
    actual = {name: value[0] for name, value in real_ground.measures(counts[None], threshold).items()}
    called = probability >= threshold
    assert actual["oa"] == pytest.approx(accuracy_score(impervious, called))
    assert actual["f1"] == pytest.approx(f1_score(impervious, called))
    assert actual["auc"] == pytest.approx(roc_auc_score(impervious, probability))


def test_cells_keep_their_own_pixels():
    probability, impervious, cell = pixels()
    counts = real_ground.by_cell(probability, impervious, cell)
    assert counts.shape == (10, 2, PROB_STEPS + 1) and (counts.sum(axis=(1, 2)) == 50).all()
    assert counts[3, 1].sum() == impervious[cell == 3].sum()


def counts_of(probability: list[float], impervious: list[bool], times: int) -> np.ndarray:
    """A ground's pixels by class and probability, each so many times over."""
    repeated = np.repeat(probability, times), np.repeat(np.array(impervious, bool), times)
    return real_ground.by_cell(*repeated, np.zeros(len(repeated[0]), int))[0]


def step_above(probability: float) -> float:
    """The lowest threshold that pixels of a probability do not reach."""
    return (round(probability * PROB_STEPS) + 1) / PROB_STEPS


def test_the_best_threshold_weighs_each_ground_alike():
    """One ground says .4; the other .8, however often its pixels stand there."""
    low = [0.1, 0.4, 0.7, 0.8], [False, True, True, True]
    high = [0.1, 0.6, 0.8, 0.8], [False, False, True, True]
    few, many = counts_of(*low, 1), counts_of(*high, 100)
    assert real_ground.best_threshold([many]) == step_above(0.6)
    assert real_ground.best_threshold([few]) == step_above(0.1)
    # of 5 built pixels: above .1 all are hit with 1 false alarm (F1 .91), above .6 four with none (.89)
    assert real_ground.best_threshold([few, many]) == step_above(0.1)
    assert real_ground.best_threshold([few, many, many]) == step_above(0.6)


def test_ground_where_nothing_is_built_raises_the_threshold():
    """The pixels of .2 are built in one ground; in three they are not, and there is nothing else."""
    town = counts_of([0.1, 0.2, 0.9], [False, True, True], 1)
    bare = counts_of([0.1, 0.2, 0.2], [False, False, False], 50)
    assert real_ground.best_threshold([town]) == step_above(0.1)
    assert real_ground.best_threshold([town, bare, bare, bare]) == step_above(0.2)


def made(name: str, impervious: list[bool]) -> real_ground.KnownGround:
    col = np.arange(len(impervious))
    return real_ground.KnownGround(name, name, Path(), np.zeros_like(col), col, np.array(impervious))


def test_the_threshold_of_other_grounds_is_not_of_the_ground_itself():
    """`town` with `other` would take the step above .1; `other` alone that above .6."""
    grounds = [made("town", [False, True, True, True]), made("other", [False, False, True, True])]
    figures = real_ground.figures_of(dict.fromkeys(("town", "other"), np.array([0.1, 0.6, 0.8, 0.8])), 0.5, grounds)
    assert figures["town"]["from_others"]["threshold"] == step_above(0.6)
    assert figures["other"]["from_others"]["threshold"] == step_above(0.1)


def test_the_best_threshold_of_a_checkpoint_is_that_of_its_maps(tmp_path, monkeypatch):
    maps = {"town": np.array([0.1, 0.6, 0.8, 0.8]), "bare": np.array([0.6, 0.1, 0.1, 0.1])}
    monkeypatch.setattr(real_ground, "mapped", lambda checkpoint, ground, out: maps[ground.name])
    grounds = [made("town", [False, False, True, True]), made("bare", [False] * 4)]
    assert real_ground.best_threshold_of(STARTER, grounds, tmp_path) == step_above(0.6)


def test_bare_ground_is_one_of_the_others_and_not_judged_itself():
    """`other` alone would take the step above .1."""
    grounds, bare = [made("town", [True] * 4), made("other", [False, True, True, True])], made("bare", [False] * 4)
    values = dict.fromkeys(("town", "other"), np.array([0.1, 0.6, 0.8, 0.8])) | {"bare": np.full(4, 0.6)}
    figures = real_ground.figures_of(values, 0.5, grounds, [bare])
    assert list(figures) == ["town", "other"] and figures["town"]["from_others"]["threshold"] == step_above(0.6)


def test_a_missing_class_has_no_auc():
    counts = real_ground.by_cell(np.array([0.5, 0.7]), np.array([True, True]), np.array([0, 0]))
    assert np.isnan(real_ground.measures(counts, 0.5)["auc"][0])


@needs_shared
def test_the_points_of_leipzig_lie_on_their_pixels(tmp_path):
    """The points' own columns hold the raster's values."""
    import geopandas as gpd

    ground = real_ground.leipzig(SHARED, tmp_path)
    points = gpd.read_file(SHARED / "leipzig" / "leipzig_points.gpkg")
    with rasterio.open(ground.image) as source:
        b4 = source.read(3)[ground.row_N, ground.col_N]
    np.testing.assert_allclose(b4, points["b04"] * 1e-4, rtol=1e-5)
    assert ground.impervious_N.sum() == 36 and len(ground.row_N) == 97


@needs_shared
@pytest.mark.parametrize(("at", "share"), [(1, 198 / 9945), (2, 0.234), (3, 0.0159)])
def test_samples_are_reflectance_with_the_share_that_is_told(tmp_path, at, share):
    ground = real_ground.known_grounds(SHARED, tmp_path)[at]
    with rasterio.open(ground.image) as source:
        assert source.descriptions == (*real_ground.BANDS, *(real_ground.RADAR if at > 1 else ()))
        b8 = source.read(4)
    assert 0.1 < np.median(b8) < 0.5 and b8.min() > -0.01
    assert ground.impervious_N.mean() == pytest.approx(share, rel=0.01)


@needs_shared
def test_beijings_radar_and_mask_lie_on_each_other(tmp_path):
    """In decibels, the share that the mask itself has; built ground is brighter in VV, less so one kilometre aside."""
    ground = real_ground.beijing(SHARED, tmp_path)
    with rasterio.open(ground.image) as source:
        assert source.descriptions == real_ground.RADAR and source.res == (10, 10)
        vv = source.read(1)
    with rasterio.open(SHARED / "beijing_thu" / "isa_from-glc2017_bj.tif") as source:
        assert ground.impervious_N.mean() == pytest.approx(source.read(1).mean(), abs=0.005)
    at_it, aside = (
        roc_auc_score(ground.impervious_N, np.nan_to_num(np.roll(vv, by, axis=1))[ground.row_N, ground.col_N])
        for by in (0, 100)
    )
    assert -12 < np.nanmedian(vv) < 0 and at_it > 0.74 > aside + 0.1


def ground_of(values_BHW: np.ndarray, impervious_HW: np.ndarray, path) -> real_ground.KnownGround:
    stored = dict(zip(real_ground.BANDS, values_BHW, strict=True))
    image = real_ground.written(path, stored, Affine.scale(10, -10), "EPSG:32633")
    row, col = np.indices(impervious_HW.shape).reshape(2, -1)
    return real_ground.KnownGround("made", "made", image, row, col, impervious_HW.ravel())


@pytest.mark.parametrize(("bright", "low", "high"), [(0.5, 0.99, 1.0), (0.0, 0.3, 0.7)])
def test_a_forest_of_own_points_knows_other_cells_only(tmp_path, bright, low, high):
    """Built ground that is brighter is found; values that say nothing are, where a pixel was learned from itself."""
    rng = np.random.default_rng(2)
    impervious_HW = rng.random((10, 250)) < 0.04
    values = rng.random((5, 10, 250)) * 0.1 + bright * impervious_HW
    probability = real_rivals.of_own_points(ground_of(values, impervious_HW, tmp_path / "made.tif"))
    assert low <= roc_auc_score(impervious_HW.ravel(), probability) <= high


def test_ground_without_buildings_is_bigearthnets_in_reflectance_and_decibels(tmp_path):
    grounds = real_rivals.nothing_built(tmp_path)
    assert len(grounds) == 6 and not any(ground.impervious_N.any() for ground in grounds)
    for ground in grounds:
        with rasterio.open(ground.image) as source:
            values = source.read()
        assert 0 < np.median(values[3]) < 1 and -30 < np.median(values[5]) < 0
        np.testing.assert_array_equal(values[4, ::2, ::2], values[4, 1::2, 1::2])  # B11 has pixels of 20 m


def test_what_is_called_built_is_counted_at_the_checkpoints_threshold(tmp_path, monkeypatch):
    ground = ground_of(np.zeros((5, 1, 4)), np.zeros((1, 4), bool), tmp_path / "made.tif")
    monkeypatch.setattr(real_rivals, "mapped", lambda *_: np.array([0.1, 0.3, 0.5, 0.9]))
    monkeypatch.setattr(real_rivals, "threshold_of", lambda _: 0.3)
    assert real_rivals.called_built(tmp_path, [ground], tmp_path) == {"made": 0.75}


def test_an_image_without_a_band_keeps_the_others(tmp_path, monkeypatch):
    values = np.arange(5.0).repeat(4).reshape(5, 1, 4)
    ground = ground_of(values, np.zeros((1, 4), bool), tmp_path / "made.tif")
    images = {}

    def noted(checkpoint, grounds, out):
        images.update({each.name: each.image for each in grounds})
        return {each.name: {"f1": 0.5, "auc": 0.9, "oa": 1.0} for each in grounds}

    monkeypatch.setattr(real_rivals, "judged", noted)
    figures = real_rivals.with_bands_missing(STARTER, [ground], tmp_path)
    assert figures == {"made": {band: {"f1": 0.5, "auc": 0.9} for band in real_ground.BANDS}}
    with rasterio.open(images["made-B4"]) as source:
        assert source.descriptions == ("B2", "B3", "B8", "B11") and source.read()[:, 0, 0].tolist() == [0, 1, 3, 4]


def test_an_image_without_a_sensor_is_judged_too_where_a_network_knows_two(tmp_path, monkeypatch):
    stored = dict.fromkeys((*real_ground.BANDS, *real_ground.RADAR), np.ones((1, 4)))
    image = real_ground.written(tmp_path / "made.tif", stored, Affine.scale(10, -10), "EPSG:32633")
    ground = replace(made("made", [False] * 4), image=image)
    held = {}

    def noted(checkpoint, grounds, out):
        for each in grounds:
            with rasterio.open(each.image) as source:
                held[each.name] = source.descriptions
        return {each.name: {"f1": 0.5, "auc": 0.9} for each in grounds}

    monkeypatch.setattr(real_rivals, "judged", noted)
    figures = real_rivals.with_bands_missing(STARTER.with_name("starter-s2s1"), [ground], tmp_path)["made"]
    assert list(figures) == [*real_ground.BANDS, "VV, VH", "B2, B3, B4, B8, B11"]
    assert held["made-VV-VH"] == real_ground.BANDS and held["made-B2-B3-B4-B8-B11"] == real_ground.RADAR


def test_radar_alone_is_held_against_vv_itself(tmp_path, monkeypatch):
    """Three of four pairs of built and bare are in VV's order."""
    stored = {"VV": np.array([[-9.0, -7.0, -8.0, -5.0]]), "VH": np.zeros((1, 4))}
    image = real_ground.written(tmp_path / "made.tif", stored, Affine.scale(10, -10), "EPSG:32633")
    ground = replace(made("made", [False, False, True, True]), image=image)
    monkeypatch.setattr(real_rivals, "judged", lambda *_: {"made": {"auc": 0.9}})
    assert real_rivals.of_radar_alone(tmp_path, ground, tmp_path) == {"auc": 0.9, "auc_of_vv": 0.75}
