"""The coverage experiment: its truth is that of all pixels, its intervals hold it as often as they promise."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.interval_coverage import DISTRICTS, Population, Tally, coverage, designs, table
from benchmarks.rare_populations import cases, rare_coverage
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.estimator import Estimate


@pytest.fixture
def population(make_map):
    rng = np.random.default_rng(5)
    truth_HW = (rng.random((70, 70)) < 0.3).astype(np.uint8)
    wrong = rng.random((70, 70)) < 0.1
    map_HW = np.where(wrong, 1 - truth_HW, truth_HW)
    strata_HW = np.where(rng.random((70, 70)) < 0.2, 1 - truth_HW, truth_HW)
    layers = {"map.tif": map_HW, "strata.tif": strata_HW, "truth.tif": truth_HW}
    return Population(*(open_class_map(make_map(values, name)) for name, values in layers.items()))


def test_the_truth_is_that_of_all_pixels(population):
    classes, truth = (
        each.on_grid(population.truth.sheets[0].geobox) for each in (population.class_map, population.truth)
    )
    assert population.figures()["overall"] == pytest.approx((classes == truth).mean())
    assert population.figures()["area"] == pytest.approx((truth == 1).mean())


def test_a_tally_counts_how_often_the_interval_holds_the_truth():
    tally = Tally()
    for value in (0.5, 0.9):
        tally.add(Estimate(value, 0.02, 600), 0.51)
    assert tally.hits == {"beta": 1, "wilson": 1, "wald": 1, "logit": 1} and tally.error == pytest.approx(0.38)


@pytest.mark.long
@pytest.mark.parametrize("name", ["simple, 400 points", "stratified by GAIA, equal, 400"])
def test_intervals_hold_the_truth_about_as_often_as_they_promise(population, name):
    """120 draws: 95 % is 114, five standard errors below it 102."""
    tallies = coverage(designs(population)[name], population, 120)
    assert DISTRICTS in tallies
    for key, tally in tallies.items():
        drawn = 4 * 120 if key == DISTRICTS else 120
        assert tally.hits["beta" if key == DISTRICTS else "wilson"] >= drawn * 102 / 120
    assert table(name, tallies).rows[0][1] == "120"


@pytest.mark.long
@pytest.mark.parametrize("name", ["1 %, 425 + 75 points (the default)", "gain of 0.9 %, 500 points"])
def test_a_rare_class_whose_omissions_no_sample_may_meet_is_held(tmp_path, name):
    """60 draws: 95 % is 57, five standard errors below it 48."""
    (case,) = [each for each in cases(tmp_path) if each.name == name]
    (row,) = rare_coverage([case], 60).rows
    assert row[0] == name and all(float(share) >= 100 * 48 / 60 for share in row[1:6])
