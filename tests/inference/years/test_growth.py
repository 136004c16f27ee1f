"""First year, its interval and growth of pixels, against the enumeration of every path."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.inference.years import growth
from isamap.inference.years.growth import filtered, first_names, growth_names
from isamap.inference.years.posterior import evidence, most_probable_path, recursions
from tests.inference.years.conftest import joint, paths, random_chain, random_shares

YEARS = (2017, 2019, 2021, 2023)


@pytest.fixture(scope="module")
def case():
    chain = random_chain(YEARS, 20)
    shares_TN = random_shares(4, 60, 21, missing=0.3)
    shares_TN[:, 0] = 255
    return chain, shares_TN, filtered(shares_TN, chain)


def test_classes_are_the_path_and_stored_probabilities_the_posterior(case):
    chain, shares_TN, result = case
    seen = evidence(shares_TN, chain)
    np.testing.assert_array_equal(result.class_TN[:, 1:], most_probable_path(seen, chain)[:, 1:])
    posterior_TN = recursions(seen, chain).impervious_TN
    np.testing.assert_array_equal(result.share_TN[:, 1:], np.rint(254 * posterior_TN[:, 1:]))


def test_the_first_year_is_that_of_the_classes(case):
    result = case[2]
    for pixel in range(1, 60):
        first, classes = result.first_N[pixel], result.class_TN[:, pixel]
        assert classes.any() == (first > 0)
        if first:
            assert classes[first - 1] == 1 and not classes[: first - 1].any()


def test_the_interval_holds_ninety_percent(case):
    chain, shares_TN, result = case
    every = paths(4)
    first = np.where(every.any(axis=1), every.argmax(axis=1), 4)
    for pixel in range(1, 60):
        weights = joint(shares_TN[:, pixel], chain)
        below = np.cumsum([weights[first == row].sum() for row in range(5)]) / weights.sum()
        earliest, latest = (int(np.argmax(below >= level - 1e-12)) for level in (0.05, 0.95))
        assert result.earliest_N[pixel] == (earliest + 1) % 5 and result.latest_N[pixel] == (latest + 1) % 5


def test_growth_is_the_history_more_probable_than_all_others(case):
    chain, shares_TN, result = case
    rising = {(1, 1, 1, 1): 1, (0, 1, 1, 1): 2, (0, 0, 1, 1): 3, (0, 0, 0, 1): 4, (0, 0, 0, 0): 0}
    for pixel in range(1, 60):
        weights = joint(shares_TN[:, pixel], chain)
        chance = np.zeros(6)
        for path, weight in zip(paths(4), weights / weights.sum(), strict=True):
            chance[rising.get(tuple(path.tolist()), 5)] += weight
        assert result.growth_N[pixel] == (chance.argmax() if chance.max() > 0.5 else 6)


def test_a_pixel_never_known_stays_unknown(case):
    result = case[2]
    for name in ("class_TN", "share_TN", "first_N", "earliest_N", "latest_N", "growth_N"):
        assert (getattr(result, name)[..., 0] == 255).all()
    assert np.isnan(result.expected_TN[:, 0]).all()


@pytest.mark.parametrize("cut", [1, 5, 59])
def test_a_cut_changes_no_bit(case, cut):
    chain, shares_TN, result = case
    piece = filtered(shares_TN[:, cut:], chain)
    for name in growth.Filtered.__annotations__:
        np.testing.assert_array_equal(getattr(piece, name), getattr(result, name)[..., cut:])


def test_pieces_change_no_bit(case, monkeypatch):
    chain, shares_TN, result = case
    monkeypatch.setattr(growth, "PIXELS", 7)
    pieces = filtered(shares_TN, chain)
    np.testing.assert_array_equal(pieces.expected_TN, result.expected_TN)


def test_many_years_are_filtered():
    """More sequences of levels than a 64-bit number counts."""
    years = tuple(range(1995, 2025))
    chain = random_chain(years, 22)
    shares_TN = random_shares(30, 12, 23)
    posterior_TN = recursions(evidence(shares_TN, chain), chain).impervious_TN
    np.testing.assert_array_equal(filtered(shares_TN, chain).expected_TN, posterior_TN)


def test_names_of_values():
    assert first_names((2017, 2019, 2020)) == ("pervious in all years", "2017 or before", "2018 to 2019", "2020")
    assert growth_names((2017, 2019))[2:] == ("growth 2018 to 2019", "impervious and back", "uncertain")


@pytest.mark.parametrize("count", [2, 4, 9, 30])
def test_every_value_has_a_colour(count):
    years = range(2000, 2000 + count)
    assert len(growth.first_colours(years)) == len(first_names(years))
    assert len(set(growth.growth_colours(years))) == len(growth_names(years))
