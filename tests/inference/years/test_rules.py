"""The simple rules, pixel by pixel against lists of what they must give."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from inference.years.layers import goes_back
from inference.years.rules import independent, irreversible, running_majority

U = 255


def ruled(rule, *values: int) -> list[int]:
    return rule(np.array(values, np.uint8)[:, None])[:, 0].tolist()


def test_independent_years_stay_as_they_are():
    assert ruled(independent, 0, U, 1, 0) == [0, U, 1, 0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 1, 0, 0), [0, 0, 0, 0]),
        ((1, 1, 0, 1, 1), [1, 1, 1, 1, 1]),
        ((0, 1), [0, 1]),
        ((0, U, 0), [0, 0, 0]),
        ((0, U, 1), [0, U, 1]),
        ((U, U, U), [U, U, U]),
    ],
)
def test_the_running_majority_of_three(values, expected):
    assert ruled(running_majority, *values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 1, 0, 0), [0, 0, 0, 0]),
        ((0, 0, 1, 1), [0, 0, 1, 1]),
        ((1, 1, 0, 1), [1, 1, 1, 1]),
        ((1, 0, 1, 1), [0, 0, 1, 1]),
        ((1, 0), [0, 0]),
        ((0, U, 1), [0, 0, 1]),
        ((U, U), [U, U]),
    ],
)
def test_the_irreversible_history_that_differs_least(values, expected):
    assert ruled(irreversible, *values) == expected


def test_no_history_without_a_way_back_differs_less():
    rising = [[0] * first + [1] * (5 - first) for first in range(6)]
    for values in itertools.product((0, 1, U), repeat=5):
        if set(values) == {U}:
            continue
        history = ruled(irreversible, *values)
        differing = [sum(a not in (b, U) for a, b in zip(values, each, strict=True)) for each in [history, *rising]]
        assert history in rising and differing[0] == min(differing)


def test_going_back_is_seen_across_unknown_years():
    class_TN = np.array([[0, 1, 1, 1, U], [1, U, 1, 0, U], [1, 0, 1, 1, U]], np.uint8)
    assert goes_back(class_TN).tolist() == [False, True, False, True, False]
