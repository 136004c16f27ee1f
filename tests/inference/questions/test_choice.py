"""Scores of pixels, and the pixels that are worth a look."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from isamap.inference.questions.ask import candidates
from isamap.inference.questions.scores import SCORES

NO_LABEL = np.full((1, 1, 1), 255, np.uint8)


def chances(*members: tuple[float, ...]) -> np.ndarray:
    """One pixel's class chances by member [member, 1, class, 1, 1]."""
    return np.array(members)[:, None, :, None, None]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.5, 0.3)])
def test_entropy_is_scipys_in_units_of_the_greatest(shares):
    actual = SCORES["entropy"](chances(shares), NO_LABEL).item()
    assert actual == pytest.approx(scipy_entropy(shares, base=len(shares)))


def test_entropy_of_several_is_that_of_their_mean():
    assert SCORES["entropy"](chances((1.0, 0.0), (0.0, 1.0)), NO_LABEL).item() == pytest.approx(1.0)


def test_members_that_contradict_each_other_score_one():
    assert SCORES["members"](chances((1.0, 0.0), (0.0, 1.0)), NO_LABEL).item() == pytest.approx(1.0, abs=1e-6)


def test_members_that_are_all_unsure_disagree_on_nothing():
    assert SCORES["members"](chances((0.5, 0.5), (0.5, 0.5)), NO_LABEL).item() == pytest.approx(0.0)


@pytest.mark.parametrize(("label", "score"), [(0, 0.7), (1, 0.3), (255, 0.0)])
def test_the_label_scores_the_chance_that_it_is_wrong(label, score):
    actual = SCORES["label"](chances((0.3, 0.7)), np.array([[[label]]], np.uint8)).item()
    assert actual == pytest.approx(score)


def field() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((40, 40)), np.ones((40, 40), bool)


def test_much_ground_in_doubt_comes_before_one_pixel():
    score, listed = field()
    score[5, 5] = 1.0
    score[25:32, 25:32] = 0.4
    first, second = candidates(score, listed, 2)
    assert (first[:2], first[2]) == (first[:2], pytest.approx(0.4 * 49)) and 25 <= first[0] < 32
    assert second[:2] == (5, 5) and second[2] == pytest.approx(1.0)


def test_the_pixel_asked_is_the_most_doubtful_of_its_window():
    score, listed = field()
    score[10:17, 10:17] = 0.2
    score[11, 15] = 0.9
    assert candidates(score, listed, 1)[0][:2] == (11, 15)


def test_no_two_questions_stand_for_the_same_window():
    places = candidates(np.random.default_rng(0).random((64, 64)), np.ones((64, 64), bool), 10)
    apart = [max(abs(a[0] - b[0]), abs(a[1] - b[1])) for i, a in enumerate(places) for b in places[:i]]
    assert len(places) == 10 and min(apart) > 3


def test_unknown_pixels_are_neither_asked_nor_counted():
    score, listed = field()
    score[10:20, 10:20], listed[10:20, 10:15] = 1.0, False
    (row, col, area), *_ = candidates(score, listed, 1)
    assert listed[row, col] and area <= 35


def test_nothing_in_doubt_is_nothing_to_ask():
    assert candidates(*field(), 3) == []
