"""The filter against an independent enumeration of every path of up to six years."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from isamap.inference.years.chain import RANK_SHARES, RANKS, YearChain, power, ranked
from isamap.inference.years.levels import LEVELS
from isamap.inference.years.posterior import evidence, histories, most_probable_path, quantile, recursions
from tests.inference.years.conftest import joint, paths, random_chain, random_shares

SERIES = [
    (2020,),
    (2020, 2021),
    (2017, 2019, 2021, 2023),
    (2016, 2017, 2020, 2024, 2025),
    (2000, 2001, 2003, 2010, 2012, 2020),
]


def concluded(shares_TN, chain):
    seen = evidence(shares_TN, chain)
    return seen, recursions(seen, chain)


@pytest.mark.parametrize("years", SERIES)
@pytest.mark.parametrize("changes", [{}, {"loss": 0.0}, {"persistence": 0.0, "renewal": 0.0}, {"persistence": 0.95}])
def test_the_posterior_is_that_of_all_paths(years, changes):
    chain = random_chain(years, len(years), **changes)
    shares_TN = random_shares(len(years), 12, 3, missing=0.3)
    _, both = concluded(shares_TN, chain)
    for pixel, shares_T in enumerate(shares_TN.T):
        weights = joint(shares_T, chain)
        expected_T = weights @ paths(len(years)) / weights.sum()
        np.testing.assert_allclose(both.impervious_TN[:, pixel], expected_T, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("years", SERIES)
def test_the_scales_multiply_to_the_likelihood(years):
    chain = random_chain(years, 5)
    shares_TN = random_shares(len(years), 8, 4)
    _, both = concluded(shares_TN, chain)
    expected_N = [joint(shares_T, chain).sum() for shares_T in shares_TN.T]
    np.testing.assert_allclose(both.scale_TN.prod(axis=0), expected_N, rtol=1e-10)


@pytest.mark.parametrize("years", SERIES)
def test_the_path_is_the_most_probable_of_all(years):
    chain = random_chain(years, 6)
    shares_TN = random_shares(len(years), 20, 5)
    path_TN = most_probable_path(evidence(shares_TN, chain), chain)
    for pixel, shares_T in enumerate(shares_TN.T):
        expected = paths(len(years))[joint(shares_T, chain).argmax()]
        np.testing.assert_array_equal(path_TN[:, pixel], expected)


@pytest.mark.parametrize("years", SERIES)
def test_first_years_and_histories_are_those_of_all_paths(years):
    chain = random_chain(years, 7)
    shares_TN = random_shares(len(years), 12, 6)
    seen, both = concluded(shares_TN, chain)
    result = histories(seen, chain, both)
    every = paths(len(years))
    first = np.where(every.any(axis=1), every.argmax(axis=1), len(years))
    rising = (np.diff(every, axis=1) >= 0).all(axis=1)
    for pixel, shares_T in enumerate(shares_TN.T):
        weights = joint(shares_T, chain)
        weights /= weights.sum()
        onset_K = [weights[first == row].sum() for row in range(len(years) + 1)]
        growth_K = [weights[rising & (first == row)].sum() for row in range(len(years) + 1)]
        np.testing.assert_allclose(result.onset_KN[:, pixel], onset_K, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(result.growth_KN[:, pixel], [*growth_K, weights[~rising].sum()], atol=1e-12)


def test_without_loss_the_path_and_the_posterior_never_go_back():
    years = (2017, 2019, 2020, 2021, 2023)
    chain = random_chain(years, 8, loss=0.0)
    shares_TN = random_shares(len(years), 2000, 7)
    seen, both = concluded(shares_TN, chain)
    path_TN = most_probable_path(seen, chain)
    assert (np.diff(path_TN.astype(int), axis=0) >= 0).all()
    assert (np.diff(both.impervious_TN, axis=0) >= -1e-12).all()
    assert histories(seen, chain, both).growth_KN[-1].max() < 1e-9


def test_maps_that_say_nothing_leave_the_prior():
    chain = random_chain((2015, 2018, 2019), 9)
    flat = replace(chain, emission_TSL=np.full((3, 2, LEVELS), 1 / LEVELS), persistence=0.0)
    _, both = concluded(random_shares(3, 50, 8), flat)
    prior = 0.3
    expected = [prior]
    for gap in (3, 1):
        for _ in range(gap):
            prior = prior * (1 - chain.loss) + (1 - prior) * chain.gain
        expected.append(prior)
    np.testing.assert_allclose(both.impervious_TN, np.tile(expected, (50, 1)).T, rtol=1e-12)


@pytest.mark.parametrize("gap", [1, 2, 7, 40])
def test_a_gap_is_so_many_years(gap):
    step_SS = np.array([[0.93, 0.07], [0.02, 0.98]])
    np.testing.assert_allclose(power(0.07, 0.02, gap), np.linalg.matrix_power(step_SS, gap), rtol=1e-12)


def test_without_gain_and_loss_nothing_changes():
    np.testing.assert_array_equal(power(0.0, 0.0, 9), np.eye(2))


@pytest.mark.parametrize("cut", [1, 7, 64, 1000])
def test_a_pixel_has_the_same_bits_in_every_cut(cut):
    chain = random_chain((2017, 2019, 2021, 2023), 12)
    shares_TN = random_shares(4, 1003, 9)
    seen, both = concluded(shares_TN, chain)
    result, path_TN = histories(seen, chain, both), most_probable_path(seen, chain)
    piece_TN = np.ascontiguousarray(shares_TN[:, cut : cut + 61])
    seen_piece, piece = concluded(piece_TN, chain)
    section = histories(seen_piece, chain, piece)
    np.testing.assert_array_equal(piece.impervious_TN, both.impervious_TN[:, cut : cut + 61])
    np.testing.assert_array_equal(section.onset_KN, result.onset_KN[:, cut : cut + 61])
    np.testing.assert_array_equal(section.growth_KN, result.growth_KN[:, cut : cut + 61])
    np.testing.assert_array_equal(most_probable_path(seen_piece, chain), path_TN[:, cut : cut + 61])


@pytest.mark.parametrize(("probability", "row"), [(0.05, 1), (0.1, 1), (0.11, 2), (0.5, 2), (0.95, 3)])
def test_quantiles_are_the_first_year_that_reaches_them(probability, row):
    onset_KN = np.array([[0.0], [0.1], [0.5], [0.4]])
    assert quantile(onset_KN, probability) == [row]


def test_a_chain_is_read_back_as_it_was():
    chain = random_chain((2017, 2019), 13)
    again = YearChain.from_json(json.loads(json.dumps(chain.to_json())))
    np.testing.assert_array_equal(again.emission_TSL, chain.emission_TSL)
    assert (again.years, again.initial, again.gain, again.loss) == ((2017, 2019), 0.3, 0.07, 0.02)
    assert (again.persistence, again.renewal) == (0.6, 0.1)


def test_levels_of_ranks_are_those_of_the_copula():
    """Scipy's bivariate normal distribution of the same cells."""
    from scipy.stats import multivariate_normal, norm

    table_L = random_chain((2017,), 15).emission_TSL[0, 1]
    pair = multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]])
    edges = [norm.ppf(np.clip(np.cumsum(each), 1e-9, 1 - 1e-9)) for each in (RANK_SHARES, table_L)]
    below_RL = np.array([[pair.cdf([x, y]) for y in edges[1]] for x in edges[0]])
    cells_RL = np.diff(np.diff(np.pad(below_RL, ((1, 0), (1, 0))), axis=0), axis=1)
    np.testing.assert_allclose(RANK_SHARES[:, None] * ranked(table_L, 0.6), cells_RL, atol=1e-3)


def test_without_persistence_every_rank_has_the_years_table():
    table_L = random_chain((2017,), 16).emission_TSL[0, 0]
    np.testing.assert_allclose(ranked(table_L, 0.0), np.tile(table_L, (RANKS, 1)), rtol=1e-9)


@pytest.mark.parametrize("loading", [0.3, 0.9, 0.98])
def test_all_ranks_together_have_the_years_table(loading):
    table_L = random_chain((2017,), 17).emission_TSL[0, 0]
    np.testing.assert_allclose(RANK_SHARES @ ranked(table_L, loading), table_L, atol=0.01)
