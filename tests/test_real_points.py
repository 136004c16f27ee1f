"""What points of a place do for a network: chosen in other cells than they are judged in, and printed by ground."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from benchmarks import real_ground, real_points, real_rivals
from tests.support.one_thread import one_thread  # noqa: F401

WIDTH, HEIGHT = 250, 150  # sixty cells


@pytest.fixture
def ground(tmp_path) -> real_ground.KnownGround:
    """Roofs of 5 px, bright in all bands, in fields."""
    built_HW = np.kron(np.random.default_rng(0).random((HEIGHT // 5, WIDTH // 5)) < 0.3, np.ones((5, 5))) > 0
    stored = {band: 0.1 + 0.2 * built_HW for band in real_ground.BANDS}
    image = real_ground.written(tmp_path / "made.tif", stored, Affine(10, 0, 5e5, 0, -10, 34e5), "EPSG:32633")
    row, col = np.indices(built_HW.shape).reshape(2, -1)
    return real_ground.KnownGround("made", "made", image, row, col, built_HW.ravel())


def test_points_of_cells_that_are_not_judged_choose_the_threshold(tmp_path, monkeypatch, ground):
    """A map of .2 on roofs and .1 elsewhere: none are found at .5, all from points; fine-tuning has its own figures."""
    probability = np.where(ground.impervious_N, 0.2, 0.1)
    tuned = []

    def fine_tuned(start, ground, learned, out):
        tuned.append(learned)
        return np.where(ground.impervious_N, 0.9, 0.6)

    monkeypatch.setattr(real_points.real_ground, "mapped", lambda *_: probability)
    monkeypatch.setattr(real_points, "fine_tuned", fine_tuned)
    figures = real_points.compared("starter", ground, tmp_path)
    share = ground.impervious_N.mean()
    assert figures["as it is"] == {"auc": 1.0, "f1": 0.0}
    assert figures["threshold from points"] == {"auc": 1.0, "f1": 1.0}
    assert figures["fine-tuned on points"] == {"auc": 1.0, "f1": pytest.approx(2 * share / (1 + share), abs=1e-4)}
    assert len(tuned) == real_rivals.FOLDS and all(len(points) == 2 * real_rivals.EACH for points in tuned)


def test_points_and_judged_pixels_share_no_cell(ground):
    seen = np.zeros(len(ground.row_N), int)
    for learned, here in real_rivals.folds(ground):
        assert not set(ground.cell_N[learned]) & set(ground.cell_N[here])
        seen[here] += 1
    assert (seen == 1).all()


@pytest.mark.long
def test_a_network_fine_tuned_on_points_maps_all_pixels(tmp_path, ground):
    """It learned that these roofs are built."""
    (learned, _), *_ = real_rivals.folds(ground)
    probability = real_points.fine_tuned("starter", ground, learned, tmp_path / "tuned")
    built = ground.impervious_N
    assert probability.shape == built.shape and probability[built].mean() > probability[~built].mean() + 0.1


def test_the_table_has_a_row_for_each_ground():
    figures = {"here": {way: {"auc": 1.0, "f1": 0.25} for way in real_points.WAYS}}
    assert real_points.table(figures).splitlines() == [
        "| ground | as it is | threshold from points | fine-tuned on points | own points |",
        "|---|---|---|---|---|",
        "| here | 1.00, .25 | 1.00, .25 | 1.00, .25 | 1.00, .25 |",
    ]
