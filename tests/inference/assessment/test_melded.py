"""Intervals of the strata's Beta distributions: against Clopper and Pearson's, and what cutting a stratum changes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from isamap.inference.assessment.accuracy import PointClasses, accuracy
from isamap.inference.assessment.estimator import Clustered, Stratified, Weighted, simple
from isamap.inference.assessment.intervals import beta, wilson
from isamap.inference.assessment.melded import Kinds, melded


def of_counts(weights, hits, points) -> Kinds:
    """The mean of something that strata hold or not."""
    hits, points = np.array(hits, float), np.array(points, float)
    counts = np.stack([points - hits, hits], axis=1)
    return Kinds(np.array(weights, float), counts, np.array([0.0, 1.0]), np.ones(2), np.ones(counts.shape, bool))


@pytest.mark.parametrize(("hits", "points"), [(0, 50), (3, 50), (50, 50), (7, 9)])
def test_one_stratum_has_the_interval_of_clopper_and_pearson(hits, points):
    exact = stats.binomtest(hits, points).proportion_ci(method="exact")
    assert melded(of_counts([1], [hits], [points])) == pytest.approx((exact.low, exact.high), abs=0.01)


def test_a_stratum_without_hits_reaches_as_far_as_its_points_allow():
    """0 of 50: 7.1 % by Clopper and Pearson, of 99 % of the ground."""
    _, high = melded(of_counts([0.99, 0.01], [0, 40], [50, 50]))
    assert high == pytest.approx(0.99 * stats.beta.ppf(0.975, 1, 50) + 0.008, rel=0.03)


def test_cutting_a_stratum_into_random_parts_changes_little():
    full = melded(of_counts([1], [40], [400]))
    parts = melded(of_counts([0.1] * 10, [4] * 10, [40] * 10))
    assert parts == pytest.approx(full, abs=0.006)


def test_equal_answers_give_equal_intervals():
    assert melded(of_counts([0.7, 0.3], [1, 8], [40, 30])) == melded(of_counts([0.7, 0.3], [1, 8], [40, 30]))


def test_a_kind_that_a_stratum_can_not_hold_gets_no_point():
    """User's accuracy of a class that is a stratum rests on that stratum alone."""
    map_N = np.repeat([0, 1], 50)
    answers = PointClasses(map_N, np.where(np.arange(100) < 90, map_N, 0), ("pervious", "impervious"))
    result = accuracy(answers, Stratified(np.array([0.99, 0.01]), map_N, class_H=np.arange(2)))
    exact = stats.binomtest(40, 50).proportion_ci(method="exact")
    assert beta(result.classes[1].users) == pytest.approx((exact.low, exact.high), abs=0.005)


def test_a_rare_class_without_a_seen_omission_has_a_wide_interval():
    """The case of 1 % of the ground: Wilson's interval has no width to speak of."""
    map_N = np.repeat([0, 1], [125, 75])
    reference_N = map_N.copy()
    reference_N[-15:] = 0
    result = accuracy(
        PointClasses(map_N, reference_N, ("pervious", "impervious")),
        Stratified(np.array([0.99046, 0.00954]), map_N, class_H=np.arange(2)),
    )
    area, producers = result.classes[1].share, result.classes[1].producers
    assert wilson(area)[1] < 0.0095 and producers.value == 1
    assert beta(area)[0] <= area.value and beta(area)[1] > 0.025
    assert beta(producers)[0] < 0.4 and beta(producers)[1] == pytest.approx(1)


def test_points_of_a_clumped_class_count_as_their_clusters():
    """3 of 300 points, all in one of 30 clusters: as 30 points, fewer for Student's distribution."""
    cluster_N = np.repeat(np.arange(30), 10)
    reference_N = np.zeros(300, int)
    reference_N[:3] = 1
    result = accuracy(PointClasses(reference_N * 0, reference_N, ("a", "b")), Clustered(np.ones(30), cluster_N))
    points = 30 * (1.959964 / stats.t.ppf(0.975, 29)) ** 2
    expected = stats.beta.ppf(0.975, 0.01 * points + 1, 0.99 * points)
    assert beta(result.classes[1].share)[1] == pytest.approx(expected, rel=1e-4)


def test_unequal_weights_count_as_fewer_points():
    weight_N = np.repeat([1.0, 9.0], 50)
    answers = PointClasses(np.zeros(100, int), np.zeros(100, int), ("a", "b"))
    low = {
        name: beta(accuracy(answers, design).overall)[0]
        for name, design in (("unequal", Weighted(weight_N)), ("simple", simple(100)))
    }
    assert low["unequal"] == pytest.approx(0.025 ** (1 / (500**2 / 4100)), rel=1e-6)  # Kish's effective points
    assert low["simple"] == pytest.approx(0.025 ** (1 / 100), rel=2e-3)
