"""Estimators under each design: against formulas written out, and against many draws of small populations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from isamap.inference.assessment.accuracy import PointClasses, accuracy
from isamap.inference.assessment.assessment import best_weight, corrected
from isamap.inference.assessment.estimator import (
    Clustered,
    Estimate,
    PostStratified,
    Stratified,
    Weighted,
    ratio,
    simple,
)
from isamap.inference.assessment.intervals import effective_points, logit, quantile, wilson


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_stratum_of_one_point_is_refused_with_its_name():
    with pytest.raises(ValueError, match=r"stratum 'town' has one point, 30.0% of the ground, and needs two"):
        Stratified(np.array([0.7, 0.3]), np.array([0, 0, 0, 1]), ("country", "town"))


def test_a_stratum_without_points_is_refused_with_its_name():
    with pytest.raises(ValueError, match="stratum 'town' has no point"):
        Stratified(np.array([0.7, 0.3]), np.array([0, 0, 0]), ("country", "town"))


def test_a_stratum_without_ground_needs_no_points():
    design = Stratified(np.array([1.0, 0.0]), np.array([0, 0, 0]), ("country", "town"))
    assert design.mean(np.array([1.0, 0, 1])) == pytest.approx(2 / 3)


def test_a_ratio_over_nothing_is_not_defined():
    estimate = ratio(simple(5), np.zeros(5), np.zeros(5))
    assert (estimate.value, estimate.error, estimate.points) == (None, None, 0)


def test_the_variance_of_two_clusters_is_written_out():
    """Cochran 1977, 11.8: areas 1 and 3, means 1 and 0, so a mean of 1/4 and 2/1 (.75^2 + .75^2) / 4^2."""
    design = Clustered(np.array([1.0, 3.0]), np.array([0, 0, 1, 1]))
    assert design.variance(np.array([1.0, 1, 0, 0])) == pytest.approx(2 * (0.75**2 + 0.75**2) / 16)


def test_one_cluster_says_nothing_of_its_variance():
    with pytest.raises(ValueError, match="a sample of one cluster says nothing"):
        Clustered(np.array([1.0]), np.zeros(4, int))


def test_a_cluster_without_answers_is_refused():
    with pytest.raises(ValueError, match="cluster 1 has no point with an answer"):
        Clustered(np.ones(3), np.array([0, 0, 2]))


def test_poststratified_variance_is_that_of_many_draws():
    random = rng(2)
    group = (random.random(20_000) < 0.2).astype(int)
    value = (random.random(20_000) < np.where(group == 1, 0.8, 0.05)).astype(float)
    weights = np.bincount(group) / len(group)
    estimates, variances = [], []
    for seed in range(1500):
        pick = rng(seed).choice(len(group), 120, replace=False)
        design = PostStratified(weights, group[pick])
        estimates.append(design.mean(value[pick]))
        variances.append(design.variance(value[pick]))
    assert np.mean(estimates) == pytest.approx(value.mean(), abs=0.002)
    assert np.mean(variances) / np.var(estimates) == pytest.approx(1, abs=0.12)


def test_points_of_unequal_probability_are_weighted_by_its_inverse():
    random = rng(3)
    value = (random.random(5000) < 0.3).astype(float)
    chance = np.where(value == 1, 0.08, 0.02)
    estimates = []
    for seed in range(400):
        pick = rng(seed).random(5000) < chance
        estimates.append(Weighted(1 / chance[pick]).mean(value[pick]))
    assert np.mean(estimates) == pytest.approx(value.mean(), abs=0.012)  # equal weights would give 0.64


def binary(map_N, reference_N) -> PointClasses:
    return PointClasses(np.asarray(map_N, int), np.asarray(reference_N, int), ("pervious", "impervious"))


def test_the_difference_estimator_is_prediction_powered_inference():
    """Angelopoulos et al. 2023, with endless unlabelled data: the map's count plus its mean error, the rectifier,
    whose variance over n is the estimate's.
    """
    random = rng(4)
    reference_N = (random.random(200) < 0.4).astype(int)
    map_N = np.where(random.random(200) < 0.9, reference_N, 1 - reference_N)
    estimate = corrected(simple(200), binary(map_N, reference_N), 1, 0.42, 1.0)
    assert estimate.value == pytest.approx(0.42 + (reference_N - map_N).mean())
    assert estimate.error == pytest.approx(np.sqrt(np.var(reference_N - map_N, ddof=1) / 200))


def test_the_regression_estimator_of_a_simple_sample_is_that_of_least_squares():
    random = rng(5)
    map_N = (random.random(80) < 0.5).astype(int)
    reference_N = np.where(random.random(80) < 0.8, map_N, 1 - map_N)
    weight = best_weight(simple(80), binary(map_N, reference_N), 1)
    slope, axis = np.polyfit(map_N, reference_N, 1)
    assert weight == pytest.approx(slope)
    estimate = corrected(simple(80), binary(map_N, reference_N), 1, 0.5, weight)
    assert estimate.value == pytest.approx(axis + slope * 0.5)


def test_a_map_that_says_the_same_everywhere_changes_nothing():
    assert best_weight(simple(4), binary([1, 1, 1, 1], [1, 0, 0, 1]), 1) == 0


def test_wilson_of_a_simple_sample_is_the_textbook_interval():
    """Brown, Cai and DasGupta 2001, Statistical Science 16, equation 4; scipy has it too."""
    estimate = Estimate(0.9, np.sqrt(0.9 * 0.1 / 50), 50)
    low, high = stats.binomtest(45, 50).proportion_ci(method="wilson")
    assert wilson(estimate) == pytest.approx((low, high), abs=1e-6)


def test_wilson_has_a_width_where_every_answer_is_right():
    low, high = wilson(Estimate(1.0, 0.0, 30))
    assert high == pytest.approx(1.0) and low == pytest.approx(30 / (30 + quantile(np.inf) ** 2))


def test_logit_stays_between_zero_and_one():
    low, high = logit(Estimate(0.98, 0.02, 50))
    assert 0.85 < low < 0.98 < high < 1


def test_few_clusters_have_students_quantile():
    assert quantile(4) == pytest.approx(2.776445, abs=1e-6)


def test_effective_points_of_a_design_are_those_of_a_simple_sample_of_equal_error():
    assert effective_points(Estimate(0.5, 0.05, 400)) == pytest.approx(100)


def test_the_interval_of_a_district_knows_only_its_own_clusters():
    """Three of thirty clusters lie in it: Student's t of two degrees, and 3 / 2 in the place of 30 / 29."""
    from isamap.inference.assessment import zone_areas
    from isamap.inference.assessment.evidence import Evidence

    cluster_N = np.repeat(np.arange(30), 10)
    map_N = np.tile([0, 1], 150)
    reference_N = np.where(rng(3).random(300) < 0.1, 1 - map_N, map_N)
    evidence = Evidence(np.arange(300), PointClasses(map_N, reference_N, ("a", "b")), Clustered(np.ones(30), cluster_N))
    zone = zone_areas._Zone(np.array([50.0, 50.0]), cluster_N < 3)
    km2, error_km2, (low_km2, high_km2) = zone_areas._estimated(evidence, zone, 1, honest=True)
    reach_km2 = stats.t.ppf(0.975, 2) * np.sqrt(3 / 2 * 29 / 30) * error_km2
    assert (high_km2 - km2, km2 - low_km2) == pytest.approx((reach_km2, reach_km2))


