"""Published examples, to the last digit that the papers print."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.inference.assessment.accuracy import PointClasses, accuracy
from isamap.inference.assessment.allocation import Conjecture, equal, expected, proportional, stratified_size
from isamap.inference.assessment.estimator import PostStratified, Stratified, simple

Z = 1.96


def answers_of(counts) -> PointClasses:
    """Points of a matrix of counts, rows the map's classes, columns the reference's."""
    rows, cols = np.indices(np.shape(counts))
    return PointClasses(
        np.repeat(rows.ravel(), np.ravel(counts)),
        np.repeat(cols.ravel(), np.ravel(counts)),
        tuple("ABCDE"[: len(counts)]),
    )


def by_map_class(counts, sizes):
    answers = answers_of(counts)
    weights = np.array(sizes, float)
    return accuracy(answers, Stratified(weights / weights.sum(), answers.map_N, answers.classes))


def printed(values, digits):
    return [round(value, digits) for value in values]


# Olofsson et al. 2014, table 8: deforestation, forest gain, stable forest, stable non-forest; 30-m pixels
TABLE_8 = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
PIXELS = [200_000, 150_000, 3_200_000, 6_450_000]
HECTARES = 10_000_000 * 0.09


@pytest.fixture(scope="module")
def good_practice():
    return by_map_class(TABLE_8, PIXELS)


def test_olofsson_2014_users_accuracies(good_practice):
    users = [each.users for each in good_practice.classes]
    assert printed([each.value for each in users], 2) == [0.88, 0.73, 0.93, 0.96]
    assert printed([Z * each.error for each in users], 2) == [0.07, 0.10, 0.04, 0.02]


def test_olofsson_2014_producers_accuracies(good_practice):
    producers = [each.producers for each in good_practice.classes]
    assert printed([each.value for each in producers], 2) == [0.75, 0.85, 0.93, 0.96]
    assert printed([Z * each.error for each in producers], 2) == [0.21, 0.25, 0.03, 0.02]


def test_olofsson_2014_overall_accuracy(good_practice):
    assert printed([good_practice.overall.value, Z * good_practice.overall.error], 2) == [0.95, 0.02]


def test_olofsson_2014_areas_in_hectares(good_practice):
    areas = [each.share.times(HECTARES) for each in good_practice.classes]
    assert printed([each.value for each in areas], 0) == [21_158, 11_686, 285_770, 581_386]
    assert printed([Z * each.error for each in areas], 0) == [6_158, 3_756, 15_510, 16_282]


def test_olofsson_2014_cells_of_table_9(good_practice):
    """The estimated proportions of ground: table 9 prints four decimals."""
    assert printed(good_practice.cells[0], 4) == [0.0176, 0.0, 0.0013, 0.0011]
    assert printed(good_practice.cells.sum(axis=0), 3) == [0.024, 0.013, 0.318, 0.646]


CHANGE = Conjecture(
    ("deforestation", "gain", "forest", "other"),
    np.array([0.02, 0.015, 0.32, 0.645]),
    np.array([0.70, 0.60, 0.90, 0.95]),
    np.array([0.70, 0, 0, 0]),
)


def test_olofsson_2014_sample_size_of_equation_13():
    assert stratified_size(CHANGE, 0.01) == 641


def test_olofsson_2014_allocations_of_table_5():
    """Equal and proportional columns; the paper rounds 160.25 and 12.82, 9.6, 205.1, 413.4."""
    assert equal(CHANGE, 641).tolist() == [161, 160, 160, 160]
    assert proportional(CHANGE, 641).tolist() == [13, 10, 205, 413]


def test_olofsson_2014_expected_errors_of_users_accuracies():
    """Of 75 points in deforestation at an accuracy of 0.7, and 325 in stable non-forest at 0.95."""
    errors = expected(CHANGE, [75, 75, 165, 325]).users
    assert printed(errors, 3) == [0.053, 0.057, 0.023, 0.012]


# Olofsson et al. 2013, Remote Sensing of Environment 129, 122-131, section 3, table 1 (deforestation, forest, other)
TABLE_2013 = [[97, 0, 3], [3, 279, 18], [2, 1, 97]]
PIXELS_2013 = [22_353, 1_122_543, 610_228]


def test_olofsson_2013_error_adjusted_area_and_accuracies():
    """Equations 10, 12 and 14 to 16: the paper prints 45,112 pixels, 10,751 (rounded on the way), 0.97, 0.48, 0.94."""
    result = by_map_class(TABLE_2013, PIXELS_2013)
    area = result.classes[0].share.times(sum(PIXELS_2013))
    assert round(area.value) == 45_112
    assert area.error == pytest.approx(10_751, abs=1.0)
    assert printed([result.classes[0].users.value, result.classes[0].producers.value], 2) == [0.97, 0.48]
    assert round(result.overall.value, 2) == 0.94


def test_olofsson_2013_accuracies_of_table_4():
    result = by_map_class(TABLE_2013, PIXELS_2013)
    assert printed([each.users.value for each in result.classes], 2) == [0.97, 0.93, 0.97]
    assert printed([each.producers.value for each in result.classes], 2) == [0.48, 0.99, 0.90]
    assert printed([Z * each.users.error for each in result.classes], 2) == [0.03, 0.03, 0.03]
    assert printed([Z * each.producers.error for each in result.classes], 2) == [0.22, 0.01, 0.04]


def test_olofsson_2013_second_example_of_table_6():
    result = by_map_class([[127, 66, 54], [0, 322, 17], [2, 15, 540]], [0.007, 0.295, 0.698])
    assert printed([each.users.value for each in result.classes], 2) == [0.51, 0.95, 0.97]
    assert round(result.overall.value, 2) == 0.96


def other_strata():
    """Stehman 2014, table 2: 40 pixels in four strata that are not the map's classes."""
    letters = "ABCD"
    strata = "A" * 10 + "B" * 10 + "C" * 10 + "D" * 10
    map_ = "AAAAAAABBB" + "ABBBBBBBBB" + "BBCCCCCCBB" + "D" * 10
    reference = "AAAAACBABC" + "ABBBBBAABB" + "CCCCCDDBBA" + "DDDDDDDCCB"
    index = {letter: at for at, letter in enumerate(letters)}
    stratum_N, map_N, reference_N = (np.array([index[x] for x in text]) for text in (strata, map_, reference))
    design = Stratified(np.array([0.4, 0.3, 0.2, 0.1]), stratum_N)
    return accuracy(PointClasses(map_N, reference_N, tuple(letters)), design)


