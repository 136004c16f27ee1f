"""The threshold from a few dozen points: against a search by hand, and what resampled cells say of it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from isamap.training.accuracy.point_threshold import STEPS, PointSample, cells_of, choose_threshold


def sample(seed: int = 0, count: int = 60, spread: float = 0.05, cells: int = 20) -> PointSample:
    """Impervious points near .2, the others near .04: well ordered, far from .5."""
    rng = np.random.default_rng(seed)
    impervious = np.arange(count) % 3 == 0
    probability = np.clip(np.where(impervious, 0.2, 0.04) + rng.normal(0, spread, count), 0, 1)
    return PointSample(probability, impervious, np.arange(count) % cells)


def best_by_hand(points: PointSample) -> np.ndarray:
    """All thresholds with the best F1."""
    scores = np.array([f1_score(points.impervious_N, points.probability_N >= step, zero_division=0) for step in STEPS])
    return STEPS[scores == scores.max()]


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 3])
def test_the_threshold_is_the_middle_one_of_the_best_ones(seed):
    points = sample(seed)
    best = best_by_hand(points)
    assert choose_threshold(points, 0.5).threshold == best[(len(best) - 1) // 2]


def test_f1_before_is_of_the_threshold_before():
    points = sample()
    expected = f1_score(points.impervious_N, points.probability_N >= 0.25, zero_division=0)
    assert choose_threshold(points, 0.25).f1_before == pytest.approx(expected)


@pytest.mark.long
def test_f1_of_noise_is_not_what_the_points_that_chose_it_say():
    """Probabilities that know nothing: the best of 255 thresholds flatters itself, other points do not."""
    rng = np.random.default_rng(3)
    points = PointSample(rng.random(60), np.arange(60) % 2 == 0, np.arange(60))
    in_sample = f1_score(points.impervious_N, points.probability_N >= best_by_hand(points)[0])
    assert choose_threshold(points, 0.5).f1 < in_sample - 0.02


def test_intervals_narrow_with_more_points():
    few, many = (choose_threshold(sample(1, count, 0.08, count), 0.5).interval for count in (36, 1440))
    assert few[1] - few[0] > 1.5 * (many[1] - many[0])


def test_points_of_one_cell_are_drawn_together():
    """As many points in fewer cells say less, so F1 is less sure."""
    rng = np.random.default_rng(5)
    quality = np.repeat(rng.choice([0.0, 0.25], 12), 10)  # whole cells are right or wrong
    impervious = np.arange(120) % 2 == 0
    probability = np.where(impervious, 0.6, 0.4) + np.where(impervious, -quality, quality)
    apart = choose_threshold(PointSample(probability, impervious, np.arange(120)), 0.5).f1_before_interval
    together = choose_threshold(PointSample(probability, impervious, np.arange(120) // 10), 0.5).f1_before_interval
    assert together[1] - together[0] > 1.5 * (apart[1] - apart[0])


@pytest.mark.parametrize("impervious", [9, 51])
def test_too_few_points_of_a_class_are_refused(impervious):
    with pytest.raises(ValueError, match=f"60 points, {impervious} of them impervious: a threshold needs"):
        PointSample(np.full(60, 0.5), np.arange(60) < impervious, np.arange(60))


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="29 points"):
        PointSample(np.full(29, 0.5), np.arange(29) < 14, np.arange(29))


def test_points_close_together_are_refused():
    with pytest.raises(ValueError, match="lie in 4 squares of 250 m"):
        PointSample(np.full(60, 0.5), np.arange(60) < 30, np.arange(60) % 4)


def test_cells_are_squares_of_250_m():
    x, y = np.array([0.0, 249, 251, 0, -1]), np.array([0.0, 249, 0, 251, 0])
    cells = cells_of(x, y)
    assert cells[0] == cells[1] and len(set(cells.tolist())) == 4
