"""Sample sizes and their division among strata."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.inference.assessment import allocation
from isamap.inference.assessment.allocation import ALLOCATIONS, Conjecture, expected


@pytest.fixture
def belief():
    return Conjecture(("pervious", "impervious"), np.array([0.95, 0.05]), np.array([0.98, 0.8]), np.array([0.02, 0.8]))


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_every_division_adds_up_and_gives_each_stratum_two(belief, name):
    counts = ALLOCATIONS[name](belief, 301)
    assert counts.sum() == 301 and counts.min() >= 2


def test_rare_strata_get_at_least_75_points(belief):
    assert allocation.rare(belief, 500).tolist() == [425, 75]


def test_neymans_division_has_the_least_error_of_overall_accuracy(belief):
    errors = {name: expected(belief, divide(belief, 400).tolist()).overall for name, divide in ALLOCATIONS.items()}
    assert min(errors, key=errors.get) in ("neyman", "area")
    assert errors["neyman"] <= min(errors.values()) + 1e-9


def test_the_division_for_area_has_the_least_error_of_area():
    belief = Conjecture(
        ("a", "b", "impervious"), np.array([0.6, 0.3, 0.1]), np.array([0.7, 0.9, 0.8]), np.array([0.01, 0.2, 0.8])
    )
    errors = {name: expected(belief, divide(belief, 400).tolist()).area for name, divide in ALLOCATIONS.items()}
    assert min(errors, key=errors.get) == "area"


def test_a_simple_samples_size_is_cochrans():
    """Cochran 1977, section 4.4: p 0.5 to a standard error of 0.025 needs 400."""
    assert allocation.simple_size(0.5, 0.025) == 400


def test_a_small_map_needs_fewer_points(belief):
    assert allocation.stratified_size(belief, 0.005, 2_000) < allocation.stratified_size(belief, 0.005)


def test_the_expected_error_is_reached_by_the_size_for_it(belief):
    points = allocation.stratified_size(belief, 0.008)
    assert expected(belief, allocation.neyman(belief, points)).overall == pytest.approx(0.008, rel=0.01)


def test_fewer_than_two_points_a_stratum_are_refused(belief):
    with pytest.raises(ValueError, match="--points 3: 2 strata need two each, 4 in all"):
        allocation.proportional(belief, 3)


def test_an_impossible_standard_error_is_refused(belief):
    with pytest.raises(ValueError, match=r"--standard-error 0.7: expected a share between 0 and 0.5"):
        allocation.stratified_size(belief, 0.7)


def test_an_unknown_division_is_refused():
    with pytest.raises(ValueError, match="--allocation 'optimal': expected proportional, equal"):
        allocation.allocation_named("optimal")
