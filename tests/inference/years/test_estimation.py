"""The parameters from pixels: what a known chain has drawn is recovered, within the limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.years.chain import YearChain
from inference.years.estimation import Limits, Patterns, _ordered, _steps_within, fit
from inference.years.levels import LEVELS
from tests.inference.years.conftest import random_shares, simulate

YEARS = (2015, 2017, 2018, 2020, 2021, 2023)


def smooth_chain(sharpness: float = 1.0, **changes) -> YearChain:
    """Tables whose ratio rises evenly with the level, the third year's flatter than the others'."""
    level_L = np.linspace(-1, 1, LEVELS)
    slopes_T = [sharpness * (0.6 if at == 2 else 2.0) for at in range(len(YEARS))]
    weights_TSL = np.array([[np.exp(-slope * level_L), np.exp(slope * level_L)] for slope in slopes_T])
    fields = {"initial": 0.35, "gain": 0.03, "loss": 0.004} | changes
    return YearChain(YEARS, **fields, emission_TSL=weights_TSL / weights_TSL.sum(axis=2, keepdims=True))


@pytest.fixture(scope="module")
def drawn():
    truth = smooth_chain()
    return truth, fit(Patterns.of(simulate(truth, 150_000, 1)[1], YEARS))


def test_rates_of_a_known_chain_are_recovered(drawn):
    truth, estimate = drawn
    assert estimate.chain.gain == pytest.approx(truth.gain, abs=0.006)
    assert estimate.chain.loss == pytest.approx(truth.loss, abs=0.003)
    assert estimate.chain.initial == pytest.approx(truth.initial, abs=0.03)


def test_tables_of_a_known_chain_are_recovered(drawn):
    truth, estimate = drawn
    assert np.abs(estimate.chain.emission_TSL - truth.emission_TSL).max() < 0.02


def test_the_year_that_errs_more_is_seen_to(drawn):
    truth, estimate = drawn
    assert estimate.chain.error_T.argmax() == 2
    np.testing.assert_allclose(estimate.chain.error_T, truth.error_T, atol=0.02)


def test_em_never_makes_the_pixels_less_probable(drawn):
    history = np.array(drawn[1].log_posterior)
    assert len(history) > 3 and (np.diff(history) >= -1e-9 * np.abs(history[1:])).all()


def test_higher_levels_never_speak_less_for_impervious(drawn):
    pervious_TL, impervious_TL = drawn[1].chain.emission_TSL.transpose(1, 0, 2)
    assert (np.diff(np.log(impervious_TL) - np.log(pervious_TL), axis=1) >= -1e-9).all()


def test_the_limit_of_loss_is_kept():
    shares_TN = simulate(smooth_chain(loss=0.05), 20_000, 2)[1]
    patterns = Patterns.of(shares_TN, YEARS)
    assert fit(patterns).chain.loss == 0.005
    assert fit(patterns, Limits(most_loss=0.0)).chain.loss == 0.0
    assert fit(patterns, Limits(most_loss=0.3)).chain.loss > 0.03


def test_of_two_years_the_tables_are_the_maps_own():
    shares_TN = random_shares(2, 5000, 3, missing=0.1)
    known_TN = shares_TN != 255
    chain = fit(Patterns.of(shares_TN, (2019, 2021))).chain
    low_N = known_TN[0] & (shares_TN[0] < 0.01 * 254)
    impervious = np.where(known_TN[0], shares_TN[0] / 254, 0)
    expected = impervious[low_N].sum() / impervious.sum()
    assert chain.emission_TSL[0, 1, 0] == pytest.approx(expected, abs=1e-4)


def test_a_year_without_a_known_pixel_takes_part():
    shares_TN = simulate(smooth_chain(), 5000, 4)[1]
    shares_TN[3] = 255
    chain = fit(Patterns.of(shares_TN, YEARS)).chain
    assert np.isfinite(chain.emission_TSL).all() and np.allclose(chain.emission_TSL.sum(axis=2), 1)


def test_equal_pixels_give_equal_parameters():
    shares_TN = simulate(smooth_chain(), 4000, 5)[1]
    shuffled_TN = shares_TN[:, np.random.default_rng(0).permutation(4000)]
    first, second = (fit(Patterns.of(pixels_TN, YEARS)).chain for pixels_TN in (shares_TN, shuffled_TN))
    assert first.gain == pytest.approx(second.gain, rel=1e-9)
    np.testing.assert_allclose(first.emission_TSL, second.emission_TSL, rtol=1e-7)


def test_no_known_pixel_is_refused():
    with pytest.raises(ValueError, match="no pixel of the maps is known"):
        fit(Patterns.of(np.full((3, 9), 255, np.uint8), (2017, 2019, 2021)))


def test_patterns_count_pixels():
    shares_TN = np.array([[0, 0, 254, 255], [254, 254, 254, 255]], np.uint8)
    patterns = Patterns.of(shares_TN, (2019, 2021))
    assert sorted(patterns.weight_P) == [1, 2]


def test_isotonic_tables_against_every_pooling():
    """Scikit-learn's regression as the oracle; the totals of both rows stay."""
    from sklearn.isotonic import isotonic_regression

    counts_SL = np.random.default_rng(6).uniform(0.5, 5, (2, LEVELS))
    ordered_SL = _ordered(counts_SL)
    weight_L = counts_SL.sum(axis=0)
    expected_L = isotonic_regression(counts_SL[1] / weight_L, sample_weight=weight_L)
    np.testing.assert_allclose(ordered_SL[1] / ordered_SL.sum(axis=0), expected_L, rtol=1e-9)
    np.testing.assert_allclose(ordered_SL.sum(axis=1), counts_SL.sum(axis=1), rtol=1e-12)


def test_expected_steps_within_a_gap_by_counting_every_path():
    import itertools

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
        Limits(**changes)


def test_rates_hold_whatever_the_gaps():
    """The same ground seen every year or every third year has about the same rates."""
    yearly = replace(smooth_chain(2.0), years=YEARS)
    _, shares_TN = simulate(yearly, 60_000, 7)
    every = fit(Patterns.of(shares_TN, YEARS)).chain
    picked = [0, 2, 3, 5]
    some = fit(Patterns.of(shares_TN[picked], [YEARS[at] for at in picked])).chain
    assert some.gain == pytest.approx(every.gain, abs=0.006)