def test_stehman_2014_areas():
    a, c = other_strata().classes[0].share, other_strata().classes[2].share
    assert printed([a.value, c.value], 2) == [0.35, 0.20]
    assert printed([a.error, c.error], 3) == [0.082, 0.064]


def test_stehman_2014_overall_accuracy():
    assert round(other_strata().overall.value, 2) == 0.63
    assert round(other_strata().overall.error, 3) == 0.085


def test_stehman_2014_users_and_producers_accuracy_of_class_b():
    b = other_strata().classes[1]
    assert printed([b.users.value, b.producers.value], 3) == [0.574, 0.794]
    assert printed([b.users.error, b.producers.error], 3) == [0.125, 0.117]


def test_stehman_2014_cell_of_map_b_and_reference_c():
    assert round(other_strata().cells[1, 2], 2) == 0.08


def test_strata_that_are_the_maps_classes_give_the_published_producers_variance(good_practice):
    """Olofsson et al. 2014, equation 7, written out: it is the ratio's variance."""
    counts, weights = np.array(TABLE_8, float), np.array(PIXELS) / sum(PIXELS)
    rows = counts.sum(axis=1)
    share = counts / rows[:, None]
    column = (weights[:, None] * share).sum(axis=0)
    for j, each in enumerate(good_practice.classes):
        producers = weights[j] * share[j, j] / column[j]
        own = weights[j] ** 2 * (1 - producers) ** 2 * share[j, j] * (1 - share[j, j]) / (rows[j] - 1)
        others = sum(weights[i] ** 2 * share[i, j] * (1 - share[i, j]) / (rows[i] - 1) for i in range(4) if i != j)
        expected_error = np.sqrt(own + producers**2 * others) / column[j]
        assert each.producers.error == pytest.approx(expected_error, rel=1e-12)


def test_a_simple_random_sample_has_the_binomial_standard_error():
    answers = answers_of([[40, 10], [5, 45]])
    result = accuracy(answers, simple(100))
    assert result.overall.error == pytest.approx(np.sqrt(0.85 * 0.15 / 99), rel=1e-12)


def test_kappa_of_a_simple_random_sample_has_the_published_value_and_error():
    """Congalton and Green 2009, Assessing the Accuracy of Remotely Sensed Data, table 7.1: matrix of analyst 1."""
    counts = [[65, 4, 22, 24], [6, 81, 5, 8], [0, 11, 85, 19], [4, 7, 3, 90]]
    result = accuracy(answers_of(counts), simple(434))
    assert round(result.kappa.value, 2) == 0.65
    assert result.kappa.error**2 == pytest.approx(0.0007778, rel=0.01)


def test_poststratification_weighs_groups_by_their_known_ground():
    answers = answers_of([[40, 10], [5, 45]])
    design = PostStratified(np.array([0.3, 0.7]), answers.map_N)
    result = accuracy(answers, design)
    assert result.overall.value == pytest.approx(0.3 * 0.8 + 0.7 * 0.9, rel=1e-12)