@pytest.mark.long
def test_the_variance_of_cluster_means_is_that_of_many_draws():
    """A population of 200 blocks of unequal size; the estimated variance is unbiased within a few percent."""
    random = rng(1)
    sizes = random.integers(50, 150, 200)
    chances = random.beta(2, 3, 200)
    blocks = [(random.random(size) < chance).astype(float) for size, chance in zip(sizes, chances, strict=True)]
    estimates, variances = [], []
    for seed in range(800):
        draw = rng(seed)
        clusters = draw.choice(200, 25, replace=False)
        values = np.concatenate([draw.choice(blocks[b], 6, replace=False) for b in clusters])
        design = Clustered(sizes[clusters].astype(float), np.repeat(np.arange(25), 6))
        estimates.append(design.mean(values))
        variances.append(design.variance(values))
    truth = np.concatenate(blocks).mean()
    assert np.mean(estimates) == pytest.approx(truth, abs=0.006)
    # drawn without replacement, so the variance is at most 25 / 200 of the between-part too large
    assert 0.92 < np.mean(variances) / np.var(estimates) < 1.3


@pytest.mark.long
def test_kappas_variance_is_that_of_many_draws():
    cells = np.array([[0.5, 0.05], [0.1, 0.35]])
    pairs = [(i, j) for i in range(2) for j in range(2)]
    estimates, errors = [], []
    for seed in range(600):
        pick = rng(seed).choice(4, 300, p=cells.ravel())
        map_N, reference_N = np.array(pairs)[pick].T
        result = accuracy(PointClasses(map_N, reference_N, ("a", "b")), simple(300))
        estimates.append(result.kappa.value)
        errors.append(result.kappa.error)
    assert np.mean(errors) / np.std(estimates) == pytest.approx(1, abs=0.1)
