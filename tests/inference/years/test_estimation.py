"""The parameters from pixels: what a known chain has drawn is recovered, within the limits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from isamap.inference.years.estimation import Patterns, RateLimits, _steps_within, em, fit, own_tables
from isamap.inference.years.levels import LEVELS
from tests.inference.years.conftest import calibrated_chain, random_shares, simulate

YEARS = (2015, 2017, 2018, 2020, 2021)
SHARP = (9.0, 9.0, 5.0, 9.0, 9.0)  # the third year's probabilities are blurred
LIMITS = RateLimits()


@pytest.fixture(scope="module")
def independent():
    """Maps that err independently, and what is estimated from them."""
    truth = calibrated_chain(YEARS, SHARP)
    return truth, fit(Patterns.of(simulate(truth, 20_000, 1)[1], YEARS))


@pytest.fixture(scope="module")
def persistent():
    """Maps whose errors return."""
    truth = calibrated_chain(YEARS, SHARP, persistence=0.6, renewal=0.1)
    return truth, fit(Patterns.of(simulate(truth, 20_000, 2)[1], YEARS))


@pytest.mark.long
@pytest.mark.parametrize("case", ["independent", "persistent"])
def test_rates_of_a_known_chain_are_recovered(case, request):
    truth, estimate = request.getfixturevalue(case)
    assert estimate.chain.gain == pytest.approx(truth.gain, abs=0.005)
    assert estimate.chain.loss == pytest.approx(truth.loss, abs=0.003)
    assert estimate.chain.initial == pytest.approx(truth.initial, abs=0.02)


@pytest.mark.long
def test_errors_that_return_are_told_from_errors_that_do_not(independent, persistent):
    assert independent[1].chain.persistence == 0.0
    assert persistent[1].chain.persistence == pytest.approx(0.6, abs=0.11)
    assert persistent[1].chain.renewal == pytest.approx(0.1, abs=0.11)


@pytest.mark.long
def test_the_tables_of_calibrated_maps_are_recovered(independent):
    truth, estimate = independent
    assert np.abs(estimate.chain.emission_TSL - truth.emission_TSL).max() < 0.02


@pytest.mark.long
def test_the_year_that_errs_more_is_seen_to(independent):
    truth, estimate = independent
    assert estimate.chain.error_T.argmax() == 2
    np.testing.assert_allclose(estimate.chain.error_T, truth.error_T, atol=0.02)


def test_em_never_makes_the_pixels_less_probable():
    truth = calibrated_chain(YEARS, SHARP, gain=0.1)
    patterns = Patterns.of(simulate(truth, 3000, 3)[1], YEARS)
    start = calibrated_chain(YEARS, SHARP, gain=0.001, initial=0.6)
    history = np.array(em(start, patterns, LIMITS, 40)[1])
    assert len(history) > 5 and (np.diff(history) >= -1e-9 * np.abs(history[1:])).all()


def test_the_limit_of_loss_is_kept():
    truth = calibrated_chain(YEARS, SHARP, loss=0.05)
    patterns = Patterns.of(simulate(truth, 4000, 4)[1], YEARS)
    losses = [em(truth, patterns, RateLimits(most_loss=most), 30)[0].loss for most in (0.005, 0.0, 0.3)]
    assert losses[:2] == [0.005, 0.0] and losses[2] == pytest.approx(0.05, abs=0.015)


def test_tables_are_the_maps_own():
    shares_TN = random_shares(2, 5000, 3, missing=0.1)
    chain_TSL = own_tables(Patterns.of(shares_TN, (2019, 2021)).own_TSL)
    known_N = shares_TN[0] != 255
    low_N = known_N & (shares_TN[0] < 0.01 * 254)
    impervious = np.where(known_N, shares_TN[0] / 254, 0)
    assert chain_TSL[0, 1, 0] == pytest.approx(impervious[low_N].sum() / impervious.sum(), abs=1e-4)


@pytest.mark.long
def test_a_year_without_a_known_pixel_takes_part():
    shares_TN = simulate(calibrated_chain(YEARS, SHARP), 3000, 5)[1]
    shares_TN[0] = 255
    chain = fit(Patterns.of(shares_TN, YEARS)).chain
    assert np.isfinite(chain.emission_TSL).all() and np.allclose(chain.emission_TSL.sum(axis=2), 1)


@pytest.mark.long
def test_equal_pixels_give_equal_parameters():
    shares_TN = simulate(calibrated_chain(YEARS, SHARP), 2000, 6)[1]
    shuffled_TN = shares_TN[:, np.random.default_rng(0).permutation(2000)]
    first, second = (fit(Patterns.of(pixels_TN, YEARS)).chain for pixels_TN in (shares_TN, shuffled_TN))
    assert first.to_json()["gain"] == pytest.approx(second.gain, rel=1e-9)
    assert first.persistence == second.persistence


def test_patterns_count_pixels():
    shares_TN = np.array([[0, 0, 254, 255], [254, 254, 254, 255]], np.uint8)
    patterns = Patterns.of(shares_TN, (2019, 2021))
    assert sorted(patterns.weight_P) == [1, 2] and patterns.own_TSL.shape == (2, 2, LEVELS)


def test_expected_steps_within_a_gap_by_counting_every_path():
    step_SS, gap = np.array([[0.9, 0.1], [0.02, 0.98]]), 4
    expected, total = np.zeros((2, 2, 2, 2)), np.zeros((2, 2))
    for path in itertools.product((0, 1), repeat=gap + 1):
        chance = np.prod([step_SS[a, b] for a, b in itertools.pairwise(path)])
        total[path[0], path[-1]] += chance
        for a, b in itertools.pairwise(path):
            expected[path[0], path[-1], a, b] += chance
    np.testing.assert_allclose(_steps_within(0.1, 0.02, gap), expected / total[:, :, None, None], rtol=1e-12)


@pytest.mark.parametrize("changes", [{"most_loss": -0.1}, {"most_loss": 0.9}, {"most_gain": 0.6}])
def test_limits_that_cannot_be_kept_are_refused(changes):
    with pytest.raises(ValueError, match="expected"):
        RateLimits(**changes)


@pytest.mark.long
def test_rates_hold_whatever_the_gaps(independent):
    """The same ground seen in five or in three years of other gaps has about the same rates."""
    truth, estimate = independent
    shares_TN = simulate(truth, 20_000, 1)[1]
    some = fit(Patterns.of(shares_TN[[0, 3, 4]], [YEARS[at] for at in (0, 3, 4)])).chain
    assert some.gain == pytest.approx(estimate.chain.gain, abs=0.008)
